"""What is read in a browser."""
