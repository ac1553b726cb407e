"""All that a namespace holds, object by object, and what its databases hold: to know whether it is
again what it was."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from checks.access.kubernetes_api import Api

# what the cluster makes and changes by itself
_ITS_OWN = {"endpoints", "endpointslices", "events", "leases", "controllerrevisions"}
_OF_THE_MOMENT = ("resourceVersion", "generation", "managedFields")
_DRAWN_ANEW = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)  # by each pg_dumpall
_HELD = 'pg_dumpall --username postgres && cat "$PGDATA"/*.conf'
_ACCOUNTS = "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'"
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"


@dataclass(frozen=True)
class Thing:
    """An object, by its UID and the digest of what does not change by itself."""

    uid: str
    digest: str


@dataclass(frozen=True)
class Base:
    """What a PostgreSQL holds: the digest of it all, and the names of what can be taken away."""

    digest: str
    accounts: frozenset[str]
    databases: frozenset[str]


Objects = Mapping[str, Thing]
"""The objects of a namespace, and itself, by their paths."""
Bases = Mapping[str, Base]
"""The databases of a namespace, by the names of their pods."""


@dataclass(frozen=True)
class NamespaceContent:
    """What the administrator sees in namespaces. All methods raise CahierError."""

    admin: Api

    def objects(self, namespace: str) -> Objects:
        """All of them, but for those that the cluster makes by itself."""
        own = f"/api/v1/namespaces/{namespace}"
        return {
            own: _thing(self.admin.request("GET", own)),
            **{path: _thing(item) for path, item in self._items(namespace)},
        }

    def remove(self, namespace: str, paths: Collection[str]) -> None:
        """Delete these objects at once, and forget what has happened there."""
        for path in paths:
            self.admin.remove(path, {"gracePeriodSeconds": 0})
        self.admin.remove(f"/api/v1/namespaces/{namespace}/events")

    def bases(self, namespace: str) -> Bases:
        """What its PostgreSQL servers hold, accounts and their passwords included, and what they
        are told (pg_hba.conf)."""
        return {pod: self._base(namespace, pod) for pod in self._servers(namespace)}

    def take_away(self, namespace: str, at_first: Bases, now: Bases) -> None:
        """Drop the databases and the accounts that were made between the two."""
        for pod, before in at_first.items():
            for name in now[pod].databases - before.databases:
                self._said(namespace, pod, f"DROP DATABASE {_quoted(name)} WITH (FORCE)")
            made = ", ".join(map(_quoted, sorted(now[pod].accounts - before.accounts)))
            if made:
                for name in sorted(before.databases):
                    self._said(namespace, pod, f"DROP OWNED BY {made} CASCADE", name)
                self._said(namespace, pod, f"DROP ROLE {made}")

    # -- objects -----------------------------------------------------------------------------------

    def _items(self, namespace: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for group, resource in self._resources:
            path = f"{group}/namespaces/{namespace}/{resource}"
            for item in self.admin.request("GET", path)["items"]:
                yield f"{path}/{item['metadata']['name']}", item

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

    # -- databases ---------------------------------------------------------------------------------

    def _servers(self, namespace: str) -> list[str]:
        path = f"/api/v1/namespaces/{namespace}/pods"
        return [
            item["metadata"]["name"]
            for item in self.admin.request("GET", path)["items"]
            if "cnpg.io/cluster" in item["metadata"].get("labels", {})
        ]

    def _base(self, namespace: str, pod: str) -> Base:
        command = ["sh", "-c", _HELD]
        held = self.admin.execute(namespace, pod, command, container="postgres")
        return Base(
            _digest(_DRAWN_ANEW.sub("", held)),
            frozenset(self._said(namespace, pod, _ACCOUNTS).split()),
            frozenset(self._said(namespace, pod, _DATABASES).split()),
        )

    def _said(self, namespace: str, pod: str, statement: str, database: str = "postgres") -> str:
        command = ["psql", "-U", "postgres", "-d", database, "-qAt", "-c", statement]
        return self.admin.execute(namespace, pod, command, container="postgres")


def _thing(item: Mapping[str, Any]) -> Thing:
    """An object without what changes by itself; of a pod, how often its programs have ended."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _OF_THE_MOMENT}
    status = item.get("status") or {}
    restarts = [one["restartCount"] for one in status.get("containerStatuses", [])]
    rest = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    return Thing(
        metadata.get("uid", ""), _digest(json.dumps([metadata, rest, restarts], sort_keys=True))
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
