"""Of `flows.shards`."""
