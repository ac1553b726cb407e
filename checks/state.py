"""What the workbook remembers on this machine: progress and hints already read, per cluster and
namespace."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import msgspec
import platformdirs

from checks.files import write_atomically
from checks.verdict import Status, Verdict

_ENFORCEMENT_HOLDS = 300.0  # seconds


def folder() -> Path:
    """The user's state folder; CAHIER_ETAT moves it elsewhere."""
    moved = os.environ.get("CAHIER_ETAT")
    return (
        Path(moved) if moved else platformdirs.user_state_path("cahier-kubernetes", appauthor=False)
    )


def move_elsewhere() -> str:
    """The command that has the folder of this terminal in a place that can be written."""
    import tempfile

    return f"export CAHIER_ETAT={Path(tempfile.gettempdir(), 'cahier-etat')}"


class LastOptions(msgspec.Struct, frozen=True):
    """Whom, where and on which database a lab was last verified; nothing and 0 where nothing was
    given or seen."""

    colleagues: tuple[str, ...] = ()
    colleague_users: tuple[str, ...] = ()
    port: int = 0
    database: str = ""


class LabProgress(msgspec.Struct):
    """How far one lab is: last status and points, the best so far and when (epoch), hints read for
    each check."""

    status: str = ""
    points: float = 0
    points_max: float = 0
    best: float = 0
    done: float = 0
    """When it was last wholly right; 0 for never. What is lost later does not undo it."""
    begun: str = ""
    """Folder where its files were copied."""
    hints: dict[str, int] = {}
    options: LastOptions = LastOptions()


class Memory(msgspec.Struct):
    """Progress of every place (`SERVER NAMESPACE`), by lab; clusters seen to enforce policies, and
    when (epoch)."""

    places: dict[str, dict[str, LabProgress]] = {}
    enforcing: dict[str, float] = {}

    def lab(self, place: str, name: str) -> LabProgress:
        """Progress of a lab, made when missing."""
        return self.places.setdefault(place, {}).setdefault(name, LabProgress())


def _file() -> Path:
    return folder() / "progression.json"


def load() -> Memory:
    """What was remembered; an unreadable file counts as nothing remembered."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(_file().read_bytes(), type=Memory)
    return Memory()


def save(memory: Memory) -> None:
    """Write the memory at once or not at all. A read-only home is no reason to fail a check."""
    with contextlib.suppress(OSError):
        write_atomically(_file(), msgspec.json.encode(memory))


def remember(place: str, verdict: Verdict, options: LastOptions) -> None:
    """Note a verdict, and what it was asked with."""
    memory = load()
    progress = memory.lab(place, verdict.lab)
    progress.options = options
    progress.status = verdict.status.value
    progress.points = verdict.points
    progress.points_max = verdict.points_max
    progress.best = max(progress.best, verdict.points)
    if verdict.status is Status.PASSED:
        progress.hints = {}
        progress.done = time.time()
    save(memory)


def place_at(server: str, namespace: str) -> str:
    """Where progress is remembered for: the cluster's address and the namespace."""
    return f"{server} {namespace}"


def forget(place: str) -> None:
    """Remember nothing of somebody who is no longer: another of the same name begins anew."""
    memory = load()
    if memory.places.pop(place, None) is not None:
        save(memory)


def remember_folder(place: str, lab: str, copied: Path) -> None:
    """Note where the files of a lab were copied."""
    memory = load()
    memory.lab(place, lab).begun = str(copied)
    save(memory)


def last_options(place: str, lab: str) -> LastOptions:
    """What a lab was last verified with there; where it never was, the first colleague of another
    lab."""
    labs = load().places.get(place, {})
    own = labs[lab].options if lab in labs else LastOptions()
    others = [each.options for each in labs.values() if each.options.colleagues]
    if own.colleagues or not others:
        return own
    return LastOptions(others[-1].colleagues[:1], others[-1].colleague_users[:1], own.port)


def enforcement_seen(cluster: str) -> bool:
    """Whether `cluster` was seen to enforce NetworkPolicies a moment ago: the control experiment
    takes seconds."""
    return time.time() - load().enforcing.get(cluster, 0) < _ENFORCEMENT_HOLDS


def remember_enforcement(cluster: str) -> None:
    """Note that `cluster` enforces NetworkPolicies now. A cluster that does not is tried again each
    time."""
    memory = load()
    memory.enforcing = {cluster: time.time()}
    save(memory)
