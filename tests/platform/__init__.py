"""What only a real cluster shows."""
