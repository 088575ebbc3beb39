"""Of `flows.windows`."""
