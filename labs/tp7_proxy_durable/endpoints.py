"""Where a Service sends its clients, as the cluster worked it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.workloads.deployments import Deployment
from checks.objects.services import Service, ServicePort


@dataclass(frozen=True)
class Front:
    """A Service, the port that its clients write, and the Deployment that should serve them."""

    service: Service
    port: int
    behind: Deployment

    @property
    def name(self) -> str:
        """Name of the Service."""
        return self.service.name

    @property
    def entry(self) -> ServicePort | None:
        """How the Service declares its clients' port; None when it does not."""
        wanted = (self.port, "TCP")
        return next(
            (one for one in self.service.spec.ports if (one.port, one.protocol) == wanted), None
        )


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
        Endpoint(endpoint.target_ref.uid, endpoint.target_ref.name, port.port)
        for slice_ in cluster.endpoint_slices()
        if slice_.service == front.name
        for port in slice_.ports
        if port.port is not None and (entry is None or port.name == entry.name)
        for endpoint in slice_.endpoints
        if endpoint.is_ready
    ]


def others_leading_to(cluster: Cluster, found: Deployment, port: int) -> Sequence[str]:
    """Names of the Services, whatever they are called, that send clients to the Deployment's
    pods."""
    ours = {pod.uid for pod in found.pods}
    return sorted(
        service.name
        for service in cluster.services()
        if any(endpoint.uid in ours for endpoint in endpoints(cluster, Front(service, port, found)))
    )
