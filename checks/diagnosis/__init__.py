"""What several labs need to explain: a pod that does not start, a tunnel that leads elsewhere."""
