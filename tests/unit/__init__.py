"""Tests of one module each, without any server: laid out as flows/ is."""
