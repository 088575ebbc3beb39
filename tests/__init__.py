"""Tests: each compares what the project does with what its contract says."""
