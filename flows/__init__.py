"""Exact click metrics over event-time windows, as a Bytewax dataflow."""

__version__ = "0.1.0"
