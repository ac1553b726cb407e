"""Cahier Kubernetes: checks that ask the cluster what really happens.

Data flows one way: cluster → facts → checks → verdict → renderers.
"""

__version__ = "0.1.0"
