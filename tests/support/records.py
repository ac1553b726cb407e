"""What long runs have proven, kept in a JSON file from which the site's tables are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T", bound=msgspec.Struct)


def read(path: Path, kind: type[_T]) -> Sequence[_T]:
    """The proofs of a file; none where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=list[kind]) if path.exists() else []  # type: ignore[valid-type]


def keep(path: Path, proof: _T, place: Callable[[_T], Any]) -> None:
    """Write a proof down, in the place of the one before: `place` tells which that is, and the
    order of them all."""
    others = [one for one in read(path, type(proof)) if place(one) != place(proof)]
    every = sorted([*others, proof], key=place)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(every), indent=1) + b"\n")
