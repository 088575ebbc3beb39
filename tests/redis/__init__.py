"""Tests of the Redis sink against servers."""
