"""Of `flows.sinks`."""
