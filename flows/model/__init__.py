"""What flows: batches, clicks as columns, a shard's part of them, boards. Plain data that knows no engine."""
