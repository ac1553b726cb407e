"""Facts: the typed values that checks read. Who serves them, and how, is in `capabilities.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from checks.objects.parts import Metadata, OwnerReference
from checks.objects.pods import PodObject, PodSpec
from checks.objects.rights import Binding, Subject

OWNER_BINDING = "full_control_namespace"
"""The RoleBinding that the platform (Onyxia) makes in each namespace, for its owner."""

PROBE_LABEL = "cahier-kubernetes/sonde"
"""Label of the pods and policies that we place for a moment to try a path: they are nobody’s
work."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation where `kubectl apply` keeps what it applied, as JSON."""

OLDER_RELEASE = re.compile(r"postgresql-\d+")
"""How the releases of the catalogue's older chart are called; their Service bears that very
name."""


Level = Literal["", "edit", "admin"]
"""The smallest of the platform's roles that something takes; "" where any will do."""


@dataclass(frozen=True)
class ContainerPort:
    """A port that a container's manifest declares: an indication, which its program may not
    follow."""

    number: int
    name: str = ""
    protocol: str = "TCP"


@dataclass(frozen=True)
class Container:
    """A container of a pod: what was asked (image, command, args) and how it is. An init container
    that keeps running (`restartPolicy: Always`) is one."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    ready: bool = False
    running: bool = False
    restarts: int = 0
    waiting_reason: str = ""
    waiting_message: str = ""
    terminated_reason: str = ""
    terminated_message: str = ""
    exit_code: int | None = None

    def port_named(self, port: int | str, protocol: str = "TCP") -> int | None:
        """The number of a port that may be called by its name; None for a name that it does not
        give."""
        found = (one.number for one in self.ports if one.name == port and one.protocol == protocol)
        return port if isinstance(port, int) else next(found, None)


_UNKNOWN = PodObject(Metadata(""), PodSpec(containers=()))


@dataclass(frozen=True)
class Pod:
    """A pod. `given` is the object as the API server gives it, for what the fields leave out."""

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str]
    phase: str
    ready: bool
    deleting: bool
    ip: str
    containers: tuple[Container, ...]
    created: datetime
    unschedulable: str = ""
    given: PodObject = field(default=_UNKNOWN, repr=False, compare=False)

    @property
    def spec(self) -> PodSpec:
        """What is asked of it."""
        return self.given.spec

    @property
    def controller(self) -> OwnerReference | None:
        """What keeps it; None when nothing does."""
        return self.given.metadata.controller

    @property
    def addresses(self) -> Sequence[str]:
        """Its addresses, one of each family; none as long as it has none."""
        return [one.ip for one in self.given.status.ips] or [self.ip] * bool(self.ip)

    @property
    def begun(self) -> Sequence[datetime]:
        """Since when each of its containers that runs does."""
        running = (one.state.running for one in self.given.status.container_statuses)
        return [datetime.fromisoformat(one.started_at) for one in running if one and one.started_at]

    def port_named(self, port: int | str, protocol: str = "TCP") -> int | None:
        """The number of a port that may be called by its name: the first container that gives it
        decides, as for a Service and for kubectl. None for a name that no container gives."""
        found = (box.port_named(port, protocol) for box in self.containers)
        return (
            port if isinstance(port, int) else next((one for one in found if one is not None), None)
        )


def owners_of(bindings: Iterable[Binding]) -> Sequence[Subject]:
    """Those to whom the platform gave the namespace that has these RoleBindings."""
    own = (binding for binding in bindings if binding.name == OWNER_BINDING)
    return [subject for binding in own for subject in binding.subjects]


@dataclass(frozen=True)
class Colleague:
    """The colleague of a lab: a namespace, and the user whom RBAC knows, "" where our rights do not
    tell."""

    namespace: str
    user: str


@dataclass(frozen=True)
class Access:
    """The API server's answer to an access review; `reason` names the binding that allows."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class PolicyKind:
    """A kind of network policy that the cluster serves besides NetworkPolicy; another program
    enforces it.

    `names` are those of its objects that may be about the learner's namespace, None where our
    rights do not tell.
    """

    kind: str
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class ApiResource:
    """What the API server serves in a namespace: `name` with its subresource ("pods/log"), and its
    verbs."""

    group: str
    name: str
    verbs: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """An event of the namespace, newest last."""

    kind: str
    name: str
    reason: str
    message: str


@dataclass(frozen=True)
class Listing:
    """The objects of one kind in the namespace. `resource`: its name for RBAC, such as
    cronjobs.batch.

    `items` is None where they may not, or cannot, be listed.
    """

    kind: str
    resource: str
    items: Sequence[Mapping[str, Any]] | None = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """What a kubeconfig, or a pod's ServiceAccount, says before any request is made.

    `kind`: token, certificate, password, oidc (a token that kubectl renews by itself), exec,
    serviceaccount (the pod's own) or none. `issued` and `expires` bound the token or client
    certificate, None where they cannot be read. `local_person`: whom the local cluster's issuer
    made the token for; "" for any other credentials.
    """

    source: str
    context: str
    server: str
    namespace: str
    kind: str
    expires: datetime | None = None
    issued: datetime | None = None
    local_person: str = ""

    @property
    def named(self) -> str:
        """What they are, in a sentence."""
        return {"certificate": "certificat", "password": "mot de passe"}.get(self.kind, "jeton")

    @property
    def renewal_command(self) -> str:
        """The command that gives such credentials again; "" where none of ours does."""
        return f"cahier cluster connexion {self.local_person} | sh" if self.local_person else ""


@dataclass(frozen=True)
class ForwardCommand:
    """A `kubectl port-forward` as its command line tells it. `namespace` "" means: could not be
    known."""

    kind: str
    name: str
    namespace: str
    ports: Mapping[int, int]
    """Local port to remote port."""
    namespace_given: bool = False
    """Whether the command names the namespace; else it is its context's, as that context is now."""
    drawn: Sequence[int] = ()
    """Remote ports of which the command leaves the local one to kubectl (`:8080`), where that is
    not known."""
    named: Mapping[int, str] = field(default_factory=dict)
    """Local port to the name of a remote one (`8081:http`)."""


@dataclass(frozen=True)
class Listener:
    """A process that listens on a TCP port of this machine. `pid` None: it belongs to somebody
    else."""

    address: str
    port: int
    pid: int | None
    process: str
    command: tuple[str, ...] = ()
    forward: ForwardCommand | None = None
    since: datetime | None = None
    """When the process began, by this machine's clock; None where that is not known."""


@dataclass(frozen=True)
class ProbeTold:
    """What a probe has told of its connections to a target: how many were made, whatever came of
    them; `failure`: what the last attempt ended with, in socat's words, "" when it went well."""

    made: int
    failure: str


@dataclass(frozen=True)
class KubectlVersion:
    """A kubectl found on this machine, with its version."""

    path: Path
    major: int
    minor: int


class ForwardRefused(Exception):
    """Our own tunnel to a pod did not open, or the pod refused the connection; says what was
    answered."""


class KubectlRefused(Exception):
    """kubectl itself did not get in; says what it said."""
