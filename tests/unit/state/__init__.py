"""Of `flows.state`."""
