"""MongoDB, as the chart `mongodb` of the platform's catalogue makes it.

https://github.com/InseeFrLab/helm-charts-databases/tree/main/charts/mongodb (1.0.5), which
configures https://github.com/bitnami/charts/tree/main/bitnami/mongodb (13.18.5). The chart makes
two of these pods, an arbiter between them and a volume for each: one pod without them is enough
here, and what stands in for MongoDB in the private engine cannot keep two of them alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from checks.local_sspcloud import engine as engines
from checks.local_sspcloud import loading, running
from checks.local_sspcloud.services.description import (
    INSTANCE,
    NAME,
    STAND_IN,
    Item,
    Order,
    Service,
    from_secret,
)
from checks.local_sspcloud.services.helm import COMPONENT, Chart
from checks.local_sspcloud.services.mongodb import accounts

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api
    from checks.local_sspcloud.progress import Progress
    from checks.objects.pods import PodObject

_FULL_NAME = "mongodb"
"""What everything is called, whatever the release (`fullnameOverride`)."""
_HEADLESS = f"{_FULL_NAME}-headless"
_COMPONENT = "mongodb"
"""Of its pods; an arbiter's is another."""
_SET = "rs0"
_UID = 1001  # as in Bitnami's image
_REMEDY = "Vérifiez la place libre (df -h), puis recommencez la même commande."


class MongoDB(Service):
    """A database whose pod is made again, and empty."""

    title = "MongoDB"
    label = "mongodb"
    image = "bitnamilegacy/mongodb:4.4"
    port = 27017
    remade = True
    one_per_namespace = True

    def new_name(self) -> str:
        """As the platform draws it."""
        return f"mongodb-{secrets.randbelow(10**6):06d}"

    def release_of(self, labels: Mapping[str, str]) -> str:
        """Said by the labels of every chart."""
        return labels.get(INSTANCE, "") if labels.get(NAME) == self.label else ""

    def serving(self, pods: Sequence[PodObject]) -> Sequence[PodObject]:
        """An arbiter serves no client."""
        return [one for one in pods if one.metadata.labels.get(COMPONENT) == _COMPONENT]

    def short_host(self, release: str) -> str:
        """Each pod has a name of its own below the headless Service."""
        return f"{self.pod(release)}.{_HEADLESS}"

    def address(self, release: str, user: str) -> str:
        """As a driver is told it: an account belongs to its database."""
        return f"mongodb://{user}@{self.short_host(release)}:{self.port}/{self.database}"

    def pod(self, release: str) -> str:
        """The StatefulSet's only one."""
        return f"{_FULL_NAME}-0"

    def policy(self, release: str) -> str:
        """Called like the rest."""
        return _FULL_NAME

    def chosen(self, release: str) -> Mapping[str, str]:
        """All pods of the release."""
        return {NAME: self.label, INSTANCE: release}

    def credentials(self, release: str) -> tuple[str, str]:
        """The chart keeps there the passwords of all the accounts that it is asked for."""
        return _FULL_NAME, "mongodb-passwords"

    def keeps_secret(self, release: str, name: str) -> bool:
        """There is one."""
        return name == _FULL_NAME

    def gives_passwords(self, pod: PodObject) -> bool:
        """MongoDB's own program would be told the password itself."""
        return STAND_IN in pod.metadata.annotations

    def held_at(self, pod: PodObject, account: str) -> tuple[str, str] | None:
        """Said by the variables of the pod: with them, the accounts are made again."""
        given = {one.name: one.value for box in pod.spec.containers for one in box.env}
        keys = {
            accounts.ROOT: "mongodb-root-password",
            given.get("MONGODB_EXTRA_USERNAMES"): "mongodb-passwords",
        }
        return (_FULL_NAME, keys[account]) if account in keys else None

    def set_password(
        self, api: Api, namespace: str, pod: PodObject, role: str, password: str
    ) -> None:
        """By the program that stands in."""
        accounts.set_password(api, namespace, pod.name, self.database, role, password)

    def supply(self, api: Api, progress: Progress) -> str:
        """FerretDB's image, where no registry gives MongoDB's."""
        engine = engines.private_running() if running.is_of(api) else None
        made = engines.stand_in(engine, self.image, progress) if engine is not None else None
        if engine is None or made is None:
            return ""
        server, archive, key = made
        name = f"docker.io/{self.image}"
        for node in loading.lacking(engine, name, key):
            with progress(f"Chargement de son image dans {node}", 3):
                loading.load(engine, node, archive, name, key, _REMEDY)
        return f"{server}, qui parle le protocole de MongoDB"

    def manifests(self, order: Order) -> Sequence[Item]:
        """What the chart makes, but its scripts, its ServiceAccount and the Secret by which other
        services discover it."""
        chart = Chart(order, self.label, "13.18.5", _COMPONENT)
        # the form gives both accounts the same
        held = {
            "mongodb-root-password": order.password,
            "mongodb-passwords": order.password,
            "mongodb-replica-set-key": secrets.token_hex(5),
        }
        return [
            chart("v1", "Secret", _FULL_NAME, type="Opaque", stringData=held),
            chart.service(_HEADLESS, "mongodb", self.port, headless=True),
            *([] if order.opened else [chart.same_namespace_only(_FULL_NAME)]),
            chart.stateful_set(_FULL_NAME, _HEADLESS, self._pod(order)),
        ]

    def _pod(self, order: Order) -> Item:
        said = {STAND_IN: order.stand_in} if order.stand_in else {}
        return {"metadata": {"annotations": said}, "spec": self._pod_spec(order)}

    def _pod_spec(self, order: Order) -> Item:
        listening = {"tcpSocket": {"port": self.port}}
        container = {
            "name": "mongodb",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"name": "mongodb", "containerPort": self.port}],
            "env": _variables(order),
            "startupProbe": {**listening, "periodSeconds": 1, "failureThreshold": 3600},
            "readinessProbe": {**listening, "periodSeconds": 10},
            "resources": {
                "requests": {"cpu": "20m", "memory": "64Mi"},
                "limits": {"cpu": "1", "memory": "512Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumeMounts": [{"name": "datadir", "mountPath": "/bitnami/mongodb"}],
        }
        return {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _UID,
                "runAsGroup": 0,
                "fsGroup": _UID,
            },
            "containers": [container],
            "volumes": [{"name": "datadir", "emptyDir": {}}],
        }


def _variables(order: Order) -> Sequence[Item]:
    """As the chart gives them to Bitnami's image, and one that its script would set: this pod is
    the first of the set."""
    pod = f"$(MY_POD_NAME).$(K8S_SERVICE_NAME).{order.namespace}.svc.cluster.local"
    return [
        {"name": "MY_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "K8S_SERVICE_NAME", "value": _HEADLESS},
        {"name": "MONGODB_REPLICA_SET_MODE", "value": "primary"},
        {"name": "MONGODB_REPLICA_SET_NAME", "value": _SET},
        {"name": "MONGODB_ADVERTISED_HOSTNAME", "value": pod},
        {"name": "MONGODB_EXTRA_USERNAMES", "value": order.user},
        {"name": "MONGODB_EXTRA_DATABASES", "value": order.database},
        from_secret("MONGODB_EXTRA_PASSWORDS", _FULL_NAME, "mongodb-passwords"),
        {"name": "MONGODB_ROOT_USER", "value": accounts.ROOT},
        from_secret("MONGODB_ROOT_PASSWORD", _FULL_NAME, "mongodb-root-password"),
        from_secret("MONGODB_REPLICA_SET_KEY", _FULL_NAME, "mongodb-replica-set-key"),
        {"name": "ALLOW_EMPTY_PASSWORD", "value": "no"},
    ]


SERVICE = MongoDB()
