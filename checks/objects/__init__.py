"""Kubernetes objects as types: what the API server may leave out has its default, what it never
leaves out has none.

Field by field as in https://kubernetes.io/docs/reference/kubernetes-api/ ; only what we read.
"""
