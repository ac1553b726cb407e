"""Tests of `checks/sources/`."""
