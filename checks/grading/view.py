"""A learner's namespace as a teacher may see it: read only, with the teacher's access, about the
learner's rights.

What only the learner's machine or identity can show raises Unverifiable: it is neither right nor
wrong from here, unless a receipt that their own `verifier` left there tells it and still holds
(checks/sources/receipts.py). Nothing is written to the namespace, no program is run in its pods,
and no Secret is asked for.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, Protocol

import msgspec

from checks.access.answers import HELD, too_much
from checks.access.discovery import Resource, served
from checks.access.kubernetes_api import Api
from checks.errors import Refused, Unverifiable
from checks.facts import Access
from checks.grading.as_teacher import READ_ONLY, AsTeacher
from checks.grading.begun import past_of, seen
from checks.grading.grade import (
    NamespaceMissing,
    NotLookedAt,
    Seen,
    colleague_not_there,
    not_there,
)
from checks.grading.roster import Learner, several
from checks.grading.start import Keeps, as_at_the_start, start_of
from checks.lab import Lab
from checks.runner import run
from checks.sources.class_rights import ClassRights, Held, rules_of
from checks.sources.cluster_time import ClusterTime
from checks.sources.live_reading import LiveReading, find_cluster_role
from checks.sources.receipts import Place, Reading, is_receipts, versions
from checks.sources.reviews import Question
from checks.waiting import Deadline

_AT_ONCE = 8  # questions of whether a namespace may be read
_SETTLES = 5.0  # seconds for what is just starting when the grading begins, whoever's it is


Identity = tuple[str, Sequence[str]]
"""A user, and their groups."""


def identity(api: Api) -> Identity | None:
    """Who the API server says we are; None where it does not. Raises AccessError."""
    try:
        return api.identity_seen()
    except Refused:  # before Kubernetes 1.28
        return None


class Inventory:
    """Objects of a class, listed once per kind for all namespaces, where the teacher's rights reach
    that far."""

    def __init__(self, api: Api, namespaces: Collection[str]) -> None:
        self._api = api
        self._wanted = frozenset(namespaces)
        self._uids: dict[str, str] = {}
        self._heavy: set[str] = set()
        self._lists: dict[
            str, Mapping[str, list[bytes]] | None
        ] = {}  # as JSON: Python's own is several times larger
        self._roles: dict[str, Mapping[str, Any] | Refused | None] = {}
        self._answers: dict[str, dict[Question, Access]] = {}
        self._rights = ClassRights(api, partial(rules_of, self.cluster_role_object))
        self._turn = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def missing(self) -> Collection[str]:
        """Namespaces of the class that are not on the cluster. Raises AccessError, Refused without
        that right."""
        found = {
            item["metadata"]["name"]: item["metadata"]["uid"]
            for item in self._api.everywhere("Namespace")
        }
        self._uids = {name: uid for name, uid in found.items() if name in self._wanted}
        return self._wanted - found.keys()

    def uid(self, namespace: str) -> str:
        """UID of a namespace. Raises AccessError, Forbidden where the teacher may not read it."""
        if namespace not in self._uids:
            self._uids[namespace] = self._api.namespace_uid(namespace)
        return self._uids[namespace]

    def answers(self, namespace: str) -> dict[Question, Access]:
        """What is known of rights in a namespace, for all the labs of its learner."""
        return self._answers.setdefault(namespace, {})

    def may(self, question: Question, namespace: str, held: Held | None) -> Access:
        """The answer about somebody in a namespace. Raises AccessError."""
        return self._rights.may(question, namespace, held)

    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole, asked once. Raises Refused, AccessError."""
        with self._turn:
            if name not in self._roles:
                try:
                    self._roles[name] = find_cluster_role(self._api, name)
                except Refused as refusal:
                    self._roles[name] = refusal
            found = self._roles[name]
        if isinstance(found, Refused):
            raise found.with_traceback(None)
        return found

    def alone(self) -> Listed:
        """The same without its lists: what a namespace holds is asked of it."""
        other = copy.copy(self)
        other._wanted, other._answers = frozenset(), {}
        return other

    @property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""
        with self._turn:
            return self._version

    @cached_property
    def _version(self) -> tuple[int, int]:
        return self._api.version()

    @property
    def served(self) -> Sequence[Resource]:
        """All that the API server serves."""
        with self._turn:
            return self._served

    @cached_property
    def _served(self) -> Sequence[Resource]:
        return served(self._api)

    @property
    def teacher(self) -> Identity | None:
        """User name and groups that the API server gives us; None where it does not say."""
        with self._turn:
            return self._teacher

    @cached_property
    def _teacher(self) -> Identity | None:
        return identity(self._api)

    def objects(self, kind: str, namespace: str) -> list[dict[str, Any]] | None:
        """Objects of one namespace; None where they have to be asked of that namespace itself.
        Raises AccessError."""
        if namespace not in self._wanted:
            return None
        with self._turn:
            turn = self._turns.setdefault(kind, threading.Lock())
        with turn:  # the others wait for the same list instead of asking for it too
            if kind not in self._lists:
                self._lists[kind] = self._list(kind)
            found = self._lists[kind]
        if found is None:
            return None
        if namespace in self._heavy:
            raise too_much()
        return [msgspec.json.decode(item) for item in found.get(namespace, ())]

    def _list(self, kind: str) -> Mapping[str, list[bytes]] | None:
        found: dict[str, list[bytes]] = {}
        held: Counter[str] = Counter()
        try:
            for item in self._api.everywhere(kind):
                metadata = item["metadata"]
                namespace = metadata["namespace"]
                if namespace in self._wanted and namespace not in self._heavy:
                    if not is_receipts(item):
                        # half of an object's size, and no check reads it
                        metadata.pop("managedFields", None)
                    data = msgspec.json.encode(item)
                    held[namespace] += len(data)
                    # one person's namespace must not fill the memory of a whole class
                    if held[namespace] > HELD:
                        self._heavy.add(namespace)
                        found.pop(namespace, None)
                    else:
                        found.setdefault(namespace, []).append(data)
        except Refused:
            return None
        return found


class Listed(Protocol):
    """The objects of a class, and what is known of all its namespaces."""

    def objects(self, kind: str, namespace: str) -> list[dict[str, Any]] | None:
        """Objects of one namespace; None where they have to be asked of that namespace itself."""

    def uid(self, namespace: str) -> str:
        """UID of a namespace."""

    def answers(self, namespace: str) -> dict[Question, Access]:
        """What is known of rights in a namespace."""

    def may(self, question: Question, namespace: str, held: Held | None) -> Access:
        """The answer about somebody in a namespace. Raises AccessError."""

    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole, None when there is none. Raises Refused, AccessError."""

    def alone(self) -> Listed:
        """The same without its lists: what a namespace holds is asked of it."""

    @property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""

    @property
    def served(self) -> Sequence[Resource]:
        """All that the API server serves."""

    @property
    def teacher(self) -> Identity | None:
        """User name and groups that the API server gives us; None where it does not say."""


class LearnerView(AsTeacher, LiveReading):
    """`Cluster` of a learner, served with the teacher's access: what is read, and nothing else."""

    def __init__(
        self, api: Api, inventory: Listed, namespace: str, colleague: str | Sequence[str] | None
    ) -> None:
        super().__init__(api, namespace=namespace, colleague=colleague)
        self._inventory: Listed = inventory
        self._answers = inventory.answers(namespace)
        self._held: Held | None = None
        self._uid = partial(inventory.uid, namespace)  # it does not change: `refresh` keeps it
        self.serves = True
        """Whether the class's lists still do: not once this namespace was asked by itself."""

    def refresh(self) -> None:
        """Forget what was listed: from now on this namespace is asked by itself."""
        self.serves = False
        self._inventory = self._inventory.alone()
        self._answers = {}  # the others keep theirs
        self._held = None
        super().refresh()

    @cached_property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server, asked once for the class."""
        return self._inventory.server_version

    @cached_property
    def _served(self) -> Sequence[Resource]:
        return self._inventory.served

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        """Out of the class's lists when they serve. Raises Unverifiable."""
        if kind == "Secret":
            raise Unverifiable(
                READ_ONLY.format("la liste des Secrets, que l’enseignant ne lit pas")
            )
        shared = self._inventory.objects(kind, self.namespace)
        return super()._listed(kind) if shared is None else shared

    def reading(self, lab: str) -> Reading:
        """The learner's own receipt of a lab, for what cannot be verified from here."""
        return Reading(lab, self.receipts, self._place)

    @property
    def namespace_uid(self) -> str:
        """UID of the learner's namespace. Raises AccessError, Forbidden where the teacher may not
        read it."""
        return self._uid()

    def _place(self) -> Place:
        return Place(
            self.namespace,
            self.namespace_uid,
            self.pods(),
            lambda: versions(self.network_policies()),
            self.heard,
            self.elsewhere,
        )

    def _reading_of(self, namespace: str) -> LiveReading:
        return self._at(namespace)  # out of the class's lists

    def _namespace_problem(self, refusal: Refused) -> Refused:
        """The teacher's own rights fall short: it says nothing of the learner."""
        return Refused(
            f"Vos droits ne suffisent pas pour lire le namespace {self.namespace} : "
            f"{refusal.message}",
            "Faites-vous donner les droits que montre « cahier droits-enseignant », puis relancez "
            "avec --reprendre.",
            refusal.status,
        )

    @property
    def user(self) -> str:
        """The owner of the namespace, as its own binding names them. Raises Unverifiable."""
        owner = self.owner
        if not owner:
            raise Unverifiable(
                f"Le namespace {self.namespace} ne dit pas quel utilisateur le possède "
                "(RoleBinding full_control_namespace) : on ne peut pas demander ses droits.",
            )
        return owner

    def may(
        self, verb: str, resource: str, *, group: str = "", name: str = "", namespace: str = ""
    ) -> Access:
        """Whether the learner may, asked of the API server about them. Raises Unverifiable."""
        there = self._at(namespace) if namespace else self
        return there.may_other(self.user, verb, resource, group=group, name=name)

    def _answer(self, question: Question) -> Access:
        return self._inventory.may(question, self.namespace, self.held())

    def held(self) -> Held | None:
        """What the bindings of the namespace give; None where they may not be read."""
        if self._held is None:
            find = partial(rules_of, self.cluster_role_object)
            with contextlib.suppress(Refused, Unverifiable):
                self._held = Held(self.namespace, self.role_bindings(), self.roles(), find)
        return self._held

    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole, asked once for the class."""
        return self._inventory.cluster_role_object(name)

    def user_of(self, namespace: str) -> str:
        """The owner of another namespace, as its own binding names them; where that may not be
        read, as the learner's own verification infers them. Raises Unverifiable, UsageError."""
        try:
            return self._at(namespace).user
        except Refused:
            return super().user_of(namespace)

    def _at(self, namespace: str) -> LearnerView:
        return LearnerView(self.api, self._inventory, namespace, None)

    @contextlib.contextmanager
    def forward(self, pod: str, port: int) -> Iterator[Any]:
        """A tunnel where the teacher may open one; the smallest role does not allow it. Raises
        Unverifiable."""
        if not all(self._may_ourselves(verb, "pods/portforward") for verb in ("create", "get")):
            super().forward(pod, port)
        with self.api.forward(self.namespace, pod, port) as connection:
            yield connection

    def _may_ourselves(self, verb: str, resource: str) -> bool:
        """Whether the teacher may, in the learner's namespace."""
        us = self._inventory.teacher
        if us is not None and not self.may_other(us[0], verb, resource, groups=us[1]).allowed:
            return False
        return LiveReading.may(self, verb, resource).allowed

    def as_owner(self, owner: str, at: str = "") -> None:
        """Nobody's access is at hand."""


class StartView(LearnerView):
    """The same person's namespace as a lab finds it: without what they made, and without the rights
    that they gave."""

    def __init__(
        self,
        whole: LearnerView,
        inventory: Listed,
        colleague: str | Sequence[str] | None,
        keeps: Keeps,
    ) -> None:
        super().__init__(whole.api, inventory, whole.namespace, colleague)
        self._whole, self._keeps = whole, keeps

    def answered(self, question: Question) -> Access:
        """The answer about somebody, as long as no binding of theirs had been made."""
        return as_at_the_start(self._whole.answered(question), question, self.held)

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        return [dict(item) for item in self._whole.objects(kind) if self._keeps(kind, item)]


def require_colleagues(
    lab: Lab, colleagues: Sequence[str], is_missing: Callable[[str], bool], reading: Reading
) -> None:
    """Raises NotLookedAt where a lab needs a colleague who is not there."""
    if lab.about.colleague != "required":
        return
    if not colleagues:
        raise NotLookedAt(
            "Ce TP se fait à deux, et la liste de classe ne donne pas de collègue.",
            past_of(reading),
        )
    for name in colleagues:
        if is_missing(name):
            raise NotLookedAt(colleague_not_there(name), past_of(reading))


class LiveVerifier:
    """Verdicts of a class on a real cluster, one connection pool and one set of lists for all."""

    def __init__(self, api: Api, learners: Sequence[Learner]) -> None:
        """Asks which namespaces exist. Raises AccessError."""
        self._api = api
        self.missing: Collection[str] = frozenset()
        """Namespaces of learners and colleagues that are not on the cluster; none where they may
        not be listed."""
        self.closed: Set[str] = frozenset()
        """Those that the teacher may not read."""
        named = {name for one in learners for name in (one.namespace, *several(one.colleague))}
        self._inventory = Inventory(api, named)
        self._settled = Deadline(_SETTLES)
        self._clock = ClusterTime(api)
        self._at_hand = threading.local()
        try:
            self.missing = self._inventory.missing()
        except Refused:  # rights of one namespace at a time
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                answers = pool.map(self._may_read, sorted(named))
                self.closed = {
                    name for name, may in zip(sorted(named), answers, strict=True) if not may
                }

    def _may_read(self, namespace: str) -> bool:
        return LiveReading(self._api, namespace=namespace).may("list", "pods").allowed

    def view(self, learner: Learner, colleagues: Sequence[str]) -> LearnerView:
        """A learner's namespace, out of the class's lists as long as they serve."""
        return LearnerView(self._api, self._inventory, learner.namespace, colleagues)

    def _views(
        self, learner: Learner, colleagues: tuple[str, ...], lab: Lab
    ) -> tuple[LearnerView, StartView]:
        """A learner's namespace, as it is and as the lab finds it: those that this thread used
        last, where they are the same."""
        wanted, keeps = (learner.namespace, colleagues), start_of(lab)
        kept = getattr(self._at_hand, "views", None)
        if kept is None or kept[0] != wanted:
            starts: dict[Keeps, StartView] = {}
            kept = self._at_hand.views = (wanted, self.view(learner, colleagues), starts)
        _wanted, view, starts = kept
        if keeps not in starts:
            starts[keeps] = StartView(view, self._inventory, colleagues, keeps)
        return view, starts[keeps]

    def __call__(self, learner: Learner, lab: Lab) -> Seen:
        """The verdict of one lab. Raises CahierError."""
        if learner.namespace in self.missing:
            raise NamespaceMissing(not_there(learner.namespace))
        colleagues = learner.colleagues(lab)
        view, start = self._views(learner, tuple(colleagues), lab)
        reading = view.reading(lab.name)
        require_colleagues(lab, colleagues, lambda name: name in self.missing, reading)
        at = self._clock.now()
        look = partial(run, lab, view, refresh=view.refresh, settle=reading.settle)
        verdict, findings = look(seconds=self._settled.left)
        if any(diagnostic.transient for diagnostic in findings.values()):
            view.refresh()  # the class's lists tell how it was at the beginning
            at = self._clock.now()
            verdict, _findings = look(seconds=0)
        if not view.serves:
            self._at_hand.views = None
        return seen(lab, verdict, reading, at, start)
