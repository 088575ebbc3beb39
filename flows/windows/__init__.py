"""The building blocks of windows: rings, slices, tables by visitor. Pure, on numpy alone."""
