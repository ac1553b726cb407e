"""Typed facts out of the objects that the API server lists: the same for a live cluster and for a
snapshot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self, TypeVar, cast

import msgspec

from checks.errors import AccessError, Unverifiable
from checks.facts import PROBE_LABEL, Container, ContainerPort, Event, Pod, lasting_containers
from checks.objects import Binding, EndpointSlice, Rule, Service, binding_of, rules_of

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

    def pods(self, labels: Mapping[str, str] | None = None) -> Sequence[Pod]:
        """Pods of the learner's namespace that carry all `labels`, sorted by name; probes of ours
        are none of them."""
        return _pods_in(self.objects("Pod"), labels)

    def pod(self, name: str) -> Pod | None:
        """The pod of that name in the learner's namespace."""
        return next((pod for pod in self.pods() if pod.name == name), None)

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

    def secret_names(self) -> Sequence[str]:
        """Names of the Secrets of the learner's namespace."""
        return [str(item["metadata"]["name"]) for item in self.objects("Secret")]

    def events(self, name: str) -> Sequence[Event]:
        """Events about the object `name`, newest last."""
        return _events_in(self.objects("Event"), name)

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


def _services(cluster: Served) -> Sequence[Service]:
    return _typed(cluster.objects("Service"), Service)


def _endpoint_slices(cluster: Served) -> Sequence[EndpointSlice]:
    return _typed(cluster.objects("EndpointSlice"), EndpointSlice)


def _roles(cluster: Served) -> Mapping[str, Sequence[Rule]]:
    return {item["metadata"]["name"]: rules_of(item) for item in cluster.objects("Role")}


def _role_bindings(cluster: Served) -> Sequence[Binding]:
    return [binding_of(item, "RoleBinding") for item in cluster.objects("RoleBinding")]


def _typed(items: Sequence[Mapping[str, Any]], kind: type[_T]) -> Sequence[_T]:
    """Raises AccessError for what is not as the API promises."""
    try:
        return [msgspec.convert(item, kind) for item in items]
    except msgspec.ValidationError as error:
        raise AccessError(
            f"Un objet {kind.__name__} n’a pas la forme que l’API de Kubernetes promet : {error}",
            "Relancez la commande ; si cela persiste, signalez-le avec `--debug`.",
        ) from error


def _pods_in(
    items: Iterable[Mapping[str, Any]], labels: Mapping[str, str] | None = None
) -> Sequence[Pod]:
    found = [
        pod_of(raw) for raw in items if PROBE_LABEL not in (raw["metadata"].get("labels") or {})
    ]
    wanted = (labels or {}).items()
    return sorted((pod for pod in found if wanted <= pod.labels.items()), key=lambda pod: pod.name)


def _events_in(items: Iterable[Mapping[str, Any]], name: str) -> Sequence[Event]:
    def when(raw: Mapping[str, Any]) -> str:
        return str(
            raw.get("lastTimestamp") or raw.get("eventTime") or raw["metadata"]["creationTimestamp"]
        )

    return [
        Event(
            raw["involvedObject"]["kind"], name, raw.get("reason") or "", raw.get("message") or ""
        )
        for raw in sorted(items, key=when)
        if raw["involvedObject"].get("name") == name
    ]


def pod_of(raw: Mapping[str, Any]) -> Pod:
    """A pod, as the API gives it."""
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    told = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    states = {item["name"]: item for item in told}
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    return Pod(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        labels=metadata.get("labels") or {},
        phase=status.get("phase", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting="deletionTimestamp" in metadata,
        ip=status.get("podIP", ""),
        containers=tuple(
            _container(item, states.get(item["name"], {})) for item in lasting_containers(spec)
        ),
        created=datetime.fromisoformat(metadata["creationTimestamp"]).astimezone(UTC),
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        raw=raw,
    )


def _container(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Container:
    state = status.get("state") or {}
    last = (status.get("lastState") or {}).get("terminated") or {}
    ended = state.get("terminated") or last
    waiting = state.get("waiting") or {}
    return Container(
        name=spec["name"],
        image=spec["image"],
        command=tuple(spec.get("command") or ()),
        args=tuple(spec.get("args") or ()),
        ports=tuple(
            ContainerPort(one["containerPort"], one.get("name") or "", one.get("protocol") or "TCP")
            for one in spec.get("ports") or ()
        ),
        ready=bool(status.get("ready")),
        running="running" in state,
        restarts=status.get("restartCount", 0),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        terminated_reason=ended.get("reason", ""),
        terminated_message=ended.get("message", ""),
        exit_code=ended.get("exitCode"),
    )
