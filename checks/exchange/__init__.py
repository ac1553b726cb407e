"""Real exchanges over a connected socket: HTTP and PostgreSQL, spoken through and closed
cleanly."""
