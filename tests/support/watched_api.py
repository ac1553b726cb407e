"""An API server in memory that lists and watches: what one real cluster cannot be made to do at
will, or to hold."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from checks.access.answers import typed
from checks.diagnosis.rights.rbac import Request, covers, granted
from checks.local_sspcloud import people
from checks.objects.rights import Binding, BindingObject, Role, Rule, binding_of
from tests.support.pretend_api import QuietServer
from tests.support.rights import needed, refusal

_PATH = re.compile(r"/(?:api|apis/[^/]+)/v1(?:/namespaces/([^/]+))?/(\w+)")
TEACHER = "oidc-prof"
_LONGEST = 60.0

_TOLD: Mapping[str, Mapping[str, Any]] = {
    "/version": {"major": "1", "minor": "37"},
    "/api": {"kind": "APIGroupDiscoveryList", "items": []},
    "/apis": {"kind": "APIGroupDiscoveryList", "items": []},
}

Key = tuple[str, str]
"""Namespace, "" for a namespace itself, and name."""


@dataclass
class WatchedApi:
    """Objects by the plural of their kind, and all that happened to them."""

    port: int = 0
    objects: dict[str, dict[Key, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    happened: dict[str, list[tuple[int, str, dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    version: int = 100
    forgotten: int = 0
    """Who watches from before this version is told that it is forgotten."""
    denied: set[str] = field(default_factory=set)
    """Rights that the teacher lacks: "watch pods", "list pods"; "user-a" closes a namespace."""
    alone: bool = False
    """Whether rights are those of one namespace at a time."""
    away: bool = False
    """Whether every connection is cut."""
    besides: Callable[[Mapping[str, Any]], bool] = lambda asked: False
    """What another authorizer than RBAC allows, given the `spec` of a review."""
    asked: list[tuple[float, str]] = field(default_factory=list)
    reviews: list[Mapping[str, Any]] = field(default_factory=list)
    """The `spec` of each access review about somebody."""
    epoch: int = 0
    stir: threading.Condition = field(default_factory=threading.Condition)

    def put(self, plural: str, item: Mapping[str, Any], namespace: str = "") -> None:
        """Make an object, or change it."""
        with self.stir:
            self.version += 1
            made = copy.deepcopy(dict(item))
            name = made["metadata"]["name"]
            before = self.objects[plural].get((namespace, name))
            made["metadata"] = {
                "uid": f"uid-{self.version}" if before is None else before["metadata"]["uid"],
                "creationTimestamp": "2026-01-01T00:00:00Z",
                **({"namespace": namespace} if namespace else {}),
                **made["metadata"],
                "resourceVersion": str(self.version),
            }
            self.objects[plural][namespace, name] = made
            self._tell(plural, "ADDED" if before is None else "MODIFIED", made)

    def remove(self, plural: str, name: str, namespace: str = "") -> None:
        """Delete an object."""
        with self.stir:
            self.version += 1
            gone = self.objects[plural].pop((namespace, name))
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._tell(plural, "DELETED", gone)

    def _tell(self, plural: str, kind: str, item: dict[str, Any]) -> None:
        self.happened[plural].append((self.version, kind, item))
        self.stir.notify_all()

    def person(self, name: str) -> str:
        """Make somebody's namespace, as the platform does; what it is called."""
        namespace = people.namespace_of(name)
        self.put("namespaces", {"metadata": {"name": namespace}})
        binding = {
            "metadata": {"name": "full_control_namespace"},
            "roleRef": {"kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "User", "name": people.user_of(name)}],
        }
        self.put("rolebindings", binding, namespace)
        return namespace

    def allowing(self, asked: Mapping[str, Any]) -> str:
        """What RBAC says of an access review about somebody, "" where it allows nothing."""
        wanted = asked["resourceAttributes"]
        namespace = wanted["namespace"]
        request = Request(
            wanted["verb"],
            wanted.get("group", ""),
            wanted["resource"],
            wanted.get("subresource", ""),
            wanted.get("name", ""),
        )
        with self.stir:
            bindings = [
                *self._bindings("ClusterRoleBinding", ""),
                *self._bindings("RoleBinding", namespace),
            ]
            roles = self._rules("roles", namespace)
            cluster_roles = self._rules("clusterroles", "")
        user, groups = asked["user"], asked["groups"]
        for one in granted(user, groups, bindings, roles, cluster_roles, namespace):
            if covers(one.rule, request):
                binding, to = one.binding, one.subject
                name = f"{binding.name}/{namespace}".removesuffix(
                    f"/{namespace}" if binding.kind == "ClusterRoleBinding" else ""
                )
                return (
                    f'RBAC: allowed by {binding.kind} "{name}" of {binding.role_kind} '
                    f'"{binding.role}" to {to.kind} "{to.name}"'
                )
        return ""

    def _bindings(self, kind: str, namespace: str) -> Iterator[Binding]:
        for (where, _), item in self.objects[f"{kind.lower()}s"].items():
            if where == namespace:
                yield binding_of(typed(item, BindingObject), kind)

    def _rules(self, plural: str, namespace: str) -> Mapping[str, Sequence[Rule]]:
        held = self.objects[plural].items()
        return {name: typed(item, Role).rules for (where, name), item in held if where == namespace}

    def drop(self, namespace: str) -> None:
        """Delete a namespace and all that is in it."""
        for plural, held in [*self.objects.items()]:
            for where, name in [*held]:
                if where == namespace:
                    self.remove(plural, name, namespace)
        self.remove("namespaces", namespace)

    def cut(self, *, away: bool = False) -> None:
        """Cut every connection; `away`: until `back`."""
        with self.stir:
            self.away = away
            self.epoch += 1
            self.stir.notify_all()

    def back(self) -> None:
        """Answer again."""
        self.away = False

    def requests(self, since: float) -> Counter[str]:
        """How often each path was asked for, since a moment of time.monotonic()."""
        return Counter(path for moment, path in self.asked if moment >= since)

    def kubeconfig(self, file: Path) -> Path:
        """Write the teacher's configuration."""
        content = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "u", "user": {"token": "opaque"}}],
            "contexts": [{"name": "e", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "e",
        }
        file.write_text(yaml.safe_dump(content))
        file.chmod(0o600)
        return file


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: WatchedApi

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.api.asked.append((time.monotonic(), url.path))
        if self.api.away:
            self.close_connection = True
            return
        told = _TOLD.get(url.path)
        if told is not None:
            self._answer(told)
            return
        found = _PATH.fullmatch(url.path)
        single = re.fullmatch(r"/api/v1/namespaces/([^/]+)", url.path)
        role = re.fullmatch(r"/apis/[^/]+/v1/clusterroles/([^/]+)", url.path)
        if single:
            self._namespace(single[1])
        elif role and ("", role[1]) in self.api.objects["clusterroles"]:
            self._answer(self.api.objects["clusterroles"]["", role[1]])
        elif found is None:
            self._answer({"message": "introuvable"}, 404)
        elif not self._may(found[1] or "", found[2]):
            right = needed(f"GET {self.path}")[0]
            self._answer(refusal(right, TEACHER, self.path), 403)
        else:
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if "watch" in asked:
                self._watch(found[2], found[1] or "", int(asked["resourceVersion"]))
            else:
                self._list(found[2], found[1] or "", asked)

    def do_POST(self) -> None:
        self.api.asked.append((time.monotonic(), urlsplit(self.path).path))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["kind"] == "SelfSubjectReview":
            us = {"username": TEACHER, "groups": ["system:authenticated"]}
            self._answer({"status": {"userInfo": us}})
            return
        reason = ""
        if "user" in body["spec"]:
            self.api.reviews.append(body["spec"])
            reason = self.api.allowing(body["spec"])
        allowed = bool(reason) or self.api.besides(body["spec"])
        self._answer({"status": {"allowed": allowed, "reason": reason}})

    def _may(self, namespace: str, plural: str) -> bool:
        verb = "watch" if "watch=true" in self.path else "list"
        closed = namespace in self.api.denied or (self.api.alone and not namespace)
        return not closed and f"{verb} {plural}" not in self.api.denied

    def _namespace(self, name: str) -> None:
        item = self.api.objects["namespaces"].get(("", name))
        right = needed(f"GET {self.path}")[0]
        if item is None or name in self.api.denied:
            self._answer(refusal(right, TEACHER, self.path), 403)
        else:
            self._answer(item)

    def _list(self, plural: str, namespace: str, asked: Mapping[str, str]) -> None:
        with self.api.stir:
            start, limit = int(asked.get("continue", "0")), int(asked.get("limit", "500"))
            items = self._chosen(plural, namespace)
            more = str(start + limit) if start + limit < len(items) else ""
            metadata = {"resourceVersion": str(self.api.version), "continue": more}
            content = json.dumps({"metadata": metadata, "items": items[start : start + limit]})
        self._send(content.encode())

    def _chosen(self, plural: str, namespace: str) -> Sequence[dict[str, Any]]:
        held = self.api.objects[plural].items()
        return [item for (where, _), item in held if namespace in ("", where)]

    def _watch(self, plural: str, namespace: str, since: int) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        if since < self.api.forgotten:
            status = {"kind": "Status", "status": "Failure", "message": "too old", "code": 410}
            self._event("ERROR", status)
            return
        epoch, until, place = self.api.epoch, time.monotonic() + _LONGEST, 0
        log = self.api.happened[plural]
        while time.monotonic() < until:
            with self.api.stir:
                while len(log) == place and self.api.epoch == epoch:
                    self.api.stir.wait(0.5)
                if self.api.epoch != epoch:
                    return
                news, place = log[place:], len(log)
                lines = [
                    json.dumps({"type": kind, "object": item})
                    for version, kind, item in news
                    if version > since and namespace in ("", item["metadata"].get("namespace"))
                ]
            for line in lines:
                self.wfile.write(line.encode() + b"\n")
            self.wfile.flush()

    def _event(self, kind: str, item: Mapping[str, Any]) -> None:
        self.wfile.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def _answer(self, content: Mapping[str, Any], status: int = 200) -> None:
        self._send(json.dumps(content).encode(), status)

    def _send(self, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def watched_api() -> Iterator[WatchedApi]:
    """One that runs on this machine."""
    api = WatchedApi()
    with QuietServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api})) as server:
        server.daemon_threads = True
        api.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield api
        finally:
            api.cut(away=True)
            server.shutdown()
            thread.join()
