"""One module a metric of the board: what it keeps, how shards merge, the rows it publishes."""
