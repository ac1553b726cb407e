"""Tests of `checks/cli/`."""
