"""A cluster of which nothing is known but names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from checks.capabilities import Cluster


def cluster(**names: list[str]) -> Cluster:
    """alice's, with objects of these names."""
    pods = [SimpleNamespace(name=one, controller=None) for one in names.get("Pod", [])]
    said: Any = SimpleNamespace(
        namespace="user-alice",
        user="oidc-alice",
        names=lambda kind: names.get(kind, []),
        pods=lambda: pods,
        user_of=lambda place: place.replace("user-", "oidc-"),
    )
    return cast(Cluster, said)
