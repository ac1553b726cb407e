"""Kubernetes objects as types: what the API server may leave out has its default, what it never
leaves out has none.

Field by field as in https://kubernetes.io/docs/reference/kubernetes-api/ ; only what we read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from checks.decoding import prepared


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    """A part of an object; the API's names are in camel case."""


class Metadata(_Object, frozen=True):
    """What every object says of itself."""

    name: str
    labels: dict[str, str] = {}


class ServicePort(_Object, frozen=True):
    """A port that a Service's clients write; `target_port` None: the same port of the pods."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str | None = None

    @property
    def target(self) -> int | str:
        """The pods' port, by its number or by the name that their containers give it."""
        return self.port if self.target_port is None else self.target_port


class ServiceSpec(_Object, frozen=True):
    """What is asked of a Service."""

    type: str = "ClusterIP"
    selector: dict[str, str] = {}
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = msgspec.field(name="clusterIPs", default=())
    external_name: str = ""


class Service(_Object, frozen=True):
    """A name for pods, or for a host elsewhere (`external_name`)."""

    metadata: Metadata
    spec: ServiceSpec

    @property
    def name(self) -> str:
        """Its name in its namespace."""
        return self.metadata.name

    @property
    def is_headless(self) -> bool:
        """Whether it has no address of its own: its name gives the pods' addresses, its ports are
        not translated."""
        return self.spec.cluster_ip == "None"

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it chooses the pods that carry `labels`; one without a selector chooses none."""
        return bool(self.spec.selector) and self.spec.selector.items() <= labels.items()


class EndpointPort(_Object, frozen=True):
    """A port of the endpoints of a slice; None: all of them."""

    port: int | None = None
    name: str = ""


class EndpointConditions(_Object, frozen=True):
    """Whether an endpoint takes clients; None, which is not known, means that it does."""

    ready: bool | None = None


class Reference(_Object, frozen=True):
    """Which object an endpoint is."""

    name: str = ""
    uid: str = ""


class Endpoint(_Object, frozen=True):
    """Where a Service sends its clients."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: Reference = Reference()

    @property
    def is_ready(self) -> bool:
        """Whether it takes clients."""
        return self.conditions.ready is not False


class EndpointSlice(_Object, frozen=True):
    """Where the cluster worked out that a Service leads."""

    metadata: Metadata
    written_ports: tuple[EndpointPort, ...] | None = msgspec.field(name="ports", default=None)
    written_endpoints: tuple[Endpoint, ...] | None = msgspec.field(name="endpoints", default=None)
    """None is how Kubernetes writes that there are none."""

    @property
    def ports(self) -> Sequence[EndpointPort]:
        """The ports of its endpoints."""
        return self.written_ports or ()

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Where it leads."""
        return self.written_endpoints or ()

    @property
    def service(self) -> str:
        """Name of the Service, "" for a slice of none."""
        return self.metadata.labels.get("kubernetes.io/service-name", "")


prepared(Service, EndpointSlice)


def service_named(services: Sequence[Service], name: str) -> Service | None:
    """The Service of that name."""
    return next((one for one in services if one.name == name), None)


# -- rights ----------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """One rule of a role: verbs on resources (all of their names, or some), or on URLs that are no
    resource's."""

    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """Whom a binding names. `namespace`: a ServiceAccount's; "" for that of the binding."""

    kind: str
    name: str
    namespace: str = ""


@dataclass(frozen=True)
class Binding:
    """A RoleBinding or ClusterRoleBinding (`kind`), and the role that it gives to its subjects."""

    kind: str
    name: str
    role_kind: str
    role: str
    subjects: tuple[Subject, ...] = ()


def rules_of(role: Mapping[str, Any]) -> Sequence[Rule]:
    """The rules of a Role or ClusterRole, as the API gives it."""

    def words(rule: Mapping[str, Any], key: str) -> tuple[str, ...]:
        return tuple(rule.get(key) or ())

    return [
        Rule(
            words(rule, "apiGroups"),
            words(rule, "resources"),
            words(rule, "verbs"),
            words(rule, "resourceNames"),
            words(rule, "nonResourceURLs"),
        )
        for rule in role.get("rules") or ()
    ]


def binding_of(item: Mapping[str, Any], kind: str = "") -> Binding:
    """A binding as the API gives it. `kind`: for the items of a list, which do not say theirs."""
    return Binding(
        kind or item["kind"],
        item["metadata"]["name"],
        item["roleRef"]["kind"],
        item["roleRef"]["name"],
        tuple(
            Subject(subject["kind"], subject["name"], subject.get("namespace") or "")
            for subject in item.get("subjects") or ()
        ),
    )
