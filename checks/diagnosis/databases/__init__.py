"""The catalogue's databases, and the relays that lead to a colleague's."""
