"""Of `flows.metrics`: each metric in a shard, on a clock of the test's own."""
