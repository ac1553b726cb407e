"""What is made of a chart whose objects no operator keeps: labels and annotations as Helm has them.

https://github.com/bitnami/charts/blob/main/bitnami/common/templates/_labels.tpl
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from checks.local_sspcloud.services.description import INSTANCE, NAME, Item, Order

COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Chart:
    """Makes the objects of one release of a chart. `component`: of its server."""

    order: Order
    name: str
    version: str
    component: str

    @property
    def chosen(self) -> dict[str, str]:
        """The labels that a release is known by."""
        return {NAME: self.name, INSTANCE: self.order.name}

    @property
    def labels(self) -> dict[str, str]:
        """Those of everything that belongs to its server."""
        return {
            **self.chosen,
            "app.kubernetes.io/managed-by": "Helm",
            "helm.sh/chart": f"{self.name}-{self.version}",
            COMPONENT: self.component,
        }

    def __call__(self, version: str, kind: str, name: str, **content: object) -> dict[str, Any]:
        """An object of this name."""
        metadata = {
            "name": name,
            "namespace": self.order.namespace,
            "labels": self.labels,
            "annotations": {
                "meta.helm.sh/release-name": self.order.name,
                "meta.helm.sh/release-namespace": self.order.namespace,
            },
        }
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}

    def service(self, name: str, port_name: str, port: int, *, headless: bool) -> dict[str, Any]:
        """A Service of the server; the headless one gives each of its pods a name."""
        spec: dict[str, Any] = {
            "selector": {**self.chosen, COMPONENT: self.component},
            "ports": [{"name": port_name, "port": port, "targetPort": port_name}],
        }
        if headless:
            spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
        return self("v1", "Service", name, spec=spec)

    def same_namespace_only(self, name: str) -> dict[str, Any]:
        """The NetworkPolicy of the form's box.

        https://github.com/InseeFrLab/helm-charts-interactive-services: `library-chart`
        """
        spec = {
            "podSelector": {"matchLabels": self.chosen},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {}}]}],
        }
        return self("networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)

    def stateful_set(self, name: str, headless: str, pod: Item) -> dict[str, Any]:
        """What keeps the pod of the server: `pod` is its metadata, beside the labels, and spec."""
        template = {**pod, "metadata": {**pod.get("metadata", {}), "labels": self.labels}}
        spec = {
            "serviceName": headless,
            "replicas": 1,
            "selector": {"matchLabels": {**self.chosen, COMPONENT: self.component}},
            "template": template,
        }
        return self("apps/v1", "StatefulSet", name, spec=spec)
