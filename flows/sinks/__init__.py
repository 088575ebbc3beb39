"""Where boards and entries go."""
