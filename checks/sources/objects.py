"""Typed facts out of the objects that the API server lists: the same for a live cluster and for a
snapshot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self, TypeVar, cast

from checks.access.answers import typed
from checks.errors import Unverifiable
from checks.facts import PROBE_LABEL, Container, ContainerPort, Event, Pod
from checks.objects.parts import named
from checks.objects.pods import ContainerSpec, ContainerStatus, PodObject, Terminated, Waiting
from checks.objects.policies import NetworkPolicy
from checks.objects.rights import Binding, BindingObject, Role, Rule, binding_of
from checks.objects.services import EndpointSlice, Service
from checks.objects.workloads import ConfigMap, EventObject, ResourceQuota, Workload

_T = TypeVar("_T")


def must_be_known(user: str) -> None:
    """Raise Unverifiable for the colleague whose user name our rights do not tell."""
    if not user:
        raise Unverifiable(
            "Le nom d’utilisateur de votre collègue ne se déduit pas du vôtre : vos droits ne "
            "permettent pas de lire à qui appartient votre namespace.",
            "Donnez-le : --utilisateur-collegue oidc-bob (votre collègue le lit avec « kubectl "
            "auth whoami »)",
        )


class Served(ABC):
    """What all who serve `capabilities.Cluster` do alike: typed facts of listed objects, answers
    kept for a round."""

    def __init__(self) -> None:
        self._kept: dict[object, Any] = {}
        self._tried: dict[object, Any] = {}

    @abstractmethod
    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace, as the API gives them."""

    @abstractmethod
    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole as the API gives it, None when there is none."""

    def pods(self, labels: Mapping[str, str] | None = None) -> Sequence[Pod]:
        """Pods of the learner's namespace that carry all `labels`, sorted by name; probes of ours
        are none of them."""
        wanted = (labels or {}).items()
        return [pod for pod in self.once(_pods) if wanted <= pod.labels.items()]

    def pod(self, name: str) -> Pod | None:
        """The pod of that name in the learner's namespace."""
        return named(self.pods(), name)

    def services(self) -> Sequence[Service]:
        """Services of the learner's namespace."""
        return self.once(_services)

    def endpoint_slices(self) -> Sequence[EndpointSlice]:
        """Where the cluster worked out that they lead."""
        return self.once(_endpoint_slices)

    def roles(self) -> Mapping[str, Sequence[Rule]]:
        """The rules of each Role of the learner's namespace."""
        return self.once(_roles)

    def role_bindings(self) -> Sequence[Binding]:
        """RoleBindings of the learner's namespace."""
        return self.once(_role_bindings)

    def cluster_role(self, name: str) -> Role | None:
        """A ClusterRole, None when there is none."""
        found = self.cluster_role_object(name)
        return None if found is None else typed(found, Role)

    def network_policies(self) -> Sequence[NetworkPolicy]:
        """NetworkPolicies of the learner's namespace."""
        return self.once(_network_policies)

    def deployments(self) -> Sequence[Workload]:
        """Deployments of the learner's namespace."""
        return self.once(_deployments)

    def replica_sets(self) -> Sequence[Workload]:
        """ReplicaSets of the learner's namespace."""
        return self.once(_replica_sets)

    def config_maps(self) -> Sequence[ConfigMap]:
        """ConfigMaps of the learner's namespace."""
        return self.once(_config_maps)

    def quotas(self) -> Sequence[ResourceQuota]:
        """ResourceQuotas of the learner's namespace."""
        return self.once(_quotas)

    def names(self, kind: str) -> Sequence[str]:
        """Names of the objects of a kind."""
        return [str(item["metadata"]["name"]) for item in self.objects(kind)]

    def secret_names(self) -> Sequence[str]:
        """Names of the Secrets of the learner's namespace."""
        return self.names("Secret")

    def events(self, name: str) -> Sequence[Event]:
        """Events about the object `name`, newest last."""
        about = (one for one in self.once(_events) if one.involved_object.name == name)
        return [
            Event(one.involved_object.kind, name, one.reason, one.message)
            for one in sorted(about, key=lambda one: one.when)
        ]

    def once(self, ask: Callable[[Self], _T]) -> _T:
        """`ask(self)`, kept until `ask_anew`, unless it raised; `ask` is a function of a module,
        its own key."""
        if ask not in self._kept:
            self._kept[ask] = ask(self)
        return cast(_T, self._kept[ask])

    def try_once(self, version: Hashable, experiment: Callable[[Self], _T]) -> _T:
        """`experiment(self)`, made once on each version of the learner's work, whatever is asked
        anew; unless it raised."""
        if (experiment, version) not in self._tried:
            self._tried[experiment, version] = experiment(self)
        return cast(_T, self._tried[experiment, version])

    def ask_anew(self) -> None:
        """Forget what was kept."""
        self._kept.clear()


def _pods(cluster: Served) -> Sequence[Pod]:
    found = [_pod(item) for item in _typed(cluster.objects("Pod"), PodObject)]
    return sorted((one for one in found if PROBE_LABEL not in one.labels), key=lambda pod: pod.name)


def _services(cluster: Served) -> Sequence[Service]:
    return _typed(cluster.objects("Service"), Service)


def _endpoint_slices(cluster: Served) -> Sequence[EndpointSlice]:
    return _typed(cluster.objects("EndpointSlice"), EndpointSlice)


def _roles(cluster: Served) -> Mapping[str, Sequence[Rule]]:
    return {role.name: role.rules for role in _typed(cluster.objects("Role"), Role)}


def _role_bindings(cluster: Served) -> Sequence[Binding]:
    found = _typed(cluster.objects("RoleBinding"), BindingObject)
    return [binding_of(one, "RoleBinding") for one in found]


def _network_policies(cluster: Served) -> Sequence[NetworkPolicy]:
    return _typed(cluster.objects("NetworkPolicy"), NetworkPolicy)


def _deployments(cluster: Served) -> Sequence[Workload]:
    return _typed(cluster.objects("Deployment"), Workload)


def _replica_sets(cluster: Served) -> Sequence[Workload]:
    return _typed(cluster.objects("ReplicaSet"), Workload)


def _config_maps(cluster: Served) -> Sequence[ConfigMap]:
    return _typed(cluster.objects("ConfigMap"), ConfigMap)


def _quotas(cluster: Served) -> Sequence[ResourceQuota]:
    return _typed(cluster.objects("ResourceQuota"), ResourceQuota)


def _events(cluster: Served) -> Sequence[EventObject]:
    return _typed(cluster.objects("Event"), EventObject)


def _typed(items: Iterable[Mapping[str, Any]], kind: type[_T]) -> Sequence[_T]:
    return [typed(item, kind) for item in items]


def pod_of(item: Mapping[str, Any]) -> Pod:
    """A pod, as the API gives it. Raises AccessError."""
    return _pod(typed(item, PodObject))


def _pod(given: PodObject) -> Pod:
    metadata, status = given.metadata, given.status
    told = (*status.container_statuses, *status.init_container_statuses)
    states = {one.name: one for one in told}
    scheduled = status.condition("PodScheduled")
    kept_back = scheduled is not None and scheduled.status == "False"
    return Pod(
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        labels=metadata.labels,
        phase=status.phase,
        ready=status.is_ready,
        deleting=bool(metadata.deletion_timestamp),
        ip=status.ip,
        containers=tuple(
            _container(one, states.get(one.name, ContainerStatus(one.name)))
            for one in given.spec.lasting
        ),
        created=datetime.fromisoformat(metadata.creation_timestamp).astimezone(UTC),
        unschedulable=scheduled.message if scheduled is not None and kept_back else "",
        given=given,
    )


def _container(spec: ContainerSpec, status: ContainerStatus) -> Container:
    state = status.state
    ended = state.terminated or status.last_state.terminated or Terminated()
    waiting = state.waiting or Waiting()
    return Container(
        name=spec.name,
        image=spec.image,
        command=spec.command,
        args=spec.args,
        ports=tuple(
            ContainerPort(one.container_port, one.name, one.protocol) for one in spec.ports
        ),
        ready=status.ready,
        running=state.running is not None,
        restarts=status.restart_count,
        waiting_reason=waiting.reason,
        waiting_message=waiting.message,
        terminated_reason=ended.reason,
        terminated_message=ended.message,
        exit_code=ended.exit_code,
    )
