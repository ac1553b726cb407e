"""Tests of `checks/diagnosis/`."""
