"""PostgreSQL as the platform's older chart makes it: a StatefulSet, under the release's own name.

https://github.com/InseeFrLab/helm-charts-databases/tree/main/charts/postgresql (1.0.12), which
configures https://github.com/bitnami/charts/tree/main/bitnami/postgresql (16.7.11). The server is
the other one's here: Bitnami's image reads these variables, Docker Hub's is told by a command.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from checks.local_sspcloud.services.description import (
    INSTANCE,
    NAME,
    Item,
    Order,
    Service,
    from_secret,
)
from checks.local_sspcloud.services.helm import COMPONENT, Chart
from checks.local_sspcloud.services.postgresql import accounts, plain

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api
    from checks.objects.pods import PodObject

_PORT_NAME = "tcp-postgresql"
_COMMAND = """\
export OWNER="$POSTGRES_USER" OWNER_PASSWORD="$POSTGRES_PASSWORD"
export OWNER_DATABASE="$POSTGRES_DATABASE"
export POSTGRES_USER=postgres POSTGRES_PASSWORD="$POSTGRES_POSTGRES_PASSWORD"
exec docker-entrypoint.sh postgres
"""


class OlderPostgreSQL(Service):
    """A database whose pod is made again, and empty: the chart gives it a volume, which a cluster
    may not have."""

    title = "PostgreSQL (ancien modèle)"
    label = "postgresql"
    image = plain.IMAGE
    port = plain.PORT
    database = plain.DATABASE
    remade = True

    def new_name(self) -> str:
        """As the platform draws it."""
        return f"postgresql-{secrets.randbelow(10**6):06d}"

    def release_of(self, labels: Mapping[str, str]) -> str:
        """Said by the labels of every chart, but on what an operator made."""
        aside = labels.get(COMPONENT) in ("read", "metrics") or plain.CLUSTER in labels
        ours = labels.get(NAME) == self.label and not aside
        return labels.get(INSTANCE, "") if ours else ""

    def short_host(self, release: str) -> str:
        """The Service, which is called like the release."""
        return release

    def pod(self, release: str) -> str:
        """The StatefulSet's only one."""
        return f"{release}-0"

    def chosen(self, release: str) -> Mapping[str, str]:
        """As the chart's own policy does."""
        return {NAME: self.label, INSTANCE: release}

    def manifests(self, order: Order) -> Sequence[Item]:
        """What the chart makes, without the Secret by which other services discover it."""
        name, chart = order.name, Chart(order, "postgresql", "16.7.11", "primary")
        # the form gives both accounts the same
        held = {"postgres-password": order.password, "password": order.password}
        container = {
            "name": "postgresql",
            "command": ["bash", "-c", _COMMAND],
            "ports": [{"name": _PORT_NAME, "containerPort": plain.PORT}],
            "env": [
                {"name": "POSTGRES_USER", "value": order.user},
                from_secret("POSTGRES_PASSWORD", name, "password"),
                from_secret("POSTGRES_POSTGRES_PASSWORD", name, "postgres-password"),
                {"name": "POSTGRES_DATABASE", "value": order.database},
            ],
        }
        scripts = {"10-owner.sh": plain.OWNER_SCRIPT}
        return [
            chart("v1", "Secret", name, type="Opaque", stringData=held),
            chart("v1", "ConfigMap", name, data=scripts),
            chart.service(name, _PORT_NAME, plain.PORT, headless=False),
            chart.service(f"{name}-hl", _PORT_NAME, plain.PORT, headless=True),
            *([] if order.opened else [chart.same_namespace_only(name)]),
            chart.stateful_set(name, f"{name}-hl", {"spec": plain.pod_spec(container, name)}),
        ]

    def gives_passwords(self, pod: PodObject) -> bool:
        """The image has psql."""
        return True

    def set_password(
        self, api: Api, namespace: str, pod: PodObject, role: str, password: str
    ) -> None:
        """By psql, in the pod."""
        accounts.set_password(api, namespace, pod, role, password)


SERVICE = OlderPostgreSQL()
