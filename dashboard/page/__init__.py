"""What the page draws: its head, its panels, their charts, HTML and words."""
