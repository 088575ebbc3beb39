"""Tests of what runs the project in a cluster, without one."""
