"""Tests that the texts in the top folder are true."""
