"""The small local SSPCloud: a kind cluster, its people and its catalogue."""
