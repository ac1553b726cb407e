"""Each room of `checks/`, by itself."""
