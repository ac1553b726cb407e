"""Tests of `checks/grading/`."""
