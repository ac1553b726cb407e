"""Who we are, and who may do what in a namespace."""
