"""What the board's pod is told, and what it keeps: where the teacher's command and the pod
agree."""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from checks.decoding import prepared
from checks.grading.history import Change
from checks.grading.in_cluster.order import digest
from checks.grading.roster import Learner
from checks.lab import Lab

TOKEN = "mot"  # the Secret's key for the word of the address
HISTORY = "historique"  # the ConfigMap's key for what was proven
PORT = 8765
"""Where the pod listens, on its own loopback: nothing but a port-forward comes there."""


class Order(msgspec.Struct, frozen=True):
    """A class to watch. Addresses stay with the teacher; the names are what the page shows."""

    title: str
    code: str
    """Digest of the program that asks: an image of another version might judge otherwise."""
    labs: tuple[str, ...]
    learners: tuple[Learner, ...]


def order_of(title: str, learners: Sequence[Learner], labs: Sequence[Lab]) -> Order:
    """The order to watch these people."""
    return Order(
        title,
        digest(),
        tuple(lab.name for lab in labs),
        tuple(replace(one, email="", line=0) for one in learners),
    )


def pack(changes: Iterable[Change]) -> bytes:
    """What a history keeps, small: some twenty bytes a change, of the million that a ConfigMap
    holds."""
    return lzma.compress(msgspec.json.encode([*changes]), preset=1)


def unpack(packed: bytes) -> Sequence[Change]:
    """What was packed."""
    return _CHANGES.decode(lzma.decompress(packed))


_CHANGES = msgspec.json.Decoder(list[Change])
prepared(Order)
