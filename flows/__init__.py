"""Exact click metrics over event-time windows, as a Bytewax dataflow."""
