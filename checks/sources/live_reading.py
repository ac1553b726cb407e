"""What is read of a real API server: facts of a namespace, and who may do what. Nothing is tried,
placed or changed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

from checks import refusals
from checks.access.answers import Budget, listed
from checks.access.discovery import Resource, served
from checks.access.kubernetes_api import METADATA_ONLY, Api, collection
from checks.diagnosis.rights.rbac import Request
from checks.errors import CahierError, Forbidden, Refused, UsageError
from checks.facts import (
    Access,
    ApiResource,
    Colleague,
    Pod,
    PolicyKind,
    owners_of,
)
from checks.sources import reviews
from checks.sources.class_rights import REASONED
from checks.sources.objects import Served, must_be_known
from checks.sources.receipts import is_receipts, silence

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LOG_BYTES = str(2**20)  # of a log at most, from the moment that is asked for
_TAIL_BYTES = str(2**18)  # of its last lines


class LiveReading(Served):
    """`Reading` and `Rights` of a real API server. Each kind is listed once until `refresh`."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str | None = None,
        colleague: str | Sequence[str] | None = None,
        colleague_user: str | Sequence[str] | None = None,
        port: int | None = None,
    ) -> None:
        """`colleague`: one namespace or several; `colleague_user`: their users, in the same order.
        The connections of `api` may serve a whole class."""
        namespaces, users = _several(colleague), _several(colleague_user)
        if len(users) > max(1, len(namespaces)):
            raise UsageError(
                f"--utilisateur-collegue est donné {len(users)} fois, --collegue {len(namespaces)} "
                "fois.",
                "Donnez d’abord à chacun son --collegue : le premier utilisateur est celui du "
                "premier collègue, etc.",
            )
        for option, given in (
            ("--namespace", namespace),
            *(("--collegue", one) for one in namespaces),
        ):
            if given and not _NAMESPACE.fullmatch(given):
                raise UsageError(
                    f"« {given} » ne peut pas être le nom d’un namespace ({option}).",
                    "Un tel nom n’a que des minuscules sans accent, des chiffres et des tirets, "
                    "par exemple user-alice",
                )
        self.api = api
        self.namespace = namespace or self.api.credentials.namespace
        self._colleagues = dict.fromkeys(namespaces, "") | dict(
            zip(namespaces, users, strict=False)
        )
        self._port = port
        super().__init__()
        self._lists: dict[str, list[dict[str, Any]]] = {}
        self._budget = Budget()
        self._receipts: Mapping[str, Any] | None = None
        self._answers: dict[reviews.Question, Access] = {}
        self._own_answers: dict[tuple[Request, str], Access] = {}
        self._at_hand: dict[str, bool] = {}

    def refresh(self) -> None:
        """Forget what was listed and kept: the next question asks the API server again."""
        self._lists.clear()
        self._budget = Budget()
        self._answers.clear()
        self._own_answers.clear()
        self.ask_anew()

    @property
    def user(self) -> str:
        """Who the API server says we are."""
        return self._identity[0]

    @cached_property
    def _identity(self) -> tuple[str, Sequence[str]]:
        return self.api.identity_seen()

    @cached_property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""
        return self.api.version()

    @property
    def has_colleague(self) -> bool:
        """Whether --collegue was given."""
        return bool(self._colleagues)

    @property
    def colleague(self) -> Colleague:
        """The colleague, the first of several."""
        if not self._colleagues:
            raise UsageError(
                "Ce TP se fait à deux : il manque le namespace de votre collègue.",
                "Ajoutez par exemple --collegue user-bob",
            )
        return self.colleagues[0]

    @cached_property
    def colleagues(self) -> Sequence[Colleague]:
        """Those who were given; the RBAC user is inferred from our own pair when it was not, ""
        where our rights do not let us read that pair."""
        if self.namespace in self._colleagues:
            raise UsageError(
                f"--collegue {self.namespace} désigne votre propre namespace.",
                "Donnez celui d’une autre personne, par exemple --collegue user-bob",
            )
        return [
            Colleague(namespace, user or self._inferred(namespace))
            for namespace, user in self._colleagues.items()
        ]

    def _inferred(self, namespace: str) -> str:
        with contextlib.suppress(Forbidden):
            return self.user_of(namespace)
        return ""

    def user_of(self, namespace: str) -> str:
        """Onyxia names a namespace `user-NAME` and the RBAC user `PREFIX NAME`; the prefix is
        ours."""
        mine = self.namespace.removeprefix("user-")
        owner = self.user if self.user.endswith(mine) else self.owner
        if not owner.endswith(mine):
            raise UsageError(
                f"Le nom d’utilisateur de {namespace} ne se déduit pas du vôtre ({self.user} dans "
                f"{self.namespace}).",
                "Donnez-le : --utilisateur-collegue oidc-bob (votre collègue le lit avec « kubectl "
                "auth whoami »)",
            )
        return owner.removesuffix(mine) + namespace.removeprefix("user-")

    @property
    def in_own_service(self) -> bool:
        """Whether our identity is that of a program of the learner's namespace, such as a VSCode
        service."""
        return refusals.is_service_of(self.user, self.namespace)

    @property
    def owner(self) -> str:
        """The user who owns the namespace, as its own binding names them; "" when it does not."""
        return self.once(_owner)

    def local_port(self, default: int) -> int:
        """The local port of the lab: --port, else `default`."""
        return self._port or default

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace, as the API gives them."""
        if kind not in self._lists:
            found = self._listed(kind)
            if kind == "ConfigMap":
                self._receipts = next((item for item in found if is_receipts(item)), None)
                found = [item for item in found if not is_receipts(item)]
            self._lists[kind] = found
        return self._lists[kind]

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        try:
            return self.api.objects(kind, collection(kind, self.namespace), budget=self._budget)
        except Refused as refusal:
            raise self._namespace_problem(refusal) from refusal

    def receipts(self) -> Mapping[str, Any] | None:
        """The ConfigMap of the receipts, which `objects` leaves out: it is no part of the learner's
        work."""
        self.objects("ConfigMap")
        return self._receipts

    @property
    def namespace_uid(self) -> str:
        """UID of the learner's namespace."""
        return self.api.namespace_uid(self.namespace)

    @cached_property
    def _served(self) -> Sequence[Resource]:
        return served(self.api)

    def latest(self, kind: str) -> str:
        """The version of the objects of `kind` in the learner's namespace, from which they can be
        watched."""
        return self.api.latest(collection(kind, self.namespace))

    def watch(self, kind: str, since: str) -> Iterator[Mapping[str, Any]]:
        """Their changes after that version, until the connection ends. Raises as `Api.watch`."""
        yield from self.api.watch(collection(kind, self.namespace), since)

    def _namespace_problem(self, refusal: Refused) -> CahierError:
        if (
            refusal.status == 403
            and not self.in_own_service
            and not any(self.may("list", resource).allowed for resource in ("pods", "services"))
        ):
            return UsageError(
                f"Vous n’avez pas accès au namespace « {self.namespace} », ou il n’existe pas "
                f"(vous êtes {self.user}).",
                "Vérifiez son nom : kubectl config view --minify. Pour en changer : --namespace "
                "NOM",
            )
        return refusal

    def logs(self, pod: str, lines: int = 20, container: str = "") -> str:
        """Last lines of a pod's log; "" when there is none."""
        try:
            return self._log(pod, container, tailLines=str(lines), limitBytes=_TAIL_BYTES)
        except Refused:
            return ""

    def heard(self, pod: Pod, word: str, since: datetime) -> bool:
        """Whether the log of a pod has kept `word` since then. Raises AccessError where it may not
        be read."""
        # twice, before its silence is held against anybody: nothing shows that a log came whole
        asked = range(2)
        return any(
            word in self._log(pod.name, "", sinceTime=since.isoformat(), limitBytes=_LOG_BYTES)
            for _ in asked
        )

    def elsewhere(self, word: str, written: datetime) -> str:
        """Why no database of the colleague's tells that it heard a word. Raises AccessError,
        UsageError."""
        there = self._reading_of(self.colleague.namespace)
        return silence(there.namespace, there.pods(), there.heard, word, written)

    def _reading_of(self, namespace: str) -> LiveReading:
        """Another namespace, read with our own rights."""
        return LiveReading(self.api, namespace=namespace)

    def _log(self, pod: str, container: str, **query: str) -> str:
        container = container or self._main_container(pod)
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        return self.api.text(path, {**query, "container": container} if container else query)

    def _main_container(self, pod: str) -> str:
        """The container that kubectl would choose: the annotated one, else the first. "" for an
        unknown pod."""
        found = self.pod(pod)
        if found is None:
            return ""
        chosen = found.given.metadata.annotations.get("kubectl.kubernetes.io/default-container")
        return chosen or found.containers[0].name

    def may(
        self, verb: str, resource: str, *, group: str = "", name: str = "", namespace: str = ""
    ) -> Access:
        """Whether the learner may, in `namespace` (the learner's own when empty)."""
        request = reviews.requested(verb, resource, group, name)
        key = request, namespace or self.namespace
        if key not in self._own_answers:
            self._own_answers[key] = reviews.of_oneself(self.api, key[1], request)
        return self._own_answers[key]

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
        """Whether `user` may, in the learner's namespace. Raises Unverifiable where that user is
        not known."""
        must_be_known(user)
        request = reviews.requested(verb, resource, group, name)
        return self.answered(reviews.about(user, groups, request))

    def answered(self, question: reviews.Question) -> Access:
        """The answer about somebody, in the learner's namespace: kept, where it was asked for."""
        kept = self._answers.get(question)
        if kept is None:
            kept = self._answer(question)
            if kept is not REASONED:
                self._answers[question] = kept
        return kept

    def _answer(self, question: reviews.Question) -> Access:
        return reviews.of_another(self.api, self.namespace, question)

    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole as the API gives it, None when there is none."""
        return find_cluster_role(self.api, name)

    def api_resources(self) -> Sequence[ApiResource]:
        """All that the API server serves in a namespace."""
        namespaced = [one for one in self._served if one.namespaced]
        return [
            ApiResource(one.group, name, verbs) for one in namespaced for name, verbs in one.parts
        ]

    def other_policies(self) -> Iterator[PolicyKind]:
        """The kinds of network policy that another program enforces, those of namespaces first."""
        found = [
            one
            for one in self._served
            if one.kind.endswith("NetworkPolicy")
            and one.group != "networking.k8s.io"
            and "list" in one.verbs
        ]
        for one in sorted(found, key=lambda one: (not one.namespaced, one.kind)):
            yield PolicyKind(one.kind, self._names(one))

    def _names(self, kind: Resource) -> tuple[str, ...] | None:
        try:
            answer = self.api.request(
                "GET", kind.path(self.namespace), query={"limit": "20"}, accept=METADATA_ONLY
            )
        except Refused:
            return None
        return tuple(str(item["metadata"]["name"]) for item in listed(answer, "", self.api.server))


def _owner(cluster: Served) -> str:
    owners = owners_of(cluster.role_bindings())
    return next((one.name for one in owners if one.kind == "User"), "")


def find_cluster_role(api: Api, name: str) -> Mapping[str, Any] | None:
    """A ClusterRole as the API gives it, None when there is none. Raises Refused, AccessError."""
    return api.find(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{quote(name, safe='')}")


def _several(given: str | Sequence[str] | None) -> Sequence[str]:
    return [given] if isinstance(given, str) and given else [*(given or ())]
