"""What an API server serves: every resource of every group, custom ones included, in the version
that it prefers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from checks.access import answers
from checks.access.kubernetes_api import Api
from checks.decoding import prepared

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
class Subresource:
    """What hangs on an object, such as the log of a pod, and what may be done with it."""

    name: str
    verbs: tuple[str, ...]


@dataclass(frozen=True)
class Resource:
    """A kind of objects. `name` is the plural of paths; `group` "": the core's."""

    group: str
    version: str
    name: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    subresources: tuple[Subresource, ...] = ()

    @property
    def dotted(self) -> str:
        """Its name for RBAC and for kubectl, such as cronjobs.batch."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def parts(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Itself and its subresources, under their names for RBAC ("pods/log"), with their
        verbs."""
        yield self.name, self.verbs
        yield from ((f"{self.name}/{one.name}", one.verbs) for one in self.subresources)

    def path(self, namespace: str) -> str:
        """Path of the objects of this kind: those of a namespace, where they belong to one."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return (
            f"{root}/namespaces/{namespace}/{self.name}"
            if self.namespaced
            else f"{root}/{self.name}"
        )


# -- https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery, and what cam


class _Kind(msgspec.Struct, frozen=True):
    kind: str = ""


class _ServedSubresource(msgspec.Struct):
    subresource: str
    verbs: tuple[str, ...] = ()


class _ServedResource(msgspec.Struct):
    resource: str
    scope: str
    verbs: tuple[str, ...] = ()
    responseKind: _Kind = _Kind()  # noqa: N815 (the API's own names)
    subresources: list[_ServedSubresource] = []


class _ServedVersion(msgspec.Struct):
    version: str
    resources: list[_ServedResource] = []


class _Name(msgspec.Struct):
    name: str = ""


class _ServedGroup(msgspec.Struct):
    metadata: _Name
    versions: list[_ServedVersion] = []


class _Aggregated(msgspec.Struct):
    items: list[_ServedGroup]


class _GroupVersion(msgspec.Struct):
    groupVersion: str  # noqa: N815


class _Group(msgspec.Struct):
    versions: list[_GroupVersion]
    """The preferred one first."""


class _Groups(msgspec.Struct):
    groups: list[_Group] = []
    versions: list[str] = []
    """Of the core group."""


class _Listed(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]


class _OfVersion(msgspec.Struct):
    resources: list[_Listed]


prepared(_Aggregated, _Groups, _OfVersion)


def served(api: Api) -> Sequence[Resource]:
    """Every resource. Raises as `Api.request`."""
    found: list[Resource] = []
    for root in ("/api", "/apis"):
        answer = api.request("GET", root, accept=_ACCEPT)
        if answer.get("kind") == "APIGroupDiscoveryList":
            found += _aggregated(answers.shaped(answer, _Aggregated, api.server))
        else:
            found += _one_by_one(api, root, answers.shaped(answer, _Groups, api.server))
    return found


def _aggregated(answer: _Aggregated) -> Iterator[Resource]:
    for group in answer.items:
        known: set[str] = set()
        for (
            version
        ) in group.versions:  # the preferred one first; an older one may alone have a resource
            for one in version.resources:
                if one.resource in known:
                    continue
                known.add(one.resource)
                yield Resource(
                    group=group.metadata.name,
                    version=version.version,
                    name=one.resource,
                    kind=one.responseKind.kind,
                    namespaced=one.scope == "Namespaced",
                    verbs=one.verbs,
                    subresources=tuple(
                        Subresource(each.subresource, each.verbs) for each in one.subresources
                    ),
                )


def _one_by_one(api: Api, root: str, answer: _Groups) -> Iterator[Resource]:
    """The same, of a server that tells each version of each group apart."""
    known: set[str] = set()
    for place in [
        *answer.versions,
        *(version.groupVersion for group in answer.groups for version in group.versions),
    ]:
        group, _, version = place.rpartition("/")
        listed = api.ask(f"{root}/{place}", _OfVersion).resources
        for one in listed:
            found = Resource(
                group,
                version,
                one.name,
                one.kind,
                one.namespaced,
                one.verbs,
                _below(one.name, listed),
            )
            if "/" not in one.name and found.dotted not in known:
                known.add(found.dotted)
                yield found


def _below(name: str, listed: Sequence[_Listed]) -> tuple[Subresource, ...]:
    start = f"{name}/"
    return tuple(
        Subresource(each.name.removeprefix(start), each.verbs)
        for each in listed
        if each.name.startswith(start)
    )
