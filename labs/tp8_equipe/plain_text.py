"""Texts of the namespace that anybody who reads it sees: where each one is, and what takes it away
from there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from checks.diagnosis.databases.catalogue import of_release
from checks.facts import LAST_APPLIED, Listing
from checks.lesson import Clause
from checks.objects.parts import Metadata, metadata
from checks.shell import one_word, thing

from . import lessons

_TEMPLATED = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "CronJob",
    "ReplicaSet",
    "ReplicationController",
)
"""Kinds whose variables can be changed in place: what they make is made again."""
_MADE_AGAIN = (*_TEMPLATED, "Pod", "Job", "Event")
"""Kinds that can be made again from what their author keeps, or that count for nothing: they may be
deleted."""
_HISTORY = ("ReplicaSet", "Job", "ControllerRevision")
"""What a controller keeps of its past, templates included."""

_SETTABLE = re.compile(r"[A-Za-z_.-][\w.-]*", re.ASCII)
"""Names of variables that `kubectl set env` takes; the API server takes others too."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, eq=False)
class Item:
    """An object of the namespace. `resource` names its kind for kubectl."""

    kind: str
    resource: str
    raw: Mapping[str, Any] = field(repr=False)

    @cached_property
    def metadata(self) -> Metadata:
        """What it says of itself. `uid` "": it is measured rather than kept, such as the metrics of
        a pod."""
        return metadata(self.raw)

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @property
    def uid(self) -> str:
        """Its UID."""
        return self.metadata.uid

    @property
    def said(self) -> str:
        """It in a French sentence."""
        known = lessons.KINDS.get(self.kind)
        return str(
            lessons.Named(kind=known, name=self.name)
            if known
            else lessons.NamedOfKind(kind=self.kind, name=self.name)
        )

    @property
    def is_history(self) -> bool:
        """Whether a controller has made it and keeps it, whatever becomes of its own template."""
        return self.kind in _HISTORY and self.metadata.controller is not None

    @property
    def is_of_a_service(self) -> bool:
        """Whether Helm made it, for a service of the platform."""
        return self.metadata.labels.get("app.kubernetes.io/managed-by") == "Helm"

    @property
    def is_replaced(self) -> bool:
        """Whether its controller replaces it by itself once its own template is right."""
        return self.kind in ("Pod", "ControllerRevision") and self.metadata.controller is not None


@dataclass(frozen=True)
class Written:
    """A text of an object. `name`: the key, or the variable, that it is the value of; "" where it
    is a key itself."""

    item: Item
    path: Path
    name: str
    text: str = field(repr=False)


def objects_of(listings: Sequence[Listing]) -> Sequence[Item]:
    """The objects of these lists, each once (some are listed under two groups), but those that are
    going."""
    found: dict[object, Item] = {}
    for listing in listings:
        builtin = "." not in listing.resource or listing.resource.endswith(
            (".k8s.io", ".apps", ".batch", ".autoscaling")
        )
        for raw in listing.items or ():
            item = Item(listing.kind, listing.kind.lower() if builtin else listing.resource, raw)
            if not item.metadata.deletion_timestamp:
                found.setdefault(item.uid or (item.resource, item.name), item)
    return list(found.values())


def written(item: Item) -> Iterator[Written]:
    """Every text of an object, keys included, at any depth.

    But for managedFields, which repeat the names of its fields.
    """
    told = {key: value for key, value in item.raw["metadata"].items() if key != "managedFields"}
    yield from _walk(item, {**item.raw, "metadata": told}, (), "")


def _walk(item: Item, value: Any, path: Path, name: str) -> Iterator[Written]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield Written(item, (*path, key), "", key)
            named = (
                str(value["name"]) if key == "value" and isinstance(value.get("name"), str) else key
            )
            yield from _walk(item, inner, (*path, key), named)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for rank, inner in enumerate(value):
            yield from _walk(item, inner, (*path, rank), name)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield Written(item, path, name, str(value))
        # the object as it was applied, with names of its own
        if path[-2:] == (
            "annotations",
            LAST_APPLIED,
        ):
            for inner in _inside(str(value)):
                yield Written(item, path, inner.name, inner.text)


def _inside(text: str) -> Iterator[Written]:
    try:
        content = json.loads(text)
    except ValueError:
        return
    yield from _walk(Item("", "", {"metadata": {}}), content, (), "")


def _box(place: Written) -> tuple[str, Mapping[str, Any], int]:
    """The family, the container and the rest of the path (where it begins) of what is written in a
    container."""
    value: Any = place.item.raw
    for rank, step in enumerate(place.path):
        value = value[step] if isinstance(step, int) or step in value else {}
        if (
            rank
            and place.path[rank - 1] in lessons.BOXES
            and isinstance(step, int)
            and isinstance(value, Mapping)
        ):
            return str(place.path[rank - 1]), value, rank + 1
    return "", {}, 0


def where(place: Written) -> Clause:
    """Words for where a text is, after those for its object."""
    path = place.path
    if path[:2] == ("metadata", "annotations"):
        return lessons.Annotation(
            key="last-applied-configuration" if path[2] == LAST_APPLIED else str(path[2])
        )
    if path[:2] == ("metadata", "labels"):
        return lessons.Label(key=str(path[2]))
    if place.item.kind == "ConfigMap" and path[0] in ("data", "binaryData") and len(path) == 2:
        return lessons.Key(key=str(path[1]))
    family, box, rest = _box(place)
    if not family:
        return lessons.Field(path=_dotted(path), of="")
    of = str(lessons.OfContainer(family=lessons.BOXES[family], name=box.get("name", "")))
    if path[rest] == "env" and path[-1] == "value":
        return lessons.Variable(name=place.name, of=of if family != "containers" else "")
    if path[rest] in ("command", "args"):
        return lessons.Arguments(of=of)
    return lessons.Field(path=_dotted(path[rest:]), of=of)


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(
        "."
    )


def removal(places: Sequence[Written], namespace: str, release: str) -> Sequence[str]:
    """The commands that take these texts of one object away from it, and nothing more where that
    can be.

    None for what only its author can write otherwise, nor for what serves the database itself.
    """
    item = places[0].item
    # an owner may not delete them; their controller does
    if item.kind == "ControllerRevision" and item.is_history:
        owner, forget = item.metadata.controller, one_word('{"spec": {"revisionHistoryLimit": 0}}')
        assert owner is not None
        return [
            f"kubectl patch {thing(owner.kind.lower(), owner.name)} -n {namespace} "
            f"--type=merge -p {forget}"
        ]
    asked = [
        place for place in places if place.path[0] != "status"
    ] or places  # the status repeats the rest
    found = list(dict.fromkeys(_in_place(place, namespace) for place in asked))
    made = item.kind in _MADE_AGAIN or item.raw.get("immutable")
    if "" in found and made and not of_release(item.metadata.labels, release):
        return [
            f"kubectl delete {thing(item.resource, item.name)} -n {namespace} --ignore-not-found"
        ]
    return [command for command in found if command]


def _in_place(place: Written, namespace: str) -> str:
    """The command that takes one text away and leaves the object; "" where there is none."""
    item, path = place.item, place.path
    target, at = thing(item.resource, item.name), f"-n {namespace}"
    if path[:2] in (("metadata", "annotations"), ("metadata", "labels")) and len(path) == 3:
        verb = "annotate" if path[1] == "annotations" else "label"
        return f"kubectl {verb} {target} {at} {one_word(f'{path[2]}-')}"
    if (
        item.kind == "ConfigMap"
        and path[0] in ("data", "binaryData")
        and not item.raw.get("immutable")
    ):
        return f"kubectl patch {target} {at} --type=json -p {_removing(path[:2])}"
    if item.kind not in _TEMPLATED or item.metadata.controller is not None:
        return ""
    if path[-4:-1] == ("template", "metadata", "annotations"):
        return f"kubectl patch {target} {at} --type=json -p {_removing(path)}"
    family, box, rest = _box(place)
    if (
        not family
        or path[rest] != "env"
        or path[-1] != "value"
        or not _SETTABLE.fullmatch(place.name)
    ):
        return ""
    alone = sum(place.name in _variables(other) for other in _boxes(item.raw)) == 1
    only = "" if alone else f"-c {box['name']} "
    return f"kubectl set env {item.resource}/{item.name} {at} {only}{place.name}-"


def _removing(path: Path) -> str:
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return one_word(json.dumps([{"op": "remove", "path": pointer}]))


def _variables(box: Mapping[str, Any]) -> Sequence[str]:
    return [variable["name"] for variable in box.get("env") or ()]


def _boxes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every container of an object."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in lessons.BOXES and isinstance(inner, Sequence):
                yield from inner
            else:
                yield from _boxes(inner)
