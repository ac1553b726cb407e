"""A service that no folder of the catalogue describes: it tells the time, to whoever asks by
HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checks.local_sspcloud.services.description import INSTANCE, NAME, Item, Order, Service
from checks.local_sspcloud.services.helm import Chart


class Clock(Service):
    title = "Horloge"
    label = "horloge"
    image = "busybox:1.36"
    port = 8080

    def new_name(self) -> str:
        return "horloge-1"

    def release_of(self, labels: Mapping[str, str]) -> str:
        return labels.get(INSTANCE, "") if labels.get(NAME) == self.label else ""

    def short_host(self, release: str) -> str:
        return "cadran"

    def pod(self, release: str) -> str:
        return "cadran-0"

    def policy(self, release: str) -> str:
        return "cadran"

    def chosen(self, release: str) -> Mapping[str, str]:
        return {NAME: self.label, INSTANCE: release}

    def credentials(self, release: str) -> tuple[str, str]:
        return "cadran", "clef"

    def manifests(self, order: Order) -> Sequence[Item]:
        chart = Chart(order, self.label, "1.0.0", "cadran")
        pod = chart("v1", "Pod", self.pod(order.name))
        pod["spec"] = {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "cadran",
                    "image": self.image,
                    "command": ["httpd", "-f", "-p", str(self.port)],
                    "ports": [{"name": "http", "containerPort": self.port}],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "16Mi"},
                        "limits": {"cpu": "100m", "memory": "32Mi"},
                    },
                }
            ],
        }
        return [
            chart("v1", "Secret", "cadran", stringData={"clef": order.password}),
            chart.service("cadran", "http", self.port, headless=False),
            *([] if order.opened else [chart.same_namespace_only("cadran")]),
            pod,
        ]


SERVICE = Clock()
