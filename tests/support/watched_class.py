"""A class on a pretend cluster that is watched, and what its people do there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from checks.access.kubernetes_api import Api
from checks.board.board import Board, Known, OnGrades
from checks.board.pace import Pace
from checks.board.standing import Row
from checks.grading.roster import Learner
from checks.lab import Lab, find_lab
from tests.support.watched_api import WatchedApi

LABS = [find_lab("tp2"), find_lab("tp3")]
SEEN = 20.0  # seconds, on a busy machine


def learners(names: Sequence[str]) -> Sequence[Learner]:
    """People of these names, each the colleague of the one before."""
    following = [*names[1:], *names[:1]]
    return [
        Learner(name, name.title(), "Zoé", f"{name}@exemple.fr", f"user-{name}", f"user-{other}", n)
        for n, (name, other) in enumerate(zip(names, following, strict=True), 2)
    ]


@contextlib.contextmanager
def board_of(
    api: WatchedApi,
    folder: Path,
    people: Sequence[Learner],
    labs: Sequence[Lab] = LABS,
    on_grades: OnGrades = lambda learner, grades, at: None,
    known: Known = lambda learner, grade, check: None,
) -> Iterator[Board]:
    """The board of a class, once everybody has been looked at."""
    pace = Pace()
    own = Api(str(api.kubeconfig(folder / "prof.kubeconfig")), without_secrets=True, pace=pace)
    with Board(own, pace, people, labs, on_grades, known) as board:
        wait_for(lambda: board.news(0).judged == len(people), SEEN + len(people))
        yield board


def wait_for(holds: Callable[[], bool], seconds: float = SEEN) -> float:
    """Wait until it holds; for how long."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds, "it never came"
        time.sleep(0.01)
    return time.monotonic() - began


def row(board: Board, name: str) -> Row:
    """Somebody's line of the board."""
    return next(one for one in board.news(0).rows if one.id == name)


def pod(name: str, *, ready: bool = True, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A pod that runs the API of lab 2, ready or not."""
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    return {
        "metadata": {"name": name, "labels": {"app": "mon-api"} if labels is None else labels},
        "spec": {"containers": [{"name": "api", "image": "python:3.13-alpine"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {"name": "api", "ready": ready, "restartCount": 0, "state": state}
            ],
        },
    }
