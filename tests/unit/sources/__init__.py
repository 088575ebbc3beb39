"""Of `flows.sources`."""
