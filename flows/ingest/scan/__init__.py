"""Scanning: clicks straight from bytes into columns, in compiled code; see `flows.ingest.scan.scan`."""
