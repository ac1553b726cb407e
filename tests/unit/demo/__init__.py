"""Tests of `checks/demo/`."""
