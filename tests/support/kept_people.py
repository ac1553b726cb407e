"""Learners whose namespace, once a case is over, is again just what the setup of their lab made of
it: the next case of that lab is spared a namespace and the launch of a database.

Nothing is supposed. Whatever a case has added is deleted; then all that the namespace holds, object
by object, what its databases hold and the learner's own files have to be what they were at first.
Whoever does not come back to that leaves, and the next case begins with somebody new.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from checks import state
from checks.access.kubernetes_api import Api
from checks.errors import CahierError
from checks.lab import Lab
from checks.local_sspcloud import people
from checks.stage import Person
from checks.waiting import tries

_COMES_BACK_SECONDS = 15.0
_POLL_SECONDS = 0.5
# what the cluster makes and changes by itself
_ITS_OWN = {"endpoints", "endpointslices", "events", "leases", "controllerrevisions"}
_OF_THE_MOMENT = ("resourceVersion", "generation", "managedFields")
_DRAWN_ANEW = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)  # by each pg_dumpall

Content = Mapping[str, str]
"""The digest of each thing, by its path."""


@dataclass
class KeptPeople:
    """Those who wait for the next case of a lab. `new`: makes people who stay until they are
    removed."""

    admin: Api
    new: Callable[..., Person]
    _waiting: dict[str, list[Person]] = field(default_factory=dict)
    _at_first: dict[str, Content] = field(default_factory=dict)

    def take(self, lab: Lab) -> Person | None:
        """Somebody who is where the setup of the lab leads, None where there is nobody."""
        waiting = self._waiting.get(lab.name)
        return waiting.pop() if waiting else None

    def set_up(self, person: Person) -> None:
        """Remember what the setup of a lab has made of somebody new."""
        self._at_first[person.namespace] = self._content(person)

    def give_back(self, lab: Lab, person: Person) -> None:
        """Bring somebody back to what they were at first, for the next case; else remove them."""
        if self._comes_back(person):
            self._waiting.setdefault(lab.name, []).append(person)
        else:
            people.remove_person(self.admin, person.namespace.removeprefix("user-"))

    def _comes_back(self, person: Person) -> bool:
        memory = state.load()
        for place in [one for one in memory.places if person.namespace in one]:
            del memory.places[place]
        state.save(memory)
        at_first = self._at_first[person.namespace]
        try:
            if not self._inside(person).items() <= at_first.items():
                return False  # nothing would take that back
            for path in self._objects(person).keys() - at_first.keys():
                self.admin.remove(path, {"gracePeriodSeconds": 0})
            return any(
                self._content(person) == at_first
                for _ in tries(_COMES_BACK_SECONDS, _POLL_SECONDS)
                if self._objects(person).items() <= at_first.items()
            )
        except CahierError:
            return False

    # -- what there is -----------------------------------------------------------------------------

    def _content(self, person: Person) -> Content:
        """All that a case may change. Raises CahierError."""
        return {**self._objects(person), **self._inside(person)}

    def _inside(self, person: Person) -> Content:
        """What no object of the namespace shows."""
        databases = {
            f"{path} databases": _digest(self._dumped(person, path))
            for path, labels in self._pods(person).items()
            if labels.get("cnpg.io/cluster")
        }
        return {
            **databases,
            "kubeconfig": _digest(person.kubeconfig.read_text(encoding="utf-8")),
        }

    def _objects(self, person: Person) -> Content:
        namespace = f"/api/v1/namespaces/{person.namespace}"
        own = self.admin.request("GET", namespace)
        return {
            namespace: _digest(_lasting(own)),
            **{path: _digest(_lasting(item)) for path, item in self._items(person)},
        }

    def _items(self, person: Person) -> Iterator[tuple[str, dict[str, Any]]]:
        for group, resource in self._resources:
            path = f"{group}/namespaces/{person.namespace}/{resource}"
            for item in self.admin.request("GET", path)["items"]:
                yield f"{path}/{item['metadata']['name']}", item

    def _pods(self, person: Person) -> Mapping[str, Mapping[str, str]]:
        path = f"/api/v1/namespaces/{person.namespace}/pods"
        return {
            item["metadata"]["name"]: item["metadata"].get("labels", {})
            for item in self.admin.request("GET", path)["items"]
        }

    def _dumped(self, person: Person, pod: str) -> str:
        command = ["pg_dumpall", "--username", "postgres"]
        said = self.admin.execute(person.namespace, pod, command, container="postgres")
        return _DRAWN_ANEW.sub("", said)

    @cached_property
    def _resources(self) -> list[tuple[str, str]]:
        """What a namespace can hold: the path of its group, and its name there."""
        named = self.admin.request("GET", "/apis")["groups"]
        groups = ["/api/v1", *(f"/apis/{one['preferredVersion']['groupVersion']}" for one in named)]
        return [
            (group, one["name"])
            for group in groups
            for one in self.admin.request("GET", group)["resources"]
            if one["namespaced"] and {"list", "delete"} <= {*one["verbs"]}
            if one["name"] not in _ITS_OWN
        ]


def _lasting(item: Mapping[str, Any]) -> str:
    """An object without what changes by itself; of a pod, how often its programs have ended."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _OF_THE_MOMENT}
    status = item.get("status") or {}
    restarts = [one["restartCount"] for one in status.get("containerStatuses", [])]
    rest = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    return json.dumps([metadata, rest, restarts], sort_keys=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
