"""Services, and where the cluster worked out that they lead."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from checks.decoding import prepared
from checks.objects.parts import Object, Part


class ServicePort(Part, frozen=True):
    """A port that a Service's clients write; `target_port` None: the same port of the pods."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str = ""
    target_port: int | str | None = None

    @property
    def target(self) -> int | str:
        """The pods' port, by its number or by the name that their containers give it."""
        return self.port if self.target_port is None else self.target_port


class ServiceSpec(Part, frozen=True):
    """What is asked of a Service."""

    type: str = "ClusterIP"
    selector: Mapping[str, str] = {}
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = msgspec.field(name="clusterIPs", default=())
    external_name: str = ""
    ip_families: tuple[str, ...] = ()


class Service(Object, frozen=True):
    """A name for pods, or for a host elsewhere (`external_name`)."""

    spec: ServiceSpec

    @property
    def is_headless(self) -> bool:
        """Whether it has no address of its own: its name gives the pods' addresses, its ports are
        not translated."""
        return self.spec.cluster_ip == "None"

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it chooses the pods that carry `labels`; one without a selector chooses none."""
        return bool(self.spec.selector) and self.spec.selector.items() <= labels.items()


class EndpointPort(Part, frozen=True):
    """A port of the endpoints of a slice; None: all of them."""

    port: int | None = None
    name: str = ""


class EndpointConditions(Part, frozen=True):
    """Whether an endpoint takes clients; None, which is not known, means that it does."""

    ready: bool | None = None


class Reference(Part, frozen=True):
    """Which object an endpoint is."""

    name: str = ""
    uid: str = ""


class Endpoint(Part, frozen=True):
    """Where a Service sends its clients."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: Reference = Reference()

    @property
    def is_ready(self) -> bool:
        """Whether it takes clients."""
        return self.conditions.ready is not False


class EndpointSlice(Object, frozen=True):
    """Where the cluster worked out that a Service leads."""

    ports: tuple[EndpointPort, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def service(self) -> str:
        """Name of the Service, "" for a slice of none."""
        return self.metadata.labels.get("kubernetes.io/service-name", "")


prepared(Service, EndpointSlice)
