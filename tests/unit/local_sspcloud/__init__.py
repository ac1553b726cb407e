"""Tests of `checks/local_sspcloud/`."""
