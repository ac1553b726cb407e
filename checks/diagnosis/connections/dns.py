"""Whether the cluster's DNS answers at all: a name that is not found proves nothing while it is
silent."""

from __future__ import annotations

import contextlib

from checks.capabilities import Cluster
from checks.errors import Unverifiable
from checks.facts import ForwardRefused

_ALWAYS_THERE = "kubernetes.default.svc.cluster.local:443"  # made by every API server for itself


def require_dns(cluster: Cluster) -> None:
    """Return when a pod of ours resolves a name that every cluster has. Raises Unverifiable when it
    does not."""
    with cluster.probe([_ALWAYS_THERE]) as probe:
        with (
            contextlib.suppress(ForwardRefused, OSError),
            probe.connect(_ALWAYS_THERE) as connection,
        ):
            connection.settimeout(1)  # the server waits for us to speak first: silence is a success
            connection.recv(1)
        said = probe.said(_ALWAYS_THERE)
    if "getaddrinfo" in said or "not known" in said or "name resolution" in said:
        raise Unverifiable(
            "Le DNS du cluster ne répond pas : aucun nom de Service n’y est résolu en ce moment.",
            "Recommencez dans quelques minutes ; si cela dure, signalez-le à l’équipe qui "
            "administre le cluster (sur le petit SSPCloud local : cahier cluster supprimer, puis "
            "cahier cluster creer).",
        )
