"""What `make upstream` has played, and when: one JSON file, from which the site's table is made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from tests.support import records

FILE = Path(__file__).parent / "record.json"


class Failure(msgspec.Struct, frozen=True):
    """A test that did not pass, and what it said."""

    test: str
    said: str


class Outcome(msgspec.Struct, frozen=True):
    """What the tests of an area came to; those that were not played are counted by their
    reason."""

    passed: int
    failed: tuple[Failure, ...] = ()
    skipped: dict[str, int] = msgspec.field(default_factory=dict)


class Proof(msgspec.Struct, frozen=True):
    """One area, played once on one cluster, whose server tells its version itself."""

    kubernetes: str
    nodes: int
    area: str
    date: date
    minutes: int
    outcome: Outcome


def read(path: Path = FILE) -> Sequence[Proof]:
    """The proofs of a file; none where there is no file."""
    return records.read(path, Proof)


def keep(proof: Proof, order: Sequence[str], path: Path = FILE) -> None:
    """Write a proof down, in the place of the one before of the same area, whatever the version
    that was of: the areas have their order."""
    records.keep(path, proof, lambda one: order.index(one.area))
