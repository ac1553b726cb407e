"""A learner's namespace as the board sees it: what `noter` would say, out of what is watched."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from checks.access.discovery import Resource, served
from checks.access.kubernetes_api import Api
from checks.board.pace import Memory
from checks.board.rights import ClassRights
from checks.errors import CahierError
from checks.facts import Access
from checks.grading.grade import not_there
from checks.grading.results import LabGrade, from_verdict, not_theirs, without_verdict
from checks.grading.roster import Learner
from checks.grading.view import Identity, LearnerView, identity, require_colleagues
from checks.lab import Lab
from checks.redaction import described
from checks.runner import run
from checks.sources.class_objects import KINDS, ClassObjects
from checks.sources.class_rights import Held
from checks.sources.from_afar import FromAfar
from checks.sources.live_reading import find_cluster_role
from checks.sources.reviews import Question

_SOON, _A_WHILE, _LONG = 30.0, 60.0, 600.0  # seconds for which an answer is kept
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shared:
    """What all the views of a class have in common."""

    api: Api
    objects: ClassObjects
    rights: ClassRights
    memory: Memory


class _Watched:
    """The watched objects, as a view of a learner wants them."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def objects(self, kind: str, namespace: str) -> list[dict[str, Any]] | None:
        return self._shared.objects.objects(kind, namespace)

    def uid(self, namespace: str) -> str:
        return self._shared.objects.uid(namespace)

    def answers(self, namespace: str) -> dict[Question, Access]:
        return {}

    def may(self, question: Question, namespace: str, held: Held | None) -> Access:
        return self._shared.rights.may(question, namespace, held)

    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        ask = partial(find_cluster_role, self._shared.api, name)
        return self._shared.memory.once(("role", name), _LONG, ask)

    def alone(self) -> _Watched:
        return self  # what is watched is always fresh

    @property
    def server_version(self) -> tuple[int, int]:
        return self._shared.memory.once("version", _LONG, self._shared.api.version)

    @property
    def served(self) -> Sequence[Resource]:
        return self._shared.memory.once("served", _LONG, partial(served, self._shared.api))

    @property
    def teacher(self) -> Identity | None:
        return self._shared.memory.once("teacher", _LONG, partial(identity, self._shared.api))


class BoardView(LearnerView):
    """`Cluster` of a learner, out of what is watched; the rest is asked once for a while."""

    def __init__(
        self, shared: Shared, namespace: str, colleague: str | Sequence[str] | None
    ) -> None:
        super().__init__(shared.api, _Watched(shared), namespace, colleague)
        self._shared = shared

    def refresh(self) -> None:
        """What is watched is always fresh; what was made of it is forgotten."""
        self._lists.clear()
        self._answers = {}
        self._held = None
        self.ask_anew()

    def _at(self, namespace: str) -> BoardView:
        return BoardView(self._shared, namespace, None)

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        if kind in KINDS:
            return super()._listed(kind)
        return self._once(_A_WHILE, (kind,), lambda: LearnerView._listed(self, kind))

    def _names(self, kind: Resource) -> tuple[str, ...] | None:
        return self._once(_A_WHILE, (kind.dotted,), lambda: LearnerView._names(self, kind))

    def _log(self, pod: str, container: str, **query: str) -> str:
        found = self.pod(pod)
        version = "" if found is None else found.given.metadata.resource_version
        key = ("log", pod, version, container, *sorted(query.items()))
        return self._once(_SOON, key, lambda: LearnerView._log(self, pod, container, **query))

    @contextlib.contextmanager
    def forward(self, pod: str, port: int) -> Iterator[Any]:
        """No tunnel is opened for a board, whatever the rights. Raises Unverifiable."""
        with FromAfar.forward(self, pod, port) as connection:
            yield connection

    def _once(self, seconds: float, key: tuple[object, ...], ask: Callable[[], _T]) -> _T:
        return self._shared.memory.once((self.namespace, *key), seconds, ask)


@dataclass(frozen=True)
class Look:
    """All the labs of a learner, as they are now. `settling`: some of it may change by itself."""

    grades: Sequence[LabGrade]
    settling: bool


def look(shared: Shared, learner: Learner, labs: Sequence[Lab]) -> Look:
    """What a learner has reached. Raises nothing: what goes wrong is the reason of a lab."""
    if learner.namespace in shared.objects.closed:
        why = f"Le namespace {learner.namespace} vous est fermé."
        return Look([without_verdict(lab, why) for lab in labs], False)
    if shared.objects.is_missing(learner.namespace):
        why = not_there(learner.namespace)
        return Look([without_verdict(lab, why, absent=True) for lab in labs], False)
    views: dict[Sequence[str], BoardView] = {}
    seen = [
        _look(shared, learner, lab, views) if learner.does(lab) else (not_theirs(lab), False)
        for lab in labs
    ]
    return Look([grade for grade, _ in seen], any(settling for _, settling in seen))


def _look(
    shared: Shared, learner: Learner, lab: Lab, views: dict[Sequence[str], BoardView]
) -> tuple[LabGrade, bool]:
    try:
        colleagues = tuple(learner.colleagues(lab))
        if colleagues not in views:  # labs that are done with the same people read the same
            views[colleagues] = BoardView(shared, learner.namespace, colleagues)
        view = views[colleagues]
        reading = view.reading(lab.name)
        require_colleagues(lab, colleagues, shared.objects.is_missing, reading)
        verdict, findings = run(lab, view, refresh=view.refresh, seconds=0, settle=reading.settle)
    except CahierError as problem:
        return without_verdict(lab, problem.message), False
    except Exception as error:
        _log.exception("%s %s", learner.identifier, lab.name)
        return without_verdict(lab, f"Le vérificateur a un problème : {described(error)}"), False
    settling = any(diagnostic.transient for diagnostic in findings.values())
    return from_verdict(lab, verdict, reading.counted, reading.vouched), settling
