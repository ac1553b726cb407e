"""The verdict: what a check found, in the shape of the contract's JSON (schema 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import msgspec

from checks import inert
from checks.errors import EXIT_FAILED, EXIT_PASSED, EXIT_UNVERIFIED
from checks.redaction import redact
from checks.schema import published


class Status(StrEnum):
    """State of a check, or of a whole lab."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNVERIFIED = "unverified"
    ERROR = "error"

    @property
    def symbol(self) -> str:
        """The one character that shows it, wherever a verdict is drawn."""
        return _SYMBOLS[self]

    @property
    def words(self) -> str:
        """What the character says, for whoever hears it."""
        return _WORDS[self]


_SYMBOLS = {
    Status.PASSED: "✔",
    Status.FAILED: "✘",
    Status.SKIPPED: "·",
    Status.UNVERIFIED: "?",
    Status.ERROR: "!",
}
_WORDS = {
    Status.PASSED: "juste",
    Status.FAILED: "faux",
    Status.SKIPPED: "pas regardé",
    Status.UNVERIFIED: "non vérifiable d’ici",
    Status.ERROR: "problème du vérificateur",
}


@dataclass(frozen=True)
class Diagnostic:
    """What is wrong, why it matters, where to look, and the remedy. All texts are French.

    `lines` are YAML, for a file of the learner's: a comment says where (`# proxy.yaml, conteneur «
    socat »`). `commands` run as they are in a shell, with no question asked. `transient` marks a
    state that may settle by itself (an image being pulled): the runner looks again until its
    deadline.
    """

    finding: str
    cause: str
    fix: str
    commands: Sequence[str] = ()
    look: Sequence[str] = ()
    lines: Sequence[str] = ()
    transient: bool = False

    def __post_init__(self) -> None:
        """What is quoted, of an object of the namespace or of another program, is made fit to be
        said."""
        commands, look = (
            inert.commands([redact(one) for one in given]) for given in (self.commands, self.look)
        )
        fix = self.fix
        left = len(self.commands) - len(commands)
        if left:
            fix = (
                f"{fix} (Il y en a {left} de plus : exécutez celles-ci, puis relancez la "
                "vérification.)"
            )
        for name, text in {"finding": self.finding, "cause": self.cause, "fix": fix}.items():
            object.__setattr__(self, name, inert.line(redact(text)))
        object.__setattr__(self, "commands", commands)
        object.__setattr__(self, "look", look)
        object.__setattr__(self, "lines", inert.file_lines([redact(one) for one in self.lines]))


class Said(msgspec.Struct, frozen=True):
    """What renderers are given: its texts are inert, and each on one line, whoever made it (also a
    file)."""

    def __post_init__(self) -> None:
        """Make every text inert."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is str:
                fit: object = inert.line(value)
            elif name.endswith("commands"):
                fit = inert.commands(value)
            elif name == "fix_lines":
                fit = inert.file_lines(value)
            else:
                continue
            if fit is not value:  # of equal texts, a class keeps one
                msgspec.structs.force_setattr(self, name, fit)


class CheckResult(Said, frozen=True, kw_only=True):
    """One check of a verdict."""

    id: str
    title: str
    status: Status
    points: float
    points_max: float
    finding: str = ""
    cause: str = ""
    fix: str = ""
    fix_lines: tuple[str, ...] = ()
    fix_commands: tuple[str, ...] = ()
    duration_ms: int = 0


class Verdict(Said, frozen=True, kw_only=True):
    """The verdict of one lab for one learner."""

    schema: Literal[1] = 1
    lab: str
    namespace: str
    user: str
    status: Status
    points: float
    points_max: float
    checks: tuple[CheckResult, ...]

    @property
    def exit_code(self) -> int:
        """Exit code of the contract for this verdict."""
        return {Status.PASSED: EXIT_PASSED, Status.FAILED: EXIT_FAILED}.get(
            self.status, EXIT_UNVERIFIED
        )

    @property
    def statuses(self) -> Mapping[str, Status]:
        """Status of each check, in the order of the sentences."""
        return {result.id: result.status for result in self.checks}

    def check(self, identifier: str) -> CheckResult:
        """Result of the check `identifier`. Raises KeyError when the lab has no such check."""
        for result in self.checks:
            if result.id == identifier:
                return result
        raise KeyError(identifier)


def overall(statuses: Sequence[Status]) -> Status:
    """Status of a lab whose checks have these statuses: failed, else error, else unverified, else
    passed."""
    for status in (Status.FAILED, Status.ERROR, Status.UNVERIFIED):
        if status in statuses:
            return status
    # A skipped check always follows another that is not passed.
    return Status.PASSED


def only_remedy(verdict: Verdict, remedy: str) -> Verdict:
    """The same verdict, where nothing but `remedy` can put right what is not."""
    checks = tuple(
        msgspec.structs.replace(result, fix=remedy, fix_lines=(), fix_commands=())
        if result.status in (Status.FAILED, Status.UNVERIFIED)
        else result
        for result in verdict.checks
    )
    return msgspec.structs.replace(verdict, checks=checks)


def to_json(verdict: Verdict) -> str:
    """JSON of the contract, indented, without escapes for French letters."""
    return msgspec.json.format(msgspec.json.encode(verdict), indent=2).decode()


def json_schema() -> dict[str, object]:
    """JSON Schema of `verifier --json`."""
    return published(Verdict, "cahier verifier --json")
