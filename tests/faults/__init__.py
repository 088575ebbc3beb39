"""Tests of flows that are killed, whose disk is full or damaged, whose input is hostile."""
