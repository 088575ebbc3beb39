"""What stands between a batch and a shard's state: its order, its time, who holds which shard."""
