"""Visitors' journeys: the table that users edit, the state machine that follows it, what it logs."""
