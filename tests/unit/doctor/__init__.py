"""Tests of `checks/doctor/`."""
