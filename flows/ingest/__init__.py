"""From bytes to clicks to shards: decode, validate, mask, split."""
