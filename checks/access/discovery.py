"""What an API server serves in a namespace: every kind that can be listed there, custom ones included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.access.kubernetes_api import Api

# Of Kubernetes 1.30, of 1.27, and the list of groups that an older one answers.
_ACCEPT = ",".join(
    [
        *(
            f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            for version in ("v2", "v2beta1")
        ),
        "application/json",
    ]
)


@dataclass(frozen=True)
class Resource:
    """A kind of objects that belong to a namespace. `name` is the plural of paths; `group` "": the core's."""

    group: str
    version: str
    name: str
    kind: str

    @property
    def dotted(self) -> str:
        """Its name for RBAC and for kubectl, such as cronjobs.batch."""
        return f"{self.name}.{self.group}" if self.group else self.name

    def path(self, namespace: str) -> str:
        """Path of the objects of this kind in a namespace."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.name}"


def namespaced(api: Api) -> Sequence[Resource]:
    """Every kind of objects of a namespace that can be listed, each once, in the version the server prefers.

    Raises as `Api.request`.
    """
    found: dict[str, Resource] = {}
    for root in ("/api", "/apis"):
        answer = api.request("GET", root, accept=_ACCEPT)
        told = _aggregated(answer) if answer.get("kind") == "APIGroupDiscoveryList" else _one_by_one(api, root, answer)
        for one in told:
            found.setdefault(one.dotted, one)
    return list(found.values())


def _aggregated(answer: Mapping[str, Any]) -> Iterator[Resource]:
    for group in answer["items"]:
        for version in group.get("versions") or ():
            for one in version.get("resources") or ():
                if one.get("scope") == "Namespaced" and "list" in (one.get("verbs") or ()):
                    kind = (one.get("responseKind") or {}).get("kind", "")
                    yield Resource(group["metadata"].get("name", ""), version["version"], one["resource"], kind)


def _one_by_one(api: Api, root: str, answer: Mapping[str, Any]) -> Iterator[Resource]:
    """The same, of a server that tells each version of each group apart."""
    for version in [one["groupVersion"] for group in answer.get("groups") or () for one in group["versions"]] + list(
        answer.get("versions") or ()
    ):
        group, _, number = version.rpartition("/")
        for one in api.request("GET", f"{root}/{version}").get("resources") or ():
            if one.get("namespaced") and "/" not in one["name"] and "list" in one["verbs"]:
                yield Resource(group, number, one["name"], one["kind"])
