"""What a run of the benchmark found: one JSON file, from which the table, the picture and the page
are made."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from bench.following import Followed
from bench.measure import Cost

FILE = Path(__file__).parent / "results.json"
"""The results that the site shows."""


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured; `memory` in GiB, `load` the average of the last minute before it
    began."""

    processor: str
    cores: int
    memory: int
    load: float
    python: str
    kubectl: str
    kubernetes: str


class LabResult(msgspec.Struct, frozen=True):
    """One learner, one lab: medians of `runs`. `right`: its solution, else what its starter
    announces as wrong.

    `unpaused`: the script without the seconds that it sleeps.
    """

    lab: str
    title: str
    runs: int
    ours: Cost
    script: Cost
    unpaused: Cost
    right: bool = True


class ClassResult(msgspec.Struct, frozen=True):
    """A class with running pods. `script`: all its validators one after the other, from `measured`
    of them.

    `ours_requests` and `script_requests`: for one learner. `agreed`: of the measured ones, the same
    verdict as ours.
    """

    learners: int
    labs: int
    pods: int
    ours: Cost
    ours_requests: float
    script: Cost
    script_requests: float
    measured: int
    agreed: int


class ScaleResult(msgspec.Struct, frozen=True):
    """`noter` on namespaces where nothing runs; `requests`: for one learner."""

    learners: int
    labs: int
    cost: Cost
    requests: float


class Results(msgspec.Struct, frozen=True):
    """The file. `help`: the median of `cahier --help`. `followed`: classes whose board was open."""

    date: datetime
    machine: Machine
    help: Cost
    labs: tuple[LabResult, ...]
    classroom: ClassResult
    scale: tuple[ScaleResult, ...]
    followed: tuple[Followed, ...] = ()


def read(path: Path = FILE) -> Results:
    """The results of a file."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def write(results: Results, path: Path) -> None:
    """Write them, figures rounded to what they are worth."""
    path.write_bytes(
        msgspec.json.format(msgspec.json.encode(_rounded(msgspec.to_builtins(results))), indent=1)
        + b"\n"
    )


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.3g}") if abs(value) < 100 else round(value)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
