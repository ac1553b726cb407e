"""Pods and what makes them: why one is not ready, and what its program says."""
