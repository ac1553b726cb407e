"""What the teacher chooses about marks: the history, which receipts count, until when, and what was
left to decide."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from checks.errors import UsageError
from checks.french import moment
from checks.grading import decisions
from checks.grading.decisions import Decision
from checks.grading.history import History, default_path
from checks.grading.proven import Policy, Receipts, Recorder, settle
from checks.grading.results import DECISIONS, ClassGrades, Store
from checks.grading.roster import Learner
from checks.grading.story import Story
from checks.lab import Lab
from checks.render.grading import console_of

_DAYS = ("%d/%m/%Y", "%Y-%m-%d")
_HOURS = tuple(f"{day}{between}%H:%M" for day in _DAYS for between in (" ", "T"))


@dataclass
class Marks:
    """From what grading finds to the marks that are written."""

    history: History
    policy: Policy
    decisions: Sequence[Decision] = ()
    story: Story = field(default_factory=Story, init=False)
    """What the report tells of time, once the marks are made."""
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        """Have the history written to."""
        self.recorder = Recorder(self.history)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.history.close()

    def of(
        self,
        grades: ClassGrades,
        learners: Sequence[Learner],
        labs: Sequence[Lab],
        store: Store,
        looked_at: datetime | None = None,
    ) -> ClassGrades:
        """The marks, once all is kept. `looked_at`: when, where it was not kept as it came. Raises
        CahierError."""
        self.recorder.kept(learners, labs, store)
        if looked_at is not None:
            self.recorder.found(grades, looked_at)
        changes = self.history.of_class()
        self.story = Story(changes, self.policy.before)
        settled = settle(grades, learners, labs, changes, self.policy)
        return decisions.apply(settled, self.decisions, learners, labs)


def marks(
    roster: Path,
    folder: Path,
    learners: Sequence[Learner],
    labs: Sequence[Lab],
    *,
    history: Path | None,
    receipts: Receipts,
    before: str | None,
    settled: Path | None,
    recorded: bool,
) -> Marks:
    """What was chosen. `recorded`: the class is graded from snapshots, which have a history of
    their own, or none. Raises CahierError, UsageError."""
    limit = None if before is None else limit_of(before)
    file = settled or folder / DECISIONS
    told = decisions.read(file, labs) if settled or file.is_file() else ()
    _tell_strangers(file, decisions.strangers(told, learners))
    if limit is not None:
        console_of(stderr=True).print(
            f"Ne compte que ce qui était prouvé le {moment(limit)}, d’après l’horloge du cluster."
        )
    return Marks(opened(roster, history, recorded=recorded), Policy(receipts, limit), told)


def _tell_strangers(file: Path, strangers: Mapping[int, str]) -> None:
    """Say which decisions are about nobody of the class."""
    if strangers:
        told = ", ".join(f"ligne {line} : « {name[:60]} »" for line, name in strangers.items())
        console_of(stderr=True).print(
            f"? {file.name} : des décisions nomment une personne qui n’est pas dans la liste de "
            f"classe ({told}). Elles sont gardées, sans effet sur elle ; si le nom est mal écrit, "
            "corrigez-le dans ce fichier, puis relancez.",
            style="yellow",
        )


def opened(roster: Path, given: Path | None, *, recorded: bool = False) -> History:
    """The history of a class: the file that was given, else the one beside its list. Raises
    CahierError."""
    if given is not None:
        return History(given)
    path = default_path(roster)
    if recorded:
        return History(None)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        console_of(stderr=True).print(
            f"? Aucun historique ne peut être gardé dans {path.parent} : ce qui sera retiré plus "
            "tard ne comptera que par les reçus. Donnez un fichier avec --historique.",
            style="yellow",
        )
        return History(None)
    return History(path)


def limit_of(text: str) -> datetime:
    """The moment that a date means, on this machine's clock; a day alone counts to its end. Raises
    UsageError."""
    for shape in (*_HOURS, *_DAYS):
        try:
            found = datetime.strptime(text.strip(), shape)
        except ValueError:
            continue
        whole = timedelta(days=1, seconds=-1) if shape in _DAYS else timedelta(0)
        return (found + whole).astimezone()
    raise UsageError(
        f"« {text} » (--avant) n’est pas une date.",
        "Écrivez par exemple --avant 12/03/2026, ou --avant '12/03/2026 18:00'",
    )
