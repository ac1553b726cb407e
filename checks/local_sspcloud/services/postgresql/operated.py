"""A PostgreSQL of the catalogue as the platform has it: the CloudNativePG operator makes the pods,
the Service and the rest from one `Cluster`.

https://github.com/InseeFrLab/helm-charts-databases/tree/main/charts/postgresql-cnpg (0.5.1). Only
the platform's own account may make a `Cluster`: on the local cluster, its administrator does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.access.kubernetes_api import collection
from checks.errors import CahierError, Refused
from checks.local_sspcloud import running
from checks.local_sspcloud.services.description import Item, Operator, Order, place
from checks.local_sspcloud.services.postgresql.plain import (
    CLUSTER,
    credentials,
    same_namespace_only,
)
from checks.objects.parts import Metadata, metadata
from checks.waiting import Deadline, tries

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api

CATALOGUE = "postgresql-minimal-trixie"
"""The ClusterImageCatalog that the chart names."""
MAJOR = 15
OPERAND = "ghcr.io/cloudnative-pg/postgresql:15-minimal-trixie"
CHART = "postgresql-cnpg"
"""The chart's NetworkPolicy selects the pods of a release of this name, whatever the release."""
_HELM = "meta.helm.sh/release-name"
API_VERSION = "postgresql.cnpg.io/v1"
_GROUP = f"/apis/{API_VERSION}"
_POLL_SECONDS = 0.3


def is_there(api: Api) -> bool:
    """Whether the cluster has the operator's kinds. Raises AccessError."""
    try:
        api.request("GET", _GROUP)
    except Refused as refusal:
        if refusal.status != 404:
            raise
        return False
    return True


def operator(api: Api) -> CloudNativePG | None:
    """The operator that launches a database here as the platform's form does: on the local cluster.
    None elsewhere, or where there is none. Raises AccessError."""
    here = running.is_of(api) and is_there(api)
    return CloudNativePG(running.admin_api()) if here else None


def is_of(api: Api, namespace: str, name: str) -> bool:
    """Whether a database is the operator's: its pods, its Services and its Job are owned by a
    `Cluster`, which people may not read. Raises AccessError."""
    return any(
        metadata(one).database_cluster for one in _of(api, namespace, name, "Pod", "Service")
    )


@dataclass(frozen=True)
class CloudNativePG(Operator):
    """The operator of the platform."""

    platform: Api

    def manifests(self, order: Order) -> Sequence[Item]:
        """What the chart makes, without the `Database`."""
        namespace, name = order.namespace, order.name
        shared = [*credentials(order)]
        if not order.opened:
            shared.append(same_namespace_only(namespace, name, CHART))
        own = _metadata(namespace, name)
        return [
            *({**one, "metadata": {**own, "name": one["metadata"]["name"]}} for one in shared),
            {
                "apiVersion": API_VERSION,
                "kind": "Cluster",
                "metadata": own,
                "spec": _cluster(name, order.user),
            },
        ]

    def finish(self, namespace: str, release: str, database: str, seconds: float) -> None:
        """Wait until the operator has made the form's account, then have it make its database:
        asked for both at once, as the chart does, it fails and tries again half a minute later.
        Raises CahierError."""
        path = f"{_GROUP}/namespaces/{namespace}/clusters/{release}"
        deadline = Deadline(seconds)
        owner = ""
        for _ in tries(deadline.left, _POLL_SECONDS):
            cluster = self.platform.request("GET", path)
            owner = cluster["spec"]["managed"]["roles"][0]["name"]
            roles = (cluster.get("status") or {}).get("managedRolesStatus") or {}
            if owner in ((roles.get("byStatus") or {}).get("reconciled") or ()):
                break
        else:
            raise _late(release, f"Le compte {owner} n’y est pas.")
        item = _database(namespace, release, owner, database)
        path = f"{place(item)}/{release}"
        if self.platform.find(path) is None:
            self.platform.request("POST", place(item), item)
        said = ""
        for _ in tries(deadline.left, _POLL_SECONDS):
            status = self.platform.request("GET", path).get("status") or {}
            if status.get("applied"):
                return
            said = status.get("message") or said
        raise _late(release, said)

    def stop(self, namespace: str, release: str, from_chart: Sequence[str]) -> None:
        """Remove what the chart made: the `Cluster`, whose pods and volume the operator takes away,
        and what is at the paths `from_chart`. Raises AccessError."""
        for plural in ("databases", "clusters"):
            self.platform.remove(f"{_GROUP}/namespaces/{namespace}/{plural}/{release}")
        for path in from_chart:
            item = self.platform.find(path)
            if item is not None and _came_with(metadata(item), release):
                self.platform.remove(path)

    def is_gone(self, namespace: str, release: str) -> bool:
        """Whether no pod of a database is left, nor its volume. Raises AccessError."""
        return not any(_of(self.platform, namespace, release, "Pod", "PersistentVolumeClaim"))


def _late(name: str, said: str) -> CahierError:
    return CahierError(
        f"L’opérateur n’a pas encore créé la base de « {name} ». {said}".strip(),
        "Attendez un instant, puis recommencez la même commande.",
    )


def _of(api: Api, namespace: str, name: str, *kinds: str) -> Iterator[Item]:
    """The objects of these kinds that the operator has labelled as a database's."""
    query = {"labelSelector": f"{CLUSTER}={name}"}
    for kind in kinds:
        yield from api.objects(kind, collection(kind, namespace), query)


def _came_with(found: Metadata, name: str) -> bool:
    """Whether an object is the chart's, or what `cahier catalogue fermer` made of it."""
    return name in (found.annotations.get(_HELM), found.labels.get(CLUSTER))


def _database(namespace: str, name: str, owner: str, database: str) -> Item:
    spec = {"name": database, "owner": owner, "cluster": {"name": name}}
    return _operated("Database", _metadata(namespace, name), spec)


def _operated(kind: str, own: Item, spec: Item) -> Item:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": own, "spec": spec}


def _metadata(namespace: str, name: str) -> Item:
    """As Helm marks what it makes."""
    return {
        "namespace": namespace,
        "name": name,
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {_HELM: name, "meta.helm.sh/release-namespace": namespace},
    }


def _cluster(name: str, user: str) -> Item:
    owner = {
        "name": user,
        "ensure": "present",
        "login": True,
        "superuser": False,
        "passwordSecret": {"name": f"{name}-user"},
    }
    return {
        "instances": 1,
        "enablePDB": False,
        "imageCatalogRef": {
            "apiGroup": "postgresql.cnpg.io",
            "kind": "ClusterImageCatalog",
            "name": CATALOGUE,
            "major": MAJOR,
        },
        "storage": {"size": "1Gi"},
        "resources": {"limits": {}, "requests": {"memory": "64Mi", "cpu": "20m"}},
        "enableSuperuserAccess": True,
        "superuserSecret": {"name": f"{name}-superuser"},
        "managed": {
            "roles": [owner],
            "services": {"disabledDefaultServices": ["ro", "r"]},
        },
    }
