"""What the API server is asked about rights: the bodies of access reviews, and its answers.

https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from checks.access.answers import AccessReview
from checks.access.kubernetes_api import Api
from checks.diagnosis.rights.rbac import Request
from checks.facts import Access

_PATH = "/apis/authorization.k8s.io/v1"
_EVERYBODY = "system:authenticated"


class Question(NamedTuple):
    """Whether a user, in these groups, may do something in a namespace."""

    user: str
    groups: tuple[str, ...]
    request: Request


def requested(verb: str, resource: str, group: str, name: str) -> Request:
    """What is asked. `resource` may carry a group and a subresource: "deployments.apps/scale"."""
    kind, _, subresource = resource.partition("/")
    kind, _, dotted = kind.partition(".")
    return Request(verb, group or dotted, kind, subresource, name)


def about(user: str, groups: Iterable[str], request: Request) -> Question:
    """The question about somebody in these groups, and in that of everybody whom the cluster
    knows."""
    return Question(user, tuple(dict.fromkeys((*groups, _EVERYBODY))), request)


def of_oneself(api: Api, namespace: str, request: Request) -> Access:
    """The answer about ourselves. Raises AccessError."""
    spec = {"resourceAttributes": _attributes(request, namespace)}
    return _asked(api, "SelfSubjectAccessReview", "/selfsubjectaccessreviews", {}, spec)


def of_another(api: Api, namespace: str, question: Question) -> Access:
    """The answer about somebody in a namespace. Raises AccessError."""
    spec = {
        "user": question.user,
        "groups": [*question.groups],
        "resourceAttributes": _attributes(question.request, namespace),
    }
    path = f"/namespaces/{namespace}/localsubjectaccessreviews"
    return _asked(api, "LocalSubjectAccessReview", path, {"namespace": namespace}, spec)


def _asked(
    api: Api, kind: str, path: str, metadata: Mapping[str, str], spec: Mapping[str, Any]
) -> Access:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    }
    status = api.ask(f"{_PATH}{path}", AccessReview, body).status
    return Access(status.allowed, status.reason)


def _attributes(request: Request, namespace: str) -> dict[str, str]:
    filled = {
        "verb": request.verb,
        "group": request.group,
        "resource": request.resource,
        "subresource": request.subresource,
        "name": request.name,
        "namespace": namespace,
    }
    return {key: value for key, value in filled.items() if value}
