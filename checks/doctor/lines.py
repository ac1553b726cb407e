"""The lines of an examination, in the shape of the contract's JSON (schema 1), and how a question
becomes a line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from checks.errors import EXIT_FAILED, EXIT_PASSED, EXIT_UNVERIFIED, CahierError, ClusterLost
from checks.schema import published
from checks.verdict import Diagnostic, Said

_log = logging.getLogger(__name__)


class State(StrEnum):
    """State of a line: in order, wrong, not decided, or not asked. The words are those of a
    verdict."""

    PASSED = "passed"
    FAILED = "failed"
    UNVERIFIED = "unverified"
    SKIPPED = "skipped"


# Every line there is, in the order in which they are shown: subject, then identifier and French
# title.
SUBJECTS: Mapping[str, Mapping[str, str]] = {
    "Votre installation": {
        "python": "Python et cahier",
        "kubectl": "kubectl",
        "skew": "Écart de versions",
    },
    "Votre configuration": {
        "kubeconfig": "Fichier",
        "context": "Contexte",
        "lifetime": "Durée de validité",
    },
    "Le chemin vers le cluster": {
        "proxy": "Proxy",
        "dns": "Nom (DNS)",
        "tcp": "Connexion (TCP)",
        "tls": "Chiffrement (TLS)",
        "clock": "Heure",
    },
    "Votre place dans le cluster": {
        "identity": "Identité",
        "namespace": "Namespace",
        "rights": "Droits",
        "quota": "Quota",
        "policies": "NetworkPolicy",
    },
    "Votre poste": {
        "ports": "Ports des TP",
        "psql": "Variables de psql",
        "disk": "Disque",
        "engine": "Moteur de conteneurs",
        "kind": "kind",
    },
}
_TITLES = {identifier: title for lines in SUBJECTS.values() for identifier, title in lines.items()}


class Line(Said, frozen=True, kw_only=True):
    """One line. `remedy` and `commands` say how to go on; `cause`, why it matters. Texts are
    French."""

    id: str
    title: str
    status: State
    found: str
    cause: str = ""
    remedy: str = ""
    commands: tuple[str, ...] = ()


class Outcome(Said, frozen=True, kw_only=True):
    """What an examination found: failed when a line is, else unverified when one is, else
    passed."""

    schema: Literal[1] = 1
    status: State
    lines: tuple[Line, ...]

    @property
    def exit_code(self) -> int:
        """0 nothing is wrong, 1 something is, 3 something could not be decided."""
        return {State.PASSED: EXIT_PASSED, State.FAILED: EXIT_FAILED}.get(
            self.status, EXIT_UNVERIFIED
        )

    def line(self, identifier: str) -> Line:
        """The line `identifier`. Raises KeyError when there is no such line."""
        for one in self.lines:
            if one.id == identifier:
                return one
        raise KeyError(identifier)


@dataclass(frozen=True)
class Answer:
    """What a question found: a line without its name."""

    status: State
    found: str
    cause: str = ""
    remedy: str = ""
    commands: tuple[str, ...] = ()


def passed(found: str, remedy: str = "") -> Answer:
    """It is in order; `remedy` is for a case that it may lead to."""
    return Answer(State.PASSED, found, remedy=remedy)


def failed(found: str, remedy: str, *commands: str, cause: str = "") -> Answer:
    """It is wrong."""
    return Answer(State.FAILED, found, cause, remedy, commands)


def unverified(found: str, remedy: str = "") -> Answer:
    """It could not be decided."""
    return Answer(State.UNVERIFIED, found, remedy=remedy)


def skipped(found: str, remedy: str = "", *commands: str) -> Answer:
    """It was not asked, or does not matter here."""
    return Answer(State.SKIPPED, found, remedy=remedy, commands=commands)


def depends_on(identifier: str) -> Answer:
    """It was not asked: another line has to be put right first."""
    return skipped(f"Dépend de « {_TITLES[identifier]} ».")


def wrong(diagnostic: Diagnostic) -> Answer:
    """A check's own diagnostic as an answer."""
    return failed(diagnostic.finding, diagnostic.fix, *diagnostic.commands, cause=diagnostic.cause)


def trouble(error: CahierError, status: State = State.FAILED) -> Answer:
    """A problem with its remedy as an answer: here, the remedy does not send back to this very
    command."""
    return Answer(
        status,
        error.message,
        remedy=error.own_remedy if isinstance(error, ClusterLost) else error.remedy,
    )


def shown(path: Path) -> str:
    """A path as a sentence tells it: short where it is in the home folder."""
    try:
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)


def ask(identifier: str, question: Callable[[], Answer]) -> Line:
    """The line that a question leads to. What breaks, or has no answer in time, is told; nothing is
    raised."""
    try:
        answer = question()
    except TimeoutError:
        answer = unverified("Pas de réponse à temps.", "Relancez la commande dans un instant.")
    except CahierError as error:
        answer = trouble(error, State.UNVERIFIED)
    except Exception as error:
        _log.exception("line %s", identifier)
        answer = unverified(
            f"Le diagnostic lui-même a un problème ({type(error).__name__}: {error}).",
            "Ce n’est pas une erreur de votre part : signalez-le avec la sortie de « cahier "
            "--debug diagnostiquer ».",
        )
    return Line(
        id=identifier,
        title=_TITLES[identifier],
        status=answer.status,
        found=answer.found,
        cause=answer.cause,
        remedy=answer.remedy,
        commands=answer.commands,
    )


def outcome(lines: Sequence[Line]) -> Outcome:
    """The outcome that these lines make; a line that is missing had no answer in time."""
    known = {line.id: line for line in lines}
    everything = tuple(
        known.get(identifier) or ask(identifier, _no_answer) for identifier in _TITLES
    )
    states = {line.status for line in everything}
    worst = next(
        (state for state in (State.FAILED, State.UNVERIFIED) if state in states), State.PASSED
    )
    return Outcome(status=worst, lines=everything)


def _no_answer() -> Answer:
    raise TimeoutError


def to_json(found: Outcome) -> str:
    """JSON of the contract, indented, without escapes for French letters."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def json_schema() -> dict[str, object]:
    """JSON Schema of `diagnostiquer --json`."""
    return published(Outcome, "cahier diagnostiquer --json")
