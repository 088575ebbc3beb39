"""Of `flows.runtime`."""
