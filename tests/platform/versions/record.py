"""What `make versions` has proven, and when: one JSON file, from which the site's table is made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from tests.support import records

FILE = Path(__file__).parent / "record.json"
OURS = "engine/go/network"
"""What enforces NetworkPolicies in the engine's clusters: their pod network."""


class Count(msgspec.Struct, frozen=True):
    """Cases of one sort: those that were played, of those that there were."""

    played: int
    of: int


class Difference(msgspec.Struct, frozen=True):
    """A case that did not come out as it does on our own version, and what it said."""

    case: str
    said: str


class Proof(msgspec.Struct, frozen=True):
    """One run, on one cluster. Versions are those that the server and kubectl tell of
    themselves; `seed` draws the same cases again."""

    kubernetes: str
    kubectl: str
    enforcer: str
    date: date
    seed: str
    counts: dict[str, Count]
    differences: tuple[Difference, ...] = ()

    @property
    def cluster(self) -> tuple[list[int], str]:
        """What another run on the same versions replaces, in the order of the versions."""
        return [int(part) for part in self.kubernetes[1:].split(".")], self.enforcer


def read(path: Path = FILE) -> Sequence[Proof]:
    """The proofs of a file; none where there is no file."""
    return records.read(path, Proof)


def keep(proof: Proof, path: Path = FILE) -> None:
    """Write a proof down, in the place of the one before on the same cluster."""
    records.keep(path, proof, lambda one: one.cluster)
