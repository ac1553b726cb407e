"""Facts: the typed values that checks read, and the Protocols of those who serve them.

`Cluster` is served by the live client, and can be served by a snapshot or by a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from socket import socket
from typing import Any, Literal, Protocol, TypeVar

from checks.objects import Binding, EndpointSlice, Rule, Service

OWNER_BINDING = "full_control_namespace"
"""The RoleBinding that the platform (Onyxia) makes in each namespace, for its owner."""

PROBE_LABEL = "cahier-kubernetes/sonde"
"""Label of the pods and policies that we place for a moment to try a path: they are nobody’s work."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation where `kubectl apply` keeps what it applied, as JSON."""

OLDER_RELEASE = re.compile(r"postgresql-\d+")
"""How the releases of the catalogue's older chart are called; their Service bears that very name."""


Level = Literal["", "edit", "admin"]
"""The smallest of the platform's roles that something takes; "" where any will do."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class ContainerPort:
    """A port that a container's manifest declares: an indication, which its program may not follow."""

    number: int
    name: str = ""
    protocol: str = "TCP"


@dataclass(frozen=True)
class Container:
    """A container of a pod: what was asked (image, command, args) and how it is. An init container that keeps running
    (`restartPolicy: Always`) is one."""

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
        """The number of a port that may be called by its name; None for a name that it does not give."""
        found = (one.number for one in self.ports if one.name == port and one.protocol == protocol)
        return port if isinstance(port, int) else next(found, None)


def lasting_containers(spec: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The containers that a pod's `spec` keeps running: its own, then the init containers that stay beside them.

    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    """
    beside = [item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"]
    return [*(spec.get("containers") or ()), *beside]


@dataclass(frozen=True)
class Pod:
    """A pod. `raw` is the object as the API server gives it, for what the fields leave out."""

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
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def port_named(self, port: int | str, protocol: str = "TCP") -> int | None:
        """The number of a port that may be called by its name: the first container that gives it decides, as for a
        Service and for kubectl. None for a name that no container gives."""
        found = (box.port_named(port, protocol) for box in self.containers)
        return port if isinstance(port, int) else next((one for one in found if one is not None), None)


@dataclass(frozen=True)
class Colleague:
    """The colleague of a lab: a namespace, and the user whom RBAC knows, "" where our rights do not tell."""

    namespace: str
    user: str


@dataclass(frozen=True)
class Access:
    """The API server's answer to an access review; `reason` names the binding that allows."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class PolicyKind:
    """A kind of network policy that the cluster serves besides NetworkPolicy; another program enforces it.

    `names` are those of its objects that may be about the learner's namespace, None where our rights do not tell.
    """

    kind: str
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class ApiResource:
    """What the API server serves in a namespace: `name` with its subresource ("pods/log"), and its verbs."""

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
    """The objects of one kind in the namespace. `resource`: its name for RBAC, such as cronjobs.batch.

    `items` is None where they may not, or cannot, be listed.
    """

    kind: str
    resource: str
    items: Sequence[Mapping[str, Any]] | None = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """What a kubeconfig, or a pod's ServiceAccount, says before any request is made.

    `kind`: token, certificate, password, oidc (a token that kubectl renews by itself), exec, serviceaccount (the pod's
    own) or none. `issued` and `expires` bound the token or client certificate, None where they cannot be read.
    `local_person`: whom the local cluster's issuer made the token for; "" for any other credentials.
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
    """A `kubectl port-forward` as its command line tells it. `namespace` "" means: could not be known."""

    kind: str
    name: str
    namespace: str
    ports: Mapping[int, int]
    """Local port to remote port."""
    namespace_given: bool = False
    """Whether the command names the namespace; else it is its context's, as that context is now."""


@dataclass(frozen=True)
class Listener:
    """A process that listens on a TCP port of this machine. `pid` None: it belongs to somebody else."""

    address: str
    port: int
    pid: int | None
    process: str
    command: tuple[str, ...] = ()
    forward: ForwardCommand | None = None


@dataclass(frozen=True)
class KubectlVersion:
    """A kubectl found on this machine, with its version."""

    path: Path
    major: int
    minor: int


class Machine(Protocol):
    """The learner's own machine."""

    def listeners(self, port: int) -> Sequence[Listener]:
        """Who listens on `port`."""

    def forwards(self) -> Sequence[ForwardCommand]:
        """Every `kubectl port-forward` that runs on this machine."""

    def connect(self, port: int) -> socket:
        """A connection to 127.0.0.1:`port`, or ::1 where only that answers. Raises OSError."""

    def kubectl(self) -> KubectlVersion | None:
        """The kubectl of the PATH, None when there is none."""


class Probe(Protocol):
    """A pod of ours that tries paths for real."""

    @property
    def name(self) -> str:
        """Name of the pod: one container of the image of the labs, where nothing listens on a lab's port."""

    @property
    def ip(self) -> str:
        """Address of the pod."""

    def connect(self, target: str) -> AbstractContextManager[socket]:
        """A connection to one of its targets; a path that is closed shows as a connection cut without a word.
        Raises ForwardRefused."""

    def said(self, target: str) -> str:
        """What its last attempt at `target` ended with, in socat's words; "" when it went well."""


class Cluster(Protocol):
    """What a check may ask of the cluster, as the learner, with the learner's own rights.

    Lists are fetched once per run and shared. Every method may raise `AccessError` (the cluster
    cannot be asked: shown as the checker's trouble) or `Unverifiable`.
    """

    @property
    def namespace(self) -> str:
        """The learner's namespace."""

    @property
    def user(self) -> str:
        """Who the API server says we are."""

    def kubectl_user(self) -> str | None:
        """Who a real kubectl is for the API server, with our configuration; None without one at hand that tells.
        Raises KubectlRefused."""

    @property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""

    @property
    def credentials(self) -> Credentials:
        """How we got in."""

    @property
    def groups(self) -> Sequence[str]:
        """The groups that the API server says we are in. Raises Unverifiable in a snapshot."""

    @property
    def colleague(self) -> Colleague:
        """The colleague given with --collegue, the first of several. Raises UsageError when none was given."""

    @property
    def colleagues(self) -> Sequence[Colleague]:
        """All those who were given with --collegue, in that order."""

    @property
    def has_colleague(self) -> bool:
        """Whether --collegue was given."""

    @property
    def machine(self) -> Machine:
        """The machine this runs on. Raises Unverifiable in a snapshot."""

    def user_of(self, namespace: str) -> str:
        """The user whom RBAC knows as the owner of `namespace`, inferred from our own pair. Raises UsageError."""

    def local_port(self, default: int) -> int:
        """The local port of the lab: --port, else `default`."""

    def pods(self, labels: Mapping[str, str] | None = None) -> Sequence[Pod]:
        """Pods of the learner's namespace that carry all `labels`, sorted by name."""

    def pod(self, name: str) -> Pod | None:
        """The pod of that name in the learner's namespace."""

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace as the API gives them.

        `kind`: Service, Secret (names and labels only: values are dropped), ConfigMap, Deployment,
        ReplicaSet, EndpointSlice, NetworkPolicy, Role, RoleBinding, ResourceQuota, PersistentVolumeClaim.
        """

    def services(self) -> Sequence[Service]:
        """Services of the learner's namespace."""

    def endpoint_slices(self) -> Sequence[EndpointSlice]:
        """Where the cluster worked out that the Services of the learner's namespace lead."""

    def roles(self) -> Mapping[str, Sequence[Rule]]:
        """The rules of each Role of the learner's namespace."""

    def role_bindings(self) -> Sequence[Binding]:
        """RoleBindings of the learner's namespace."""

    def secret_names(self) -> Sequence[str]:
        """Names of the Secrets of the learner's namespace."""

    def everything(self) -> Sequence[Listing]:
        """All the objects of the learner's namespace, of every kind that the API server serves, but Secrets.

        Raises Unverifiable in a snapshot.
        """

    def secret_values(self, name: str) -> Mapping[str, str] | None:
        """Decoded values of a Secret of the learner's namespace, None when there is no such Secret.

        Fetched at each call, never kept, never to be shown. Raises Unverifiable in a snapshot.
        """

    def events(self, name: str) -> Sequence[Event]:
        """Events about the object `name`."""

    def logs(self, pod: str, lines: int = 20, container: str = "") -> str:
        """Last lines of a pod's log, that of the container kubectl chooses where none is named; "" for none."""

    def may(self, verb: str, resource: str, *, group: str = "", name: str = "", namespace: str = "") -> Access:
        """Whether the learner may. `resource` may carry a group and a subresource: "deployments.apps/scale"."""

    def may_other(
        self,
        user: str,
        verb: str,
        resource: str,
        *,
        group: str = "",
        name: str = "",
        groups: Sequence[str] = (),
    ) -> Access:
        """Whether `user` may, in the learner's namespace (LocalSubjectAccessReview)."""

    def cluster_role(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole as the API gives it, None when there is none. Raises Forbidden where we may not read it."""

    def own_rules(self) -> Sequence[Mapping[str, Any]] | None:
        """All the rules that hold for us in the learner's namespace (SelfSubjectRulesReview); None where the API server
        does not know them all. Raises Unverifiable in a snapshot."""

    def api_resources(self) -> Sequence[ApiResource]:
        """All that the API server serves in a namespace. Raises Unverifiable where it does not tell."""

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """Standard output of a command run in the pod, in the container kubectl chooses where none is named. Raises
        Unverifiable when it cannot run there."""

    def forward(self, pod: str, port: int) -> AbstractContextManager[socket]:
        """Our own tunnel to a port of a pod, as a connected socket. Raises Forbidden, ForwardRefused."""

    def kubectl_forward(self, pod: str, port: int) -> AbstractContextManager[socket]:
        """The same through a real `kubectl port-forward`, which needs less of its user than our own tunnel: a right to
        create is enough. Raises ForwardRefused with what kubectl said, and Unverifiable where there is no kubectl."""

    def probe(self, targets: Sequence[str], labels: Mapping[str, str] | None = None) -> AbstractContextManager[Probe]:
        """A pod of ours in the learner's namespace that leads to each of `targets` (`host:port`), for as long as
        the context lasts; `labels` are those that a policy may ask of it. Raises Unverifiable when it does not
        start, or in a snapshot."""

    @property
    def enforces_policies(self) -> bool:
        """Whether a real experiment shows that this cluster enforces NetworkPolicy. Raises Unverifiable."""

    def other_policies(self) -> Iterator[PolicyKind]:
        """The kinds of network policy that this cluster serves besides NetworkPolicy, those of namespaces first; each
        is a request. Raises Unverifiable."""

    def as_owner(self, owner: str, at: str = "") -> Cluster | None:
        """The same cluster as the owner of namespace `owner` sees it, looking at namespace `at` (their own when
        empty); None where their access is not at hand: it is on the local cluster only."""

    def outsiders(self) -> Sequence[str]:
        """Namespaces of people who are neither the learner nor the colleague, and whose access is at hand."""

    def delete_pod(self, name: str) -> None:
        """Break something on purpose: delete a pod of the learner's namespace at once, and see it go. Raises
        Unverifiable where it stays."""

    def breaking(self, pod: str) -> AbstractContextManager[Callable[[], None]]:
        """While something in a pod is broken on purpose. Unless the function that it gives was called, to say that the
        pod is well again, the pod is deleted with the context, whatever ends it, for its maker to make another; should
        we be killed, by the next run."""

    def once(self, ask: Callable[[Cluster], _T]) -> _T:
        """`ask(cluster)`, kept for all the checks until `refresh`; `ask` is a function of a module, its own key.
        What it raises is not kept."""

    def try_once(self, version: Hashable, experiment: Callable[[Cluster], _T]) -> _T:
        """`experiment(cluster)`, made once on each version of the learner's work, however often it is asked: `refresh`
        does not forget what it found. `experiment` is a function of a module. What it raises is not kept."""

    def refresh(self) -> None:
        """Forget what was listed and what was kept, to see what comes of something broken on purpose."""


class ForwardRefused(Exception):
    """Our own tunnel to a pod did not open, or the pod refused the connection; says what was answered."""


class KubectlRefused(Exception):
    """kubectl itself did not get in; says what it said."""
