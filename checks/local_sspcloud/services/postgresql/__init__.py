"""PostgreSQL, as the chart `postgresql-cnpg` of the platform's catalogue makes it.

https://github.com/InseeFrLab/helm-charts-databases/tree/main/charts/postgresql-cnpg
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from checks.access.kubernetes_api import collection
from checks.diagnosis.policies.decision import NAMESPACE_NAME
from checks.local_sspcloud.services.description import Item, Operator, Order, Service
from checks.local_sspcloud.services.postgresql import accounts, operated, plain
from checks.objects.labels import LabelSelector
from checks.objects.policies import IngressRule, PolicyPeer, PolicyPort

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api
    from checks.objects.pods import PodObject

_OPERATOR_NAMESPACE = "cnpg-system"
"""Where the operator's own installation puts it."""


class PostgreSQL(Service):
    """A database of one pod; the platform's own operator makes it where there is one."""

    title = "PostgreSQL"
    label = "postgresql"
    image = plain.IMAGE
    port = plain.PORT
    database = plain.DATABASE

    def new_name(self) -> str:
        """As the platform draws it."""
        return f"postgresql-cnpg-{secrets.randbelow(10**6):06d}"

    def release_of(self, labels: Mapping[str, str]) -> str:
        """Said by the operator's own label."""
        return labels.get(plain.CLUSTER, "")

    def short_host(self, release: str) -> str:
        """The Service of the pod that takes writes."""
        return f"{release}-rw"

    def pod(self, release: str) -> str:
        """The first instance."""
        return f"{release}-1"

    def chosen(self, release: str) -> Mapping[str, str]:
        """All instances."""
        return {plain.CLUSTER: release}

    def manifests(self, order: Order) -> Sequence[Item]:
        """Those of a plain pod."""
        return plain.manifests(order)

    def missing(self, api: Api, namespace: str, release: str) -> Sequence[Item]:
        """The Secret, from the copy that came with it, where only the copy is left."""
        place = collection("Secret", namespace)
        copy = api.find(f"{place}/{release}-user")
        if copy is None or api.find(f"{place}/{release}") is not None:
            return ()
        metadata = {
            "name": release,
            "namespace": namespace,
            "labels": copy["metadata"].get("labels") or {},
        }
        item = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        return [{**item, "data": copy.get("data") or {}}]

    def serving(self, pods: Sequence[PodObject]) -> Sequence[PodObject]:
        """Others prepare the first one's files, or serve no client themselves."""
        servers = [one for one in pods if one.metadata.labels.get("cnpg.io/podRole") == "instance"]
        return sorted(
            servers,
            key=lambda one: one.metadata.labels.get("cnpg.io/instanceRole") != "primary",
        )

    def is_operated(self, api: Api, namespace: str, release: str) -> bool:
        """Whether the operator's `Cluster` owns it."""
        return operated.is_of(api, namespace, release)

    def operator(self, api: Api) -> Operator | None:
        """CloudNativePG's, on the local cluster."""
        return operated.operator(api)

    def operator_rules(self) -> Sequence[IngressRule]:
        """As the operator's documentation asks.
        https://github.com/cloudnative-pg/cloudnative-pg/tree/main/docs/src/samples/networkpolicy-example.yaml
        """
        operator = PolicyPeer(
            pod_selector=LabelSelector({"app.kubernetes.io/name": "cloudnative-pg"}),
            namespace_selector=LabelSelector({NAMESPACE_NAME: _OPERATOR_NAMESPACE}),
        )
        ports = tuple(PolicyPort("TCP", port) for port in (8000, self.port))
        return [IngressRule(ports, (operator,))]

    def operator_sentences(self) -> Sequence[str]:
        """Why the operator is let in."""
        return [
            "Elle admet aussi l’opérateur qui fait vivre la base "
            f"({_OPERATOR_NAMESPACE}, ports 8000 et {self.port}) : sans lui, plus rien ne la "
            "surveille."
        ]

    def gives_passwords(self, pod: PodObject) -> bool:
        """The image has psql."""
        return True

    def set_password(
        self, api: Api, namespace: str, pod: PodObject, role: str, password: str
    ) -> None:
        """By psql, in the pod."""
        accounts.set_password(api, namespace, pod, role, password)


SERVICE = PostgreSQL()
