"""The catalogue's databases, as the objects of a namespace show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from checks.diagnosis.databases.catalogue import (
    databases,
    not_serving,
    platform_secrets,
    relaunch,
)
from checks.sources.snapshot import Snapshot, SnapshotCluster

BASE = "postgresql-cnpg-951239"
LABELS = {"cnpg.io/cluster": BASE}
OPERATOR = [{"apiVersion": "v1", "kind": "Cluster", "name": BASE, "uid": "u", "controller": True}]


def cluster(**objects: Sequence[Mapping[str, Any]]) -> SnapshotCluster:
    known = {kind: [dict(item) for item in items] for kind, items in objects.items()}
    empty: dict[str, list[dict[str, Any]]] = {"Pod": [], "Service": [], "ResourceQuota": []}
    return SnapshotCluster(
        Snapshot(taken=datetime.now(UTC), namespace="user-alice", objects=empty | known)
    )


def service(**metadata: Any) -> dict[str, Any]:
    spec = {"selector": LABELS, "ports": [{"port": 5432}]}
    return {"metadata": {"name": f"{BASE}-rw", **metadata}, "spec": spec}


def test_a_base_without_a_pod_is_the_operator_s_to_make_where_one_keeps_it() -> None:
    alone, kept = cluster(Service=[service()]), cluster(Service=[service(ownerReferences=OPERATOR)])
    assert [one.operated for one in (*databases(alone), *databases(kept))] == [False, True]

    found = not_serving(alone)
    assert found is not None
    assert "sans que rien ne le recrée" in found.cause
    assert found.commands == relaunch(alone, BASE) != ()
    assert not found.transient

    found = not_serving(kept)
    assert found is not None
    assert "n’y arrive pas" in found.cause
    assert "sans que rien" not in found.cause
    assert found.commands == (), "its interface does it: the commands would be refused"
    assert found.transient, "a pod that was deleted comes back"


def test_what_a_quota_keeps_the_operator_from_making_is_told() -> None:
    hard = {"requests.cpu": "2", "limits.cpu": "8"}
    quota = {"metadata": {"name": "onyxia-quota"}, "spec": {"hard": hard}}
    items = [service(ownerReferences=OPERATOR)]
    found = not_serving(cluster(Service=items, ResourceQuota=[quota]))
    assert found is not None
    assert "« onyxia-quota » de ce namespace compte limits.cpu, requests.cpu" in found.cause

    full = {"hard": {"pods": "15"}, "used": {"pods": "15"}}
    room = {"hard": {"pods": "15"}, "used": {"pods": "14"}}
    for status, said in ((full, True), (room, False)):
        item = {"metadata": {"name": "onyxia-quota"}, "spec": {}, "status": status}
        found = not_serving(cluster(Service=items, ResourceQuota=[item]))
        assert found is not None
        assert ("est atteint (pods : 15 sur 15)" in found.cause) is said


def test_the_secrets_of_a_base_are_those_that_say_so_or_are_called_like_it() -> None:
    def secret(name: str, **metadata: Any) -> dict[str, Any]:
        return {"metadata": {"name": name, **metadata}}

    helm = {"annotations": {"meta.helm.sh/release-name": BASE}}
    other = {"annotations": {"meta.helm.sh/release-name": "vscode-python-1"}}
    found = platform_secrets(
        cluster(
            Secret=[
                secret(f"{BASE}-user"),
                secret(f"sh.helm.release.v1.{BASE}.v3"),
                secret(f"sh.helm.release.v1.{BASE}0.v1"),
                secret(f"discoverable-{BASE}", **helm),
                secret("of-the-operator-of-tomorrow", ownerReferences=OPERATOR),
                secret(f"{BASE}-a-moi"),
                secret("vscode-python-1-secretpostgresql", **other),
            ]
        ),
        BASE,
    )
    assert found == [
        f"discoverable-{BASE}",
        "of-the-operator-of-tomorrow",
        BASE,
        f"{BASE}-user",
        f"sh.helm.release.v1.{BASE}.v3",
    ]
