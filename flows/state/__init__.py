"""State on disk in RocksDB; `python -m flows.state` shows what a directory holds."""
