"""Of `flows.ingest`."""
