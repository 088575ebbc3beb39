"""Tests of whole flows, in this process and in others."""
