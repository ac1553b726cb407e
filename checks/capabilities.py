"""What may be asked of a cluster, by what it takes to answer: reading, asking about rights, being
there, trying.

Who serves all of them is a `Cluster`, which is what a check is given. A snapshot, and a teacher's
view of a class, only read: where they stand for a cluster, the rest is refused in one place
(`sources/from_afar.py`). Every method may raise `AccessError` (the cluster cannot be asked: shown
as the checker's trouble) or `Unverifiable`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from socket import socket
from typing import Any, Protocol, TypeVar

from checks.facts import (
    Access,
    ApiResource,
    Colleague,
    Credentials,
    Event,
    ForwardCommand,
    KubectlVersion,
    Listener,
    Listing,
    Pod,
    PolicyKind,
    ProbeTold,
)
from checks.objects.policies import NetworkPolicy
from checks.objects.rights import Binding, Role, Rule
from checks.objects.services import EndpointSlice, Service
from checks.objects.workloads import ConfigMap, ResourceQuota, Workload

_T = TypeVar("_T")


class Machine(Protocol):
    """The learner's own machine."""

    def listeners(self, port: int) -> Sequence[Listener]:
        """Who listens on `port`."""

    def forwards(self) -> Sequence[ForwardCommand]:
        """Every `kubectl port-forward` that runs on this machine."""

    def connect(self, port: int) -> socket:
        """A connection to 127.0.0.1:`port`, or ::1 where only that answers. Raises OSError."""

    def localhost(self) -> Sequence[str]:
        """The addresses of « localhost » here, that which a client tries first before the other."""

    def kubectl(self) -> KubectlVersion | None:
        """The kubectl of the PATH, None when there is none."""


class Probe(Protocol):
    """A pod of ours that tries paths for real."""

    @property
    def name(self) -> str:
        """Name of the pod: one container of the image of the labs, where nothing listens on a lab's
        port."""

    @property
    def ip(self) -> str:
        """Address of the pod."""

    def connect(self, target: str) -> AbstractContextManager[socket]:
        """A connection to one of its targets; a path that is closed shows as a connection cut
        without a word. Raises ForwardRefused."""

    def said(self, target: str) -> str:
        """What its last attempt at `target` ended with, in socat's words; "" when it went well."""

    def told(self, target: str) -> ProbeTold:
        """The same, and how many of its connections to `target` were made: one request."""


class Reading(Protocol):
    """What can be read of a namespace, and of the cluster around it. Lists are fetched once per run
    and shared."""

    @property
    def namespace(self) -> str:
        """The learner's namespace."""

    @property
    def user(self) -> str:
        """Who the API server says we are."""

    @property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""

    @property
    def has_colleague(self) -> bool:
        """Whether --collegue was given."""

    @property
    def colleague(self) -> Colleague:
        """The colleague given with --collegue, the first of several. Raises UsageError when none
        was given."""

    @property
    def colleagues(self) -> Sequence[Colleague]:
        """All those who were given with --collegue, in that order."""

    def user_of(self, namespace: str) -> str:
        """The user whom RBAC knows as the owner of `namespace`, inferred from our own pair. Raises
        UsageError."""

    def local_port(self, default: int) -> int:
        """The local port of the lab: --port, else `default`."""

    def pods(self, labels: Mapping[str, str] | None = None) -> Sequence[Pod]:
        """Pods of the learner's namespace that carry all `labels`, sorted by name."""

    def pod(self, name: str) -> Pod | None:
        """The pod of that name in the learner's namespace."""

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace as the API gives them.

        `kind`: Service, Secret (names and labels only: values are dropped), ConfigMap, Deployment,
        ReplicaSet, EndpointSlice, NetworkPolicy, Role, RoleBinding, ResourceQuota,
        PersistentVolumeClaim.
        """

    def services(self) -> Sequence[Service]:
        """Services of the learner's namespace."""

    def endpoint_slices(self) -> Sequence[EndpointSlice]:
        """Where the cluster worked out that the Services of the learner's namespace lead."""

    def roles(self) -> Mapping[str, Sequence[Rule]]:
        """The rules of each Role of the learner's namespace."""

    def role_bindings(self) -> Sequence[Binding]:
        """RoleBindings of the learner's namespace."""

    def network_policies(self) -> Sequence[NetworkPolicy]:
        """NetworkPolicies of the learner's namespace, those of probes among them."""

    def deployments(self) -> Sequence[Workload]:
        """Deployments of the learner's namespace."""

    def replica_sets(self) -> Sequence[Workload]:
        """ReplicaSets of the learner's namespace."""

    def config_maps(self) -> Sequence[ConfigMap]:
        """ConfigMaps of the learner's namespace."""

    def quotas(self) -> Sequence[ResourceQuota]:
        """ResourceQuotas of the learner's namespace."""

    def names(self, kind: str) -> Sequence[str]:
        """Names of the objects of a kind, one of those of `objects`."""

    def secret_names(self) -> Sequence[str]:
        """Names of the Secrets of the learner's namespace."""

    def events(self, name: str) -> Sequence[Event]:
        """Events about the object `name`."""

    def logs(self, pod: str, lines: int = 20, container: str = "") -> str:
        """Last lines of a pod's log, that of the container kubectl chooses where none is named; ""
        for none."""

    def cluster_role(self, name: str) -> Role | None:
        """A ClusterRole, None when there is none. Raises Forbidden where we may not read it."""

    def api_resources(self) -> Sequence[ApiResource]:
        """All that the API server serves in a namespace. Raises Unverifiable where it does not
        tell."""

    def other_policies(self) -> Iterator[PolicyKind]:
        """The kinds of network policy that this cluster serves besides NetworkPolicy, those of
        namespaces first; each is a request. Raises Unverifiable."""

    def once(self, ask: Callable[[Cluster], _T]) -> _T:
        """`ask(cluster)`, kept for all the checks until `refresh`; `ask` is a function of a module,
        its own key. What it raises is not kept."""

    def try_once(self, version: Hashable, experiment: Callable[[Cluster], _T]) -> _T:
        """`experiment(cluster)`, made once on each version of the learner's work, however often it
        is asked: `refresh` does not forget what it found. `experiment` is a function of a module.
        What it raises is not kept."""

    def refresh(self) -> None:
        """Forget what was listed and what was kept, to see what comes of something broken on
        purpose."""


class Rights(Protocol):
    """Who may do what, asked of the API server."""

    def may(
        self, verb: str, resource: str, *, group: str = "", name: str = "", namespace: str = ""
    ) -> Access:
        """Whether the learner may. `resource` may carry a group and a subresource:
        "deployments.apps/scale"."""

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


class InPerson(Protocol):
    """What is known only where the learner is: their identity, their machine, what nobody else
    should read."""

    @property
    def credentials(self) -> Credentials:
        """How we got in."""

    @property
    def groups(self) -> Sequence[str]:
        """The groups that the API server says we are in. Raises Unverifiable in a snapshot."""

    def kubectl_user(self) -> str | None:
        """Who a real kubectl is for the API server, with our configuration; None without one at
        hand that tells. Raises KubectlRefused."""

    def own_rules(self) -> Sequence[Rule] | None:
        """All the rules that hold for us in the learner's namespace (SelfSubjectRulesReview); None
        where the API server does not know them all. Raises Unverifiable in a snapshot."""

    @property
    def machine(self) -> Machine:
        """The machine this runs on. Raises Unverifiable in a snapshot."""

    def clock(self) -> datetime | None:
        """What time it is for the API server, to the second; None where it does not say. Raises
        ClusterLost, and Unverifiable in a snapshot."""

    def secret_values(self, name: str) -> Mapping[str, str] | None:
        """Decoded values of a Secret of the learner's namespace, None when there is no such Secret.

        Fetched at each call, never kept, never to be shown. Raises Unverifiable in a snapshot.
        """

    def everything(self) -> Sequence[Listing]:
        """All the objects of the learner's namespace, of every kind that the API server serves, but
        Secrets.

        Raises Unverifiable in a snapshot.
        """


class Experiments(Protocol):
    """What is tried for real: it takes the right to act, places pods of ours, or breaks something
    on purpose."""

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """Standard output of a command run in the pod, in the container kubectl chooses where none
        is named. Raises Unverifiable when it cannot run there."""

    def repeated(
        self, pod: str, script: str, container: str = ""
    ) -> AbstractContextManager[Callable[[], str]]:
        """The standard output of a script of the shell in the pod, each time that it is asked for.
        Asking raises as `execute` does."""

    def forward(self, pod: str, port: int) -> AbstractContextManager[socket]:
        """Our own tunnel to a port of a pod, as a connected socket. Raises Forbidden,
        ForwardRefused."""

    def kubectl_forward(self, pod: str, port: int) -> AbstractContextManager[socket]:
        """The same through a real `kubectl port-forward`, which needs less of its user than our own
        tunnel: a right to create is enough. Raises ForwardRefused with what kubectl said, and
        Unverifiable where there is no kubectl."""

    def probe(
        self,
        targets: Sequence[str],
        labels: Mapping[str, str] | None = None,
        beside: Pod | None = None,
    ) -> AbstractContextManager[Probe]:
        """A pod of ours in the learner's namespace that leads to each of `targets` (`host:port`),
        for as long as the context lasts; `labels` are those that a policy may ask of it, `beside`
        a pod as which it goes. Raises Unverifiable when it does not start, or in a snapshot."""

    @property
    def enforces_policies(self) -> bool:
        """Whether a real experiment shows that this cluster enforces NetworkPolicy. Raises
        Unverifiable."""

    def as_owner(self, owner: str, at: str = "") -> Cluster | None:
        """The same cluster as the owner of namespace `owner` sees it, looking at namespace `at`
        (their own when empty); None where their access is not at hand: it is on the local cluster
        only."""

    def at(self, namespace: str) -> Cluster:
        """The same cluster, looking at another namespace with our own rights. Raises Unverifiable
        in a snapshot."""

    def outsiders(self) -> Sequence[str]:
        """Namespaces of people who are neither the learner nor the colleague, and whose access is
        at hand."""

    def delete_pod(self, name: str) -> None:
        """Break something on purpose: delete a pod of the learner's namespace at once, and see it
        go. Raises Unverifiable where it stays."""

    def breaking(self, pod: str) -> AbstractContextManager[Callable[[], None]]:
        """While something in a pod is broken on purpose. Unless the function that it gives was
        called, to say that the pod is well again, the pod is deleted with the context, whatever
        ends it, for its maker to make another; should we be killed, by the next run."""


class Cluster(Reading, Rights, InPerson, Experiments, Protocol):
    """What a check may ask, as the learner, with the learner's own rights."""
