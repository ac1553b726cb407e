"""Pods: what was asked, and how they are.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from checks.decoding import prepared
from checks.objects.parts import Object, Part

# -- what is asked ---------------------------------------------------------------------------------


class Variable(Part, frozen=True):
    """A variable of a container; `value` "" where it comes from elsewhere, or is empty."""

    name: str
    value: str = ""


class PortSpec(Part, frozen=True):
    """A port that a container declares: an indication, which its program may not follow."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"


class Resources(Part, frozen=True):
    """What a container, or a whole pod, asks for and may take at most, by resource."""

    requests: Mapping[str, str] = {}
    limits: Mapping[str, str] = {}

    def says(self, family: str, resource: str) -> bool:
        """Whether `requests` or `limits` (`family`) say how much; the API server takes a limit as
        the request where only the limit is written."""
        limit = self.limits.get(resource, "")
        return bool(self.requests.get(resource, "") or limit if family == "requests" else limit)


class Command(Part, frozen=True):
    """A command that a probe runs in its container."""

    command: tuple[str, ...] = ()


class TcpQuestion(Part, frozen=True):
    """A port that a probe connects to; `host` "": of the pod itself."""

    port: int | str
    host: str = ""


class HttpQuestion(Part, frozen=True):
    """What a probe asks for by HTTP; `host` "": of the pod itself."""

    port: int | str
    host: str = ""
    path: str = "/"
    scheme: str = "HTTP"


class ProbeSpec(Part, frozen=True):
    """How the kubelet sees whether a container is well; one of the questions is there."""

    exec: Command | None = None
    tcp_socket: TcpQuestion | None = None
    http_get: HttpQuestion | None = None
    period_seconds: int = 10
    failure_threshold: int = 3

    @property
    def patience(self) -> int:
        """Seconds of failures after which the kubelet acts."""
        return self.period_seconds * self.failure_threshold


class ContainerSpec(Part, frozen=True):
    """What is asked of a container."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    ports: tuple[PortSpec, ...] = ()
    resources: Resources = Resources()
    liveness_probe: ProbeSpec | None = None
    readiness_probe: ProbeSpec | None = None
    restart_policy: str = ""


class ConfigMapVolume(Part, frozen=True):
    """The ConfigMap that a volume shows."""

    name: str = ""


class Volume(Part, frozen=True):
    """A volume; None: it shows no ConfigMap."""

    config_map: ConfigMapVolume | None = None


class PodSpec(Part, frozen=True):
    """What is asked of a pod."""

    containers: tuple[ContainerSpec, ...]
    init_containers: tuple[ContainerSpec, ...] = ()
    volumes: tuple[Volume, ...] = ()
    resources: Resources = Resources()

    @property
    def lasting(self) -> Sequence[ContainerSpec]:
        """The containers that it keeps running: its own, then the init containers that stay beside
        them.

        https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
        """
        beside = [one for one in self.init_containers if one.restart_policy == "Always"]
        return [*self.containers, *beside]


# -- how they are ----------------------------------------------------------------------------------


class Waiting(Part, frozen=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class Running(Part, frozen=True):
    """Since when a container runs: a date of RFC 3339."""

    started_at: str = ""


class Terminated(Part, frozen=True):
    """How a container ended."""

    exit_code: int | None = None
    reason: str = ""
    message: str = ""


class ContainerState(Part, frozen=True):
    """One of them at most is there."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Part, frozen=True):
    """How a container is, and was before it was made again."""

    name: str
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class Condition(Part, frozen=True):
    """One answer about an object; `status`: True, False or Unknown."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class PodAddress(Part, frozen=True):
    """An address of a pod."""

    ip: str


def holds(conditions: Iterable[Condition], *kinds: str) -> bool:
    """Whether one of the conditions of these types is true."""
    return any(one.type in kinds and one.status == "True" for one in conditions)


class PodStatus(Part, frozen=True):
    """How a pod is."""

    phase: str = ""
    reason: str = ""
    ip: str = msgspec.field(name="podIP", default="")
    ips: tuple[PodAddress, ...] = msgspec.field(name="podIPs", default=())
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, None as long as nothing says."""
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""
        return holds(self.conditions, "Ready")

    @property
    def waiting(self) -> Waiting:
        """Why the first container that does not run does not, as far as it is told."""
        states = (one.state.waiting for one in self.container_statuses)
        return next((one for one in states if one is not None), Waiting())


class PodObject(Object, frozen=True):
    """A pod as the API gives it; what checks see of one is `facts.Pod`."""

    spec: PodSpec
    status: PodStatus = PodStatus()


class _ObservedStatus(Part, frozen=True):
    conditions: tuple[Condition, ...] = ()


class Observed(Object, frozen=True):
    """A pod or a node, of which one asks only whether it is ready."""

    status: _ObservedStatus = _ObservedStatus()

    @property
    def is_ready(self) -> bool:
        """Whether it says so."""
        return holds(self.status.conditions, "Ready")


prepared(PodObject, Observed)
