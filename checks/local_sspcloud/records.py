"""What is written down about the local cluster, beside its kubeconfigs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from checks.places import folder, write_private


class Record(msgspec.Struct):
    """What is written down about the cluster. `complete` false: its making was cut short."""

    engine: str
    nodes: int
    image: str = ""
    complete: bool = False
    created: str = ""
    recipe: str = ""
    image_key: str = ""
    """What its configuration and its image were made from; "" when unknown, or not ours."""


def load() -> Record | None:
    """The record; None where there is none that can be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(_file().read_bytes(), type=Record)
    return None


def save(record: Record) -> None:
    """Keep it."""
    write_private(_file(), msgspec.json.encode(record).decode())


def _file() -> Path:
    return folder() / "cluster.json"
