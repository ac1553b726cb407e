"""The services of the catalogue: each folder here is one, and describes it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from checks.errors import UsageError

if TYPE_CHECKING:  # the help of a command has the names alone, at once
    from checks.local_sspcloud.services.description import Service


def names() -> Sequence[str]:
    """What each is called in the catalogue: its folder."""
    return sorted(one.name.replace("_", "-") for one in pkgutil.iter_modules(__path__) if one.ispkg)


def find(name: str) -> Service:
    """The service of that name. Raises UsageError."""
    if name not in names():
        raise UsageError(
            f"Le catalogue local n’a pas de « {name} ».", f"Il propose : {', '.join(names())}"
        )
    return _described(name)


def every() -> Sequence[Service]:
    """All of them, by name."""
    return [_described(name) for name in names()]


def of(labels: Mapping[str, str]) -> tuple[Service, str] | None:
    """The service and the release that what bears these labels belongs to."""
    for one in every():
        release = one.release_of(labels)
        if release:
            return one, release
    return None


@cache
def _described(name: str) -> Service:
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    described: Service = module.SERVICE
    return described
