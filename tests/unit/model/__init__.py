"""Of `flows.model`."""
