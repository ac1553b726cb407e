"""A person of the local cluster whose rights are those of `admin`, but one: withdrawn for real."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Self

from checks.access.kubernetes_api import Api
from checks.facts import OWNER_BINDING
from checks.local_sspcloud.people import namespace_of, user_of
from tests.support.rights import Right

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_NAME = "essai-presque-admin"
_SECONDS = 10.0  # for the API server to follow a change of a role


class Restricted:
    """Holds somebody's rights: all of `admin` at first; as they were once the context ends."""

    def __init__(self, admin: Api, namespace: str) -> None:
        self._admin = admin
        self._namespace = namespace
        self._user = user_of(namespace.removeprefix(namespace_of("")))
        self._binding = f"{_RBAC}/namespaces/{namespace}/rolebindings/{OWNER_BINDING}"
        rules = admin.request("GET", f"{_RBAC}/clusterroles/admin")["rules"]
        self.given = {
            Right(verb, resource, group)
            for rule in rules
            for group in rule.get("apiGroups", ())
            for resource in rule.get("resources", ())
            for verb in rule["verbs"]
        }

    def __enter__(self) -> Self:
        self._write(None)
        self._bind("Role", _NAME)
        return self

    def __exit__(self, *_: object) -> None:
        self._bind("ClusterRole", "admin")
        self._admin.remove(f"{_RBAC}/namespaces/{self._namespace}/roles/{_NAME}")

    def withdraw(self, right: Right) -> None:
        """Have all but this one."""
        self._write(right)
        self._wait(right, allowed=False)

    def restore(self, right: Right) -> None:
        """Have this one again."""
        self._write(None)
        self._wait(right, allowed=True)

    def _write(self, but: Right | None) -> None:
        verbs: dict[tuple[str, str], list[str]] = {}
        for one in sorted(self.given):
            if one != but:
                verbs.setdefault((one.group, one.resource), []).append(one.verb)
        rules = [
            {"apiGroups": [group], "resources": [name], "verbs": some}
            for (group, name), some in verbs.items()
        ]
        item = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": _NAME},
            "rules": rules,
        }
        self._admin.apply(f"{_RBAC}/namespaces/{self._namespace}/roles/{_NAME}", item)

    def _bind(self, kind: str, name: str) -> None:
        """The reference of a binding cannot be changed: it is made anew."""
        item: dict[str, Any] = self._admin.request("GET", self._binding)
        metadata = {"name": OWNER_BINDING, "labels": item["metadata"].get("labels") or {}}
        reference: Mapping[str, str] = {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": kind,
            "name": name,
        }
        self._admin.remove(self._binding)
        self._admin.request(
            "POST",
            self._binding.rpartition("/")[0],
            {**item, "metadata": metadata, "roleRef": reference},
        )
        self._wait(Right("list", "pods"), allowed=True)

    def _wait(self, right: Right, *, allowed: bool) -> None:
        resource, _, part = right.resource.partition("/")
        attributes = {
            "verb": right.verb,
            "resource": resource,
            "group": right.group,
            "namespace": self._namespace,
        }
        if part:
            attributes["subresource"] = part
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": self._user,
                "groups": ["system:authenticated"],
                "resourceAttributes": attributes,
            },
        }
        until = time.monotonic() + _SECONDS
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        while self._admin.request("POST", path, review)["status"]["allowed"] is not allowed:
            assert time.monotonic() < until, f"{right} is not followed"
            time.sleep(0.05)
