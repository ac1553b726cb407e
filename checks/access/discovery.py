"""The kinds of object that an API server knows: one request, in the form that kubectl asks for first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checks.access.kubernetes_api import Api
from checks.errors import Unverifiable

_ALL = ",".join(f"application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList" for v in ("v2", "v2beta1"))


@dataclass(frozen=True)
class ServedKind:
    """A kind, by one of the versions that serve it. `resource` is its name in paths."""

    kind: str
    group: str
    version: str
    resource: str
    namespaced: bool

    def path(self, namespace: str) -> str:
        """Path of its objects, those of one namespace where it has any."""
        place = f"namespaces/{namespace}/" if self.namespaced else ""
        return f"/apis/{self.group}/{self.version}/{place}{self.resource}"


def served_kinds(api: Api) -> Iterator[ServedKind]:
    """Every kind of every group but the core one, in its preferred version. Raises AccessError, Unverifiable."""
    answer = api.request("GET", "/apis", accept=f"{_ALL},application/json")
    if answer.get("kind") != "APIGroupDiscoveryList":
        raise Unverifiable(
            "Ce serveur d’API ne dit pas quels genres d’objets il connaît : il est trop ancien.",
            "Demandez à la personne qui administre le cluster quelles policies de réseau y sont appliquées.",
        )
    for group in answer["items"]:
        for version in group["versions"][:1]:
            for one in version.get("resources") or ():
                yield ServedKind(
                    kind=one["responseKind"]["kind"],
                    group=group["metadata"]["name"],
                    version=version["version"],
                    resource=one["resource"],
                    namespaced=one["scope"] == "Namespaced",
                )
