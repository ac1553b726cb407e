"""What of the bases is their owner's alone: the names of their pods and of their Secrets."""

from __future__ import annotations

from collections.abc import Sequence

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import databases


def pods_of_bases(cluster: Cluster) -> Sequence[str]:
    """Names of the databases' pods; for a database without one, the name that the catalogue would
    give it."""
    return [one.pod.name if one.pod else f"{one.release}-1" for one in databases(cluster)]


def secrets_of_bases(cluster: Cluster) -> Sequence[str]:
    """Names of the databases' Secrets, those of Helm too; that of a release is named even where it
    is not there."""
    releases = [one.release for one in databases(cluster)]
    ours = tuple(
        start for release in releases for start in (f"{release}-", f"sh.helm.release.v1.{release}.")
    )
    names = set(cluster.secret_names())
    return sorted({*releases, *(name for name in names if name.startswith(ours))})
