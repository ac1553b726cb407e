"""Where a client wants to go: what it writes, and what can be read behind that name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.databases.relay_manifest import Target
from checks.errors import UsageError
from checks.facts import Pod
from checks.objects.parts import named
from checks.objects.services import Service, ServicePort
from checks.path.ends import Host, Named
from checks.path.ground import Ground

_MOST = 4  # pods behind one name that are tried


@dataclass(frozen=True)
class Aim:
    """`host` and `port` are what the client writes. `namespace` "": outside the cluster, or not
    known; `view` None: it cannot be looked at. `service` None: there is none, or `pods` are aimed
    at directly."""

    host: str
    port: int
    namespace: str = ""
    view: Cluster | None = None
    service: Service | None = None
    pods: Sequence[Pod] = ()
    written: str = ""
    """The port as it was typed, where it is a name."""

    @property
    def target(self) -> str:
        """As one writes it."""
        return f"{self.host}:{self.port}"

    @property
    def entry(self) -> ServicePort | None:
        """The port of the Service that a client writes."""
        if self.service is None:
            return None
        return next((one for one in self.service.spec.ports if one.port == self.port), None)

    @property
    def is_direct(self) -> bool:
        """Whether it names pods by their address."""
        return bool(self.pods) and self.service is None

    def is_met_by(self, other: Aim) -> bool:
        """Whether whoever goes to `other` arrives where this one means: at one of its pods, or at
        the same name, where what is behind it is not seen."""
        if self.port == other.port and self._names == other._names:
            return True
        own = {pod.uid for pod in self.selected()}
        return any(pod.uid in own for pod, _ in other.doors)

    @property
    def _names(self) -> tuple[str, str]:
        """A name however much of it is written; an address as it is."""
        if self.service is not None:
            return self.service.name, self.namespace
        short = bool(self.namespace) and self.view is None
        return self.host.partition(".")[0] if short else self.host, self.namespace

    def selected(self) -> Sequence[Pod]:
        """The pods that it means."""
        if self.service is None or self.view is None:
            return self.pods
        return [pod for pod in self.view.pods() if self.service.selects(pod.labels)]

    def port_of(self, pod: Pod) -> int | None:
        """The port of a pod where its clients arrive; None for a name that the pod does not
        give."""
        entry = self.entry
        if entry is None or (self.service is not None and self.service.is_headless):
            return self.port
        return pod.port_named(entry.target, entry.protocol)

    def address_of(self, pod: Pod) -> str:
        """The address of a pod where its clients arrive: that which they write, else one of the
        family of the Service that leads them; "" where the pod has none such."""
        if self.host in pod.addresses:
            return self.host
        families = self._families
        found = (one for family in families for one in pod.addresses if family_of(one) == family)
        return next(found, "") if families else pod.ip

    @property
    def _families(self) -> Sequence[str]:
        if self.service is None:
            return ()
        if self.host in self.service.spec.cluster_ips:
            return (family_of(self.host),)
        return self.service.spec.ip_families

    @property
    def doors(self) -> Sequence[tuple[Pod, int]]:
        """The pods that take its clients now, each with its port."""
        there = [pod for pod in self.selected() if self.address_of(pod) and not pod.deleting]
        serving = [pod for pod in there if pod.ready] if self.service is not None else there
        running = [pod for pod in serving if any(box.running for box in pod.containers)]
        found = ((pod, self.port_of(pod)) for pod in running[:_MOST])
        return [(pod, port) for pod, port in found if port is not None]


def family_of(address: str) -> str:
    """As a Service writes it."""
    return f"IPv{ipaddress.ip_address(address).version}"


def aim(ground: Ground, end: Named | Host) -> Aim:
    """What an end means. Raises UsageError where the port is not said, or is known to nobody."""
    if isinstance(end, Host):
        return of_host(ground, end.host, end.port)
    if end.kind == "service":
        host = f"{end.name}.{end.namespace}.svc"
        return _of_service(ground, end.name, end.namespace, host, end.port, str(end))
    view = ground.view(end.namespace)
    if view is None:
        raise UsageError(
            f"Vos droits ne montrent pas les pods de {end.namespace}.",
            f"Donnez le nom d’un Service de ce namespace : svc/NOM.{end.namespace}:PORT",
        )
    pods = pods_of(view, end)
    if not pods:
        return Aim(end.name, int(end.port) if end.port.isdigit() else 0, end.namespace, view)
    port = _port_of_pods(end, pods)
    return Aim(pods[0].ip or pods[0].name, port, end.namespace, view, None, pods)


def of_host(ground: Ground, host: str, port: str) -> Aim:
    """What a client means by a host name."""
    target = Target(host, port)
    place = target.namespace(ground.cluster.namespace)
    if target.is_address or place is None:
        return _of_address(ground, host, port)
    return _of_service(ground, host.partition(".")[0], place, host, port, str(target))


def _of_address(ground: Ground, host: str, port: str) -> Aim:
    number = _number(port, host)
    for view in ground.views:
        for service in view.services():
            if host in service.spec.cluster_ips:
                return Aim(host, number, view.namespace, view, service)
    found = ground.pod_at(host)
    if found is not None:
        view, pod = found
        return Aim(host, number, view.namespace, view, None, [pod])
    return Aim(host, number)


def _of_service(ground: Ground, name: str, namespace: str, host: str, port: str, typed: str) -> Aim:
    view = ground.view(namespace)
    service = named(view.services(), name) if view is not None else None
    if service is None and not port:
        raise UsageError(f"« {typed} » ne dit pas son port.", f"Ajoutez-le : {typed}:PORT")
    number = _port_of_service(service, port, typed) if service else _number(port, typed)
    return Aim(host, number, namespace, view, service, written=port)


def _port_of_service(service: Service, port: str, typed: str) -> int:
    ports = service.spec.ports
    if port.isdigit():
        return _number(port, typed)
    named_so = next((one.port for one in ports if port and one.name == port), None)
    if named_so is not None:
        return named_so
    if not port and len(ports) == 1:
        return ports[0].port
    known = ", ".join(f"{one.port}" + (f" ({one.name})" if one.name else "") for one in ports)
    raise UsageError(
        f"Le Service {service.name} n’a pas de port « {port} »."
        if port
        else f"« {typed} » ne dit pas son port.",
        f"Ses ports : {known}" if known else f"Ajoutez-le : {typed}:PORT",
    )


def _number(port: str, typed: str) -> int:
    if port.isdigit() and 0 < int(port) < 65536:
        return int(port)
    raise UsageError(
        f"« {typed} » ne dit pas son port en chiffres.", "Écrivez-le après le nom : HÔTE:PORT"
    )


def pods_of(view: Cluster, end: Named) -> Sequence[Pod]:
    """The pods that an object is, or keeps, those that are ready first; a Service keeps none."""
    if end.kind == "pod":
        pod = view.pod(end.name)
        return [pod] if pod is not None else []
    if end.kind == "deployment":
        workload = named(view.deployments(), end.name)
        found = (
            [pod for pod in view.pods() if workload.spec.selector.selects(pod.labels)]
            if workload is not None
            else []
        )
    else:
        found = [
            pod
            for pod in view.pods()
            if pod.controller is not None
            and (pod.controller.kind.lower(), pod.controller.name) == (end.kind, end.name)
        ]
    return first_ready(found)


def first_ready(pods: Iterable[Pod]) -> Sequence[Pod]:
    """Those that are ready, then those that are not, then those that go."""
    return sorted(pods, key=lambda pod: (pod.deleting, not pod.ready, pod.name))


def _port_of_pods(end: Named, pods: Sequence[Pod]) -> int:
    if end.port.isdigit():
        return _number(end.port, str(end))
    declared = [one for box in pods[0].containers for one in box.ports]
    if end.port:
        number = pods[0].port_named(end.port)
        if number is not None:
            return number
    elif len(declared) == 1:
        return declared[0].number
    known = ", ".join(f"{one.number}" + (f" ({one.name})" if one.name else "") for one in declared)
    raise UsageError(
        f"Le pod {pods[0].name} ne déclare pas de port « {end.port} »."
        if end.port
        else f"« {end} » ne dit pas son port.",
        f"Ses ports : {known}" if known else f"Ajoutez-le : {end}:PORT",
    )
