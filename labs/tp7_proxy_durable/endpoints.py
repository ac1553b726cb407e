"""Where a Service sends its clients, as the cluster worked it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.diagnosis.workloads.deployments import Deployment
from checks.facts import Cluster


@dataclass(frozen=True)
class Front:
    """A Service as the API gives it, the port that its clients write, and the Deployment that should serve them."""

    service: Mapping[str, Any]
    port: int
    behind: Deployment

    @property
    def name(self) -> str:
        """Name of the Service."""
        return str(self.service["metadata"]["name"])

    @property
    def entry(self) -> Mapping[str, Any] | None:
        """How the Service declares its clients' port; None when it does not."""
        ports: Sequence[Mapping[str, Any]] = self.service["spec"].get("ports") or ()
        return next((one for one in ports if one["port"] == self.port and one.get("protocol", "TCP") == "TCP"), None)


@dataclass(frozen=True)
class Endpoint:
    """A pod to which a Service sends clients, and the port of the pod."""

    uid: str
    pod: str
    port: int


def endpoints(cluster: Cluster, front: Front) -> Sequence[Endpoint]:
    """Where the Service sends the clients of its port, or of any when it has no such port."""
    entry = front.entry
    return [
        Endpoint(str(reference.get("uid", "")), str(reference.get("name", "")), int(port["port"]))
        for item in cluster.objects("EndpointSlice")
        if item["metadata"].get("labels", {}).get("kubernetes.io/service-name") == front.name
        for port in item.get("ports") or ()
        if entry is None or (port.get("name") or "") == (entry.get("name") or "")
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for reference in [endpoint.get("targetRef") or {}]
    ]


def others_leading_to(cluster: Cluster, found: Deployment, port: int) -> Sequence[str]:
    """Names of the Services, whatever they are called, that send clients to the Deployment's pods."""
    ours = {pod.uid for pod in found.pods}
    return sorted(
        str(service["metadata"]["name"])
        for service in cluster.objects("Service")
        if any(endpoint.uid in ours for endpoint in endpoints(cluster, Front(service, port, found)))
    )
