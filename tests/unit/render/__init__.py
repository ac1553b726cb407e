"""Tests of `checks/render/`."""
