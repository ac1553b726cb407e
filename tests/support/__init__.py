"""What the tests share: people who type, files drawn at random, servers that fail."""
