"""Tests against brokers over TCP."""
