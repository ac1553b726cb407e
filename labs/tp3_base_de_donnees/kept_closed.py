"""What of the bases is their owner's alone: the names of their pods and of their Secrets."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import (
    HELM_STORAGE,
    databases,
    platform_secrets,
    platform_values,
)
from checks.errors import Forbidden, Unverifiable

_KEYS = ("password", "postgres-password")
_TELLING = 8  # letters, from which a password within a longer text is no word of it by chance
_ASKED_AT_ONCE = 8


def pods_of_bases(cluster: Cluster) -> Sequence[str]:
    """Names of the databases' pods; for a database without one, the name that the catalogue would
    give it."""
    return [one.pod.name if one.pod else f"{one.release}-1" for one in databases(cluster)]


def secrets_of_bases(cluster: Cluster) -> Sequence[str]:
    """Names of the Secrets that the platform made for the databases, that of a release even where
    it is not there; and of those that have the password of one, whoever made them, where we may
    read it."""
    return cluster.once(_secrets_of_bases)


def _secrets_of_bases(cluster: Cluster) -> Sequence[str]:
    releases = [one.release for one in databases(cluster)]
    made = {name for release in releases for name in platform_secrets(cluster, release)}
    try:
        return sorted({*made, *_copies(cluster, releases, made)})
    except (Forbidden, Unverifiable):
        return sorted(made)


def _copies(cluster: Cluster, releases: Sequence[str], known: set[str]) -> Sequence[str]:
    """Names of the other Secrets that have the password of a database: the platform copies it for
    the services that discover one."""
    passwords = [
        value
        for release in releases
        for key in _KEYS
        for value in platform_values(cluster, release, key)
    ]

    def has_one(secret: str) -> bool:
        values = (cluster.secret_values(secret) or {}).values()
        return any(
            value == password or (len(password) >= _TELLING and password in value)
            for value in values
            for password in passwords
        )

    others = [
        name
        for name in cluster.secret_names()
        if name not in known and not name.startswith(HELM_STORAGE)
    ]
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        return [name for name, has in zip(others, pool.map(has_one, others), strict=True) if has]
