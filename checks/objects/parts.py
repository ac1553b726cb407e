"""What all objects have in common, and how one is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from checks.decoding import prepared, without_nulls

_T = TypeVar("_T")


class Part(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A part of an object; the API's names are in camel case."""


class OwnerReference(Part, frozen=True):
    """An object to which another belongs; `controller`: it keeps that one."""

    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(Part, frozen=True):
    """What every object says of itself. `uid` "": of what is measured, or was recorded without
    it."""

    name: str
    namespace: str = ""
    uid: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    resource_version: str = ""
    generation: int = 0

    @property
    def controller(self) -> OwnerReference | None:
        """The object that keeps this one; None when nothing does."""
        return next((one for one in self.owner_references if one.controller), None)

    @property
    def controller_uid(self) -> str:
        """The UID of that object, "" when nothing does."""
        return self.controller.uid if self.controller is not None else ""

    @property
    def database_cluster(self) -> str:
        """Name of the CloudNativePG `Cluster` whose operator keeps this one, "" where none does.
        https://cloudnative-pg.io/documentation/current/"""
        return next((one.name for one in self.owner_references if one.kind == "Cluster"), "")


class Named(Protocol):
    """An object, or what was made of one, that has a name in its namespace."""

    @property
    def name(self) -> str:
        """Its name."""


_N = TypeVar("_N", bound=Named)


def named(items: Iterable[_N], name: str) -> _N | None:
    """The one of that name; None when there is none."""
    return next((one for one in items if one.name == name), None)


class Object(Part, frozen=True):
    """Any object."""

    metadata: Metadata

    @property
    def name(self) -> str:
        """Its name in its namespace."""
        return self.metadata.name


prepared(Object)


def read(item: object, kind: type[_T]) -> _T:
    """An object of the API, or a part of one, as its type; a null is how the API's own program
    writes what it has left empty.

    Raises msgspec.ValidationError for what is not as the API promises.
    """
    try:
        return msgspec.convert(item, kind)  # a null is its default, where a type takes one
    except msgspec.ValidationError:
        return msgspec.convert(without_nulls(item), kind)


def metadata(item: Mapping[str, Any]) -> Metadata:
    """What any object says of itself. Raises as `read`."""
    return read(item, Object).metadata


def written(part: Part) -> Any:
    """A part as the API takes it, without what has its default."""
    return msgspec.json.decode(msgspec.json.encode(part))
