"""What right each request of ours needs, and what the API server answers to who lacks it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v1(?:/namespaces/(?P<namespace>[^/]+))?"
    r"(?:/(?P<resource>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<part>[^/]+))?)?)?"
)
_CONNECTED = ("portforward", "exec", "attach", "proxy")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, order=True)
class Right:
    """A verb on a resource, with its subresource; `group` "" is the core one. `path`: a URL that is
    no resource."""

    verb: str
    resource: str
    group: str = ""
    path: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.path or self.resource}"


def needed(request: str) -> Sequence[Right]:
    """The rights that a request (`METHOD path`) needs: both, of a stream, since Kubernetes 1.35."""
    method, _, url = request.partition(" ")
    path = urlsplit(url).path
    found = _PATH.fullmatch(path)
    if found is None or not (found["resource"] or found["namespace"]):
        return [Right(method.lower(), "", path=path)]
    group, resource, name = found["group"] or "", found["resource"], found["name"]
    if resource is None:
        resource, name = "namespaces", found["namespace"]
    if method == "GET":
        watched = "true" in parse_qs(urlsplit(url).query).get("watch", [])
        verb = "watch" if watched else "get" if name else "list"
    else:
        verb = _VERBS[method]
    if found["part"] in _CONNECTED:
        return [Right(one, f"{resource}/{found['part']}", group) for one in ("get", "create")]
    return [Right(verb, f"{resource}/{found['part']}" if found["part"] else resource, group)]


def refusal(right: Right, user: str, url: str) -> Mapping[str, Any]:
    """The Status that refuses a request, word for word (Kubernetes 1.37): a test holds it against a
    real one."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
    }
    path = urlsplit(url).path
    if right.path:
        message = f'forbidden: User "{user}" cannot {right.verb} path "{path}"'
        return {**status, "message": message, "reason": "Forbidden", "details": {}, "code": 403}
    found = _PATH.fullmatch(path)
    assert found is not None
    namespace, name = found["namespace"], found["name"]
    if found["resource"] is None:
        name = namespace
    kind = right.resource.partition("/")[0]
    dotted = f"{kind}.{right.group}" if right.group else kind
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    which = f'{dotted} "{name}"' if name else dotted
    message = (
        f'{which} is forbidden: User "{user}" cannot {right.verb} resource "{right.resource}" '
        f'in API group "{right.group}" {where}'
    )
    details = {
        key: value
        for key, value in (("name", name), ("group", right.group), ("kind", kind))
        if value
    }
    return {**status, "message": message, "reason": "Forbidden", "details": details, "code": 403}
