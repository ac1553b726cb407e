"""Who may do what in the namespaces of a class, out of the Roles and RoleBindings that are watched.

Those of a namespace only ever add to what the cluster gives: RBAC answers yes. Behind a no, what
the cluster itself gives to somebody is not watched; it is asked once, when nothing else is waiting,
and whoever it concerns is then judged again. `noter`, which does not last, reads and asks all that
a mark rests on (checks/sources/class_rights.py).
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable

from checks.access.kubernetes_api import Api
from checks.board.pace import Pace
from checks.diagnosis.rights.rbac import Granted
from checks.errors import CahierError
from checks.facts import Access
from checks.sources.class_rights import Held
from checks.sources.reviews import Question, of_another

_WAIT = 0.3  # seconds between two looks at whether something may be asked
_OF_THE_CLUSTER = "ClusterRoleBinding"


class ClassRights:
    """Answers of a class; `changed` hears of a namespace whose answers were not right."""

    def __init__(self, api: Api, pace: Pace, changed: Callable[[str], None]) -> None:
        self._api, self._pace, self._changed = api, pace, changed
        self._given: dict[Question, Access] = {}
        self._to_ask: deque[tuple[str, Question]] = deque()
        self._asked: set[Question] = set()
        self._lock = threading.Lock()

    def may(self, question: Question, namespace: str, held: Held | None) -> Access:
        """The answer about somebody in a namespace, as far as it is known. `held`: None where its
        bindings may not be read."""
        found = held and held.by(question.user, question.groups).allowing(question.request)
        if found:
            return Access(True, _reason(found, namespace))
        with self._lock:
            if question in self._given:
                return self._given[question]
            if question not in self._asked:
                self._asked.add(question)
                self._to_ask.append((namespace, question))
        return Access(False)

    @property
    def asking(self) -> bool:
        """Whether something is still to be asked."""
        return bool(self._to_ask)

    def ask(self, stop: threading.Event) -> None:
        """Ask what is still to be asked, whenever there is time, until `stop`."""
        while not stop.wait(0 if self._to_ask and self._pace.spare else _WAIT):
            if self._to_ask and self._pace.spare:
                self._ask(*self._to_ask.popleft())

    def _ask(self, namespace: str, question: Question) -> None:
        try:
            answer = of_another(self._api, namespace, question)
        except CahierError:
            with self._lock:
                self._asked.discard(question)  # the next judgement asks again
            return
        if answer.allowed and _OF_THE_CLUSTER not in answer.reason:
            return  # given in the namespace meanwhile: that is watched
        with self._lock:
            self._given[question] = answer
        if answer.allowed:
            self._changed(namespace)


def _reason(found: Granted, namespace: str) -> str:
    """How the API server's own authorizer says by what a right is given."""
    binding, subject = found.binding, found.subject
    name = subject.name
    if subject.kind == "ServiceAccount":
        name = f"{name}/{subject.namespace or namespace}"
    return (
        f"RBAC: allowed by {binding.kind} {_quoted(f'{binding.name}/{namespace}')} of "
        f"{binding.role_kind} {_quoted(binding.role)} to {subject.kind} {_quoted(name)}"
    )


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
