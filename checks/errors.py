"""What can go wrong outside the learner's work, said in French with its remedy."""

from __future__ import annotations

from collections.abc import Sequence

from checks import inert
from checks.redaction import redact
from checks.refusals import Refusal

_EXAMINE = "Pour tout examiner : cahier diagnostiquer"

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNVERIFIED = 3


class CahierError(Exception):
    """A problem shown to the user as one message and one remedy, never as a traceback.

    `message` and `remedy` are French; `exit_code` is one of the contract's.
    """

    exit_code = EXIT_UNVERIFIED

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = inert.lines(redact(message))  # it may quote what another program said
        self.remedy = inert.lines(redact(remedy))
        super().__init__(self.message)


class UsageError(CahierError):
    """The command was called the wrong way: unknown lab, missing option, unknown namespace."""

    exit_code = EXIT_USAGE


class AccessError(CahierError):
    """The cluster cannot be asked: no configuration, refused or expired credentials, silence."""


class ClusterLost(AccessError):
    """The cluster answers nobody any more, or no longer knows who we are: asking again is of no
    use.

    `own_remedy` is the remedy of this very problem; `remedy` also names the command that examines
    everything.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.own_remedy = remedy
        super().__init__(message, f"{remedy}. {_EXAMINE}".removeprefix(". ").replace("..", "."))


class ConfigurationRefused(ClusterLost):
    """kubectl refuses this configuration, and so do we: no request is sent.

    `cause`, `fix` and `commands` are those of a lesson; `remedy` holds the last two.
    """

    def __init__(
        self, message: str, fix: str, commands: Sequence[str] = (), cause: str = ""
    ) -> None:
        super().__init__(message, " ".join((fix, *commands)))
        self.cause = cause
        self.fix = fix
        self.commands = tuple(commands)


class Refused(AccessError):
    """The API server refused one request; `status` is HTTP's (403, 404, 409, 422)."""

    def __init__(self, message: str, remedy: str, status: int) -> None:
        super().__init__(message, remedy)
        self.status = status


class Forbidden(Refused):
    """Our identity lacks a right; `kubeconfig` is the file given with --kubeconfig, None where none
    was."""

    def __init__(self, refusal: Refusal, kubeconfig: str | None) -> None:
        super().__init__(
            f"Le cluster refuse (Forbidden) : {refusal.said}.",
            "Pour voir vos droits : cahier diagnostiquer",
            403,
        )
        self.refusal = refusal
        self.kubeconfig = kubeconfig


class Unverifiable(CahierError):
    """A check cannot be decided here; the message says why."""


class NotPermitted(Unverifiable):
    """The same, for want of a right, which the message names."""
