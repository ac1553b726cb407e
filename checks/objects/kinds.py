"""The kinds of objects that people name before a slash, in kubectl's long and short words."""

from __future__ import annotations

# https://kubernetes.io/docs/reference/kubectl/#resource-types
_KINDS = {
    **dict.fromkeys(("pod", "pods", "po"), "pod"),
    **dict.fromkeys(("service", "services", "svc"), "service"),
    **dict.fromkeys(("deployment", "deployments", "deploy"), "deployment"),
    **dict.fromkeys(("statefulset", "statefulsets", "sts"), "statefulset"),
    **dict.fromkeys(("replicaset", "replicasets", "rs"), "replicaset"),
    **dict.fromkeys(("serviceaccount", "serviceaccounts", "sa"), "serviceaccount"),
}


def kind_called(word: str) -> str:
    """The kind that a word means, its group left out (`deployments.apps`); the word itself for
    another kind."""
    plain = word.partition(".")[0].lower()
    return _KINDS.get(plain, plain)
