"""Tests of `checks/site/`."""
