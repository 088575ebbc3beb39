"""Boards and stream entries into Redis."""
