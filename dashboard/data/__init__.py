"""What the page knows: boards read from Redis, and how far to trust them. No Streamlit here."""
