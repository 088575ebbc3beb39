"""Of `flows.entries`."""
