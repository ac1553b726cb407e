"""Learners whose namespace, once a case is over, is again just what it was before it: the next case
that begins alike is spared a namespace and the launch of a database.

Nothing is supposed. What a case has added is taken away; then all that the namespace holds, object
by object, and what its databases hold have to be what they were at first. Whoever does not come
back to that leaves, and the next case begins with somebody new.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from checks import state
from checks.access.kubernetes_api import Api
from checks.errors import CahierError
from checks.local_sspcloud import people
from checks.stage import Person, Stage
from checks.waiting import tries
from tests.support.namespace_content import Bases, NamespaceContent, Objects

_GOES_SECONDS = 15.0  # for what was deleted
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Beginning:
    """What is made for somebody before a case: files that are applied, by their names, then what is
    run."""

    commands: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()

    def play(self, stage: Stage) -> None:
        """Make it, and wait until it stands. Raises CahierError."""
        stage.apply(dict(self.files))
        stage.run(self.commands)
        if self.files:
            stage.run(["kubectl wait deployment --all --for=condition=Available --timeout=120s"])


@dataclass(frozen=True)
class _AtFirst:
    """What somebody has before a case."""

    objects: Objects
    bases: Bases
    kubeconfig: str


@dataclass
class KeptPeople:
    """Those who wait for the next case, by what was made for them. `new`: makes people who stay
    until they are removed."""

    admin: Api
    new: Callable[..., Person]
    _waiting: dict[Beginning, list[Person]] = field(default_factory=dict)
    _at_first: dict[str, _AtFirst] = field(default_factory=dict)

    def take(self, beginning: Beginning) -> Person | None:
        """Somebody for whom just that was made, None where there is nobody."""
        waiting = self._waiting.get(beginning)
        return waiting.pop() if waiting else None

    def set_up(self, person: Person) -> None:
        """Remember what somebody new has now. Raises CahierError."""
        self._at_first[person.namespace] = _AtFirst(
            self._content.objects(person.namespace),
            self._content.bases(person.namespace),
            person.kubeconfig.read_text(encoding="utf-8"),
        )

    def give_back(self, person: Person, beginning: Beginning) -> None:
        """Bring somebody back to what they were at first, for the next case; else remove them."""
        if self._comes_back(person):
            self._waiting.setdefault(beginning, []).append(person)
        else:
            people.remove_person(self.admin, person.namespace.removeprefix("user-"))

    @cached_property
    def _content(self) -> NamespaceContent:
        return NamespaceContent(self.admin)

    def _comes_back(self, person: Person) -> bool:
        state.forget(state.place_at(self.admin.credentials.server, person.namespace))
        at_first, namespace = self._at_first[person.namespace], person.namespace
        person.kubeconfig.write_text(at_first.kubeconfig, encoding="utf-8")
        try:
            there = self._content.objects(namespace)
            if _is_replaced(there, at_first.objects):
                return False
            self._content.remove(namespace, there.keys() - at_first.objects.keys())
            for _ in tries(_GOES_SECONDS, _POLL_SECONDS):
                there = self._content.objects(namespace)
                if there.keys() <= at_first.objects.keys():
                    break
            return there == at_first.objects and self._bases_come_back(namespace, at_first.bases)
        except CahierError:
            return False

    def _bases_come_back(self, namespace: str, at_first: Bases) -> bool:
        now = self._content.bases(namespace)
        if now != at_first:
            self._content.take_away(namespace, at_first, now)
            now = self._content.bases(namespace)
        return now == at_first


def _is_replaced(there: Objects, at_first: Objects) -> bool:
    """Whether something is gone for good, another of its name in its place or not."""
    return any(path not in there or there[path].uid != one.uid for path, one in at_first.items())
