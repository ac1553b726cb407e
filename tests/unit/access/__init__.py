"""Tests of `checks/access/`."""
