"""The objects of a class as the API server has them now: each kind listed once for all namespaces,
then watched.

Where the rights are those of one namespace at a time, each of them is listed and watched by itself.
What happens elsewhere on the cluster is read and forgotten at once.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from checks.access.answers import too_much
from checks.access.kubernetes_api import Api, collection, everywhere
from checks.errors import (
    AccessError,
    CahierError,
    ClusterLost,
    Forbidden,
    Refused,
    UsageError,
)
from checks.facts import PROBE_LABEL
from checks.sources.receipts import is_receipts
from checks.waiting import Deadline

KINDS = (
    "Namespace",
    "Pod",
    "Service",
    "ConfigMap",
    "Event",
    "Deployment",
    "ReplicaSet",
    "EndpointSlice",
    "NetworkPolicy",
    "Role",
    "RoleBinding",
)
"""What a teacher may read of a class."""
MOST_ALONE = 40
"""Namespaces that are watched one by one: each takes a connection for each kind."""
_HELD = 12 * 2**20  # bytes of a namespace: a thousand of them share the memory of a laptop
_RECONNECT = (0.2, 1.0, 2.0, 4.0)  # seconds before what is lost is asked for again
_OLDER_ROLE = (
    "Faites appliquer de nouveau ce qu’écrit « cahier droits-enseignant » : le rôle d’avant "
    "laissait lire, non suivre. D’ici là, tout est relu toutes les dix secondes."
)
_CLOSED = 10.0  # seconds before one asks again for what may not be read
_PULSE = 5.0  # seconds between two looks at whether time, or the network, was away
_ASLEEP = 10.0  # seconds more than a pause takes: this machine was stopped
_LIGHTER = 60.0  # seconds between two readings of what has grown too large, then shrunk
_GONE = 410  # of what happened after the version that we know, the server has kept no trace

_INSIDE = "/namespaces/"

_Key = tuple[str, str]
"""The kind of an object, and its name."""


@dataclass(frozen=True)
class Lost:
    """What cannot be seen any more: since when (of this machine), and why, in French."""

    since: float
    why: str


class ClassObjects:
    """Objects of the namespaces of a class, kept up to date while the context lasts."""

    def __init__(
        self,
        api: Api,
        namespaces: Collection[str],
        changed: Callable[[str], None],
        troubled: Callable[[], None],
    ) -> None:
        """From several threads, `changed` hears of each namespace of which something has become
        different, `troubled` that something is seen no more, or is again."""
        self._api = api
        self._wanted = frozenset(namespaces)
        self._changed, self._troubled = changed, troubled
        self._lock = threading.RLock()
        self._objects: dict[str, dict[_Key, bytes | int]] = defaultdict(dict)
        self._size: dict[str, int] = defaultdict(int)
        self._heavy: set[str] = set()
        self._lighter = Deadline(0)
        self._uids: dict[str, str] = {}
        self._lost: dict[str, Lost] = {}
        self._unlisted: set[str] = set()
        self._generation = 0
        self._stop = threading.Event()
        self.closed: Collection[str] = frozenset()
        """Namespaces that could not be read when it began, where each is read by itself."""

    def __enter__(self) -> Self:
        """Raises CahierError where nothing can be watched."""
        paths = self._paths()
        self._unlisted = set(paths)
        self._watches = paths
        self._begin()
        threading.Thread(target=self._pulse, daemon=True, name="pouls").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    # -- what is known -----------------------------------------------------------------------------

    @property
    def listed(self) -> bool:
        """Whether everything was read once."""
        return not self._unlisted

    def lost(self) -> Lost | None:
        """What is not seen any more of the whole class; the oldest. None while all of it is."""
        return _oldest(one for path, one in [*self._lost.items()] if _INSIDE not in path)

    def lost_at(self, namespace: str) -> Lost | None:
        """The same of one namespace, where each is watched by itself."""
        inside = f"{_INSIDE}{namespace}/"
        return _oldest(one for path, one in [*self._lost.items()] if inside in path)

    def is_missing(self, namespace: str) -> bool:
        """Whether there is no such namespace."""
        return self.listed and namespace not in self._uids and namespace not in self.closed

    def uid(self, namespace: str) -> str:
        """UID of a namespace. Raises AccessError where there is none."""
        try:
            return self._uids[namespace]
        except KeyError:
            raise AccessError(f"Le namespace {namespace} n’existe plus.") from None

    def objects(self, kind: str, namespace: str) -> list[dict[str, Any]] | None:
        """Objects of one namespace; None where they are not watched. Raises Unverifiable where they
        are more than is held."""
        if kind not in KINDS or namespace not in self._wanted:
            return None
        with self._lock:
            if namespace in self._heavy:
                raise too_much(_HELD)
            found = [
                data
                for (one, _), data in self._objects[namespace].items()
                if one == kind and isinstance(data, bytes)
            ]
        return [msgspec.json.decode(item) for item in found]

    # -- watching ----------------------------------------------------------------------------------

    def _paths(self) -> Mapping[str, str]:
        """What is listed and watched, and the kind of each. Raises CahierError."""
        try:
            self._api.latest(everywhere("Pod"))
        except Forbidden:
            return self._paths_alone()
        return {everywhere(kind): kind for kind in KINDS}

    def _paths_alone(self) -> Mapping[str, str]:
        if len(self._wanted) > MOST_ALONE:
            raise UsageError(
                f"Vos droits se donnent namespace par namespace, et cette classe en a "
                f"{len(self._wanted)} : le tableau n’en suit ainsi que {MOST_ALONE}.",
                "Demandez pour toute la classe les droits que montre « cahier "
                "droits-enseignant », ou suivez-la par groupes.",
            )
        closed = set()
        for namespace in sorted(self._wanted):
            try:
                self._uids[namespace] = self._api.namespace_uid(namespace)
            except Refused:
                closed.add(namespace)
        self.closed = frozenset(closed)
        return {
            collection(kind, namespace): kind
            for namespace in sorted(self._uids)
            for kind in KINDS
            if kind != "Namespace"
        }

    def _begin(self) -> None:
        """Read and watch everything from now on; what went on before is left to end by itself."""
        with self._lock:
            self._generation += 1
            generation = self._generation
        for path, kind in self._watches.items():
            threading.Thread(
                target=self._follow, args=(path, kind, generation), daemon=True, name=kind
            ).start()

    def _is_over(self, generation: int) -> bool:
        return self._stop.is_set() or generation != self._generation

    def _follow(self, path: str, kind: str, generation: int) -> None:
        since, troubles = "", 0
        while not self._is_over(generation):
            try:
                since = since or self._list(path, kind, generation)
                for event in self._api.watch(path, since, kind, lambda: self._found(path)):
                    if self._is_over(generation):
                        return
                    troubles = 0
                    self._hear(kind, event)
                    since = _version(event) or since
            except Forbidden as trouble:
                since = ""  # what happens until it may be read again is nobody's to tell
                older = f" {_OLDER_ROLE}" if trouble.refusal.verb == "watch" else ""
                self._lose(path, f"{trouble.message}{older}")
                self._stop.wait(_CLOSED)
            except CahierError as trouble:
                forgotten = isinstance(trouble, Refused) and trouble.status == _GONE
                if not isinstance(trouble, Refused | ClusterLost) or forgotten:
                    since = ""  # unreadable, or forgotten: only a list tells what there is
                if not forgotten:
                    self._lose(path, trouble.message)
                self._stop.wait(_RECONNECT[troubles])
                troubles = min(troubles + 1, len(_RECONNECT) - 1)

    def _pulse(self) -> None:
        """Begin again where this machine was asleep, or the network was away: a connection that
        died meanwhile says nothing."""
        silent = 0
        before = time.time(), time.monotonic()
        while True:
            if self._stop.wait(_PULSE):
                return
            now = time.time(), time.monotonic()
            slept = max(now[0] - before[0], now[1] - before[1]) - _PULSE > _ASLEEP
            before = now
            try:
                self._api.request("GET", "/version")
            except CahierError as trouble:
                silent += 1
                self._lose("/version", trouble.message)
                continue
            self._found("/version")
            # silent once, a server may only be slow; what its watches have said holds
            if slept or silent > 1 or self._may_be_lighter():
                self._begin()
            silent = 0

    def _lose(self, path: str, why: str) -> None:
        with self._lock:
            if path in self._lost:
                return
            self._lost[path] = Lost(time.time(), why)
        self._troubled()

    def _found(self, path: str) -> None:
        with self._lock:
            if self._lost.pop(path, None) is None:
                return
        self._troubled()

    def _tell_all(self) -> None:
        for namespace in self._wanted:
            self._changed(namespace)

    # -- what is heard -----------------------------------------------------------------------------

    def _list(self, path: str, kind: str, generation: int) -> str:
        """Read a list whole, in the place of what was known of it; its version."""
        version, found = "", set()
        for version, items in self._api.versioned(kind, path):
            for item in items:
                if self._is_over(generation):
                    return version
                if self._is_ours(kind, item):
                    found.add((_namespace(kind, item), item["metadata"]["name"]))
                    self._put(kind, item)
        only = path.partition(_INSIDE)[2].partition("/")[0]
        for namespace, name in self._known(kind):
            if only in ("", namespace) and (namespace, name) not in found:
                self._remove(kind, namespace, name)
        with self._lock:
            self._unlisted.discard(path)
            over = not self._unlisted
        if over:
            self._tell_all()
        return version

    def _known(self, kind: str) -> Sequence[tuple[str, str]]:
        with self._lock:
            if kind == "Namespace":
                return [(name, name) for name in self._uids]
            return [
                (namespace, name)
                for namespace, objects in self._objects.items()
                for one, name in objects
                if one == kind
            ]

    def _hear(self, kind: str, event: Mapping[str, Any]) -> None:
        if event["type"] == "BOOKMARK" or not self._is_ours(kind, event["object"]):
            return
        item = event["object"]
        if event["type"] == "DELETED":
            self._remove(kind, _namespace(kind, item), item["metadata"]["name"])
        else:
            self._put(kind, item)

    def _is_ours(self, kind: str, item: Mapping[str, Any]) -> bool:
        return _namespace(kind, item) in self._wanted

    def _put(self, kind: str, item: dict[str, Any]) -> None:
        metadata = item["metadata"]
        namespace, name = _namespace(kind, item), metadata["name"]
        if kind == "Namespace":
            with self._lock:
                before, self._uids[name] = self._uids.get(name), metadata["uid"]
            if before != metadata["uid"]:
                self._changed(name)
            return
        if not (kind == "ConfigMap" and is_receipts(item)):
            metadata.pop("managedFields", None)  # half of an object's size, and no check reads it
        if self._hold(namespace, (kind, name), msgspec.json.encode(item)) and not _is_probe(item):
            self._changed(namespace)

    def _remove(self, kind: str, namespace: str, name: str) -> None:
        if kind == "Namespace":
            with self._lock:
                self._uids.pop(name, None)
        else:
            self._hold(namespace, (kind, name), None)
        self._changed(namespace)

    def _hold(self, namespace: str, key: _Key, data: bytes | None) -> bool:
        """Keep an object, or forget it; whether it differs from what was kept. Of a namespace that
        has too much, only sizes are kept."""
        with self._lock:
            there = self._objects[namespace]
            before = there.pop(key, None)
            self._size[namespace] -= _size(before)
            if data is not None:
                self._size[namespace] += len(data)
                there[key] = len(data) if namespace in self._heavy else data
            if self._size[namespace] > _HELD and namespace not in self._heavy:
                self._heavy.add(namespace)
                for one, value in there.items():
                    there[one] = _size(value)
            return before != data

    def _may_be_lighter(self) -> bool:
        """Whether a namespace of which too much was held is worth being read again."""
        with self._lock:
            lighter = {one for one in self._heavy if self._size[one] < _HELD // 2}
            if not lighter or not self._lighter.passed:
                return False
            self._lighter = Deadline(_LIGHTER)
            self._heavy -= lighter
            for namespace in lighter:
                self._objects[namespace].clear()
                self._size[namespace] = 0
            return True


def _oldest(found: Iterable[Lost]) -> Lost | None:
    return min(found, key=lambda one: one.since, default=None)


def _size(data: bytes | int | None) -> int:
    return data if isinstance(data, int) else len(data or b"")


def _namespace(kind: str, item: Mapping[str, Any]) -> str:
    """Where an object is; of a namespace, itself."""
    metadata = item["metadata"]
    return str(metadata["name"] if kind == "Namespace" else metadata.get("namespace", ""))


def _is_probe(item: Mapping[str, Any]) -> bool:
    """Whether it is what a learner's own verification places for a moment: it is nobody's work."""
    return PROBE_LABEL in (item["metadata"].get("labels") or {})


def _version(event: Mapping[str, Any]) -> str:
    """After which the next event comes; "" where this one does not say."""
    return (event["object"].get("metadata") or {}).get("resourceVersion") or ""
