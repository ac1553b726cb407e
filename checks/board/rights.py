"""Who may do what in the namespaces of a class, out of the Roles and RoleBindings that are watched.

Those of a namespace only ever add to what the cluster gives: a yes is certain. Behind a no, what
the cluster itself gives to somebody cannot be read by a teacher; it is asked once, when nothing
else is waiting, and whoever it concerns is then judged again.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from checks.access.answers import AccessReview
from checks.access.kubernetes_api import Api
from checks.board.pace import Pace
from checks.diagnosis.rights.rbac import Granted, Request, covers, granted
from checks.errors import CahierError
from checks.facts import Access
from checks.objects.rights import Binding, Rule

_WAIT = 0.3  # seconds between two looks at whether something may be asked
_REVIEW = "/apis/authorization.k8s.io/v1/namespaces/{}/localsubjectaccessreviews"
_OF_THE_CLUSTER = "ClusterRoleBinding"

_Key = tuple[str, tuple[str, ...], Request]


class ClassRights:
    """Answers of a class; `changed` hears of a namespace whose answers were not right."""

    def __init__(self, api: Api, pace: Pace, changed: Callable[[str], None]) -> None:
        self._api, self._pace, self._changed = api, pace, changed
        self._given: dict[_Key, Access] = {}
        self._to_ask: deque[tuple[str, _Key]] = deque()
        self._asked: set[_Key] = set()
        self._lock = threading.Lock()

    def may(
        self,
        namespace: str,
        spec: Mapping[str, Any],
        bindings: Iterable[Binding],
        roles: Mapping[str, Sequence[Rule]],
        cluster_roles: Mapping[str, Sequence[Rule]],
    ) -> Access:
        """The answer to a LocalSubjectAccessReview of this spec."""
        asked = spec["resourceAttributes"]
        request = Request(
            verb=asked["verb"],
            group=asked.get("group", ""),
            resource=asked["resource"],
            subresource=asked.get("subresource", ""),
            name=asked.get("name", ""),
        )
        key = spec["user"], tuple(spec["groups"]), request
        for one in granted(key[0], key[1], bindings, roles, cluster_roles, namespace):
            if covers(one.rule, request):
                return Access(True, _reason(one, namespace))
        with self._lock:
            if key in self._given:
                return self._given[key]
            if key not in self._asked:
                self._asked.add(key)
                self._to_ask.append((namespace, key))
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

    def _ask(self, namespace: str, key: _Key) -> None:
        user, groups, request = key
        spec = {
            "user": user,
            "groups": [*groups],
            "resourceAttributes": {
                "namespace": namespace,
                "verb": request.verb,
                "group": request.group,
                "resource": request.resource,
                "subresource": request.subresource,
                "name": request.name,
            },
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "LocalSubjectAccessReview",
            "metadata": {"namespace": namespace},
            "spec": spec,
        }
        try:
            status = self._api.ask(_REVIEW.format(namespace), AccessReview, body).status
        except CahierError:
            with self._lock:
                self._asked.discard(key)  # the next judgement asks again
            return
        if status.allowed and _OF_THE_CLUSTER not in status.reason:
            return  # given in the namespace meanwhile: that is watched
        with self._lock:
            self._given[key] = Access(status.allowed, status.reason)
        if status.allowed:
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
