"""How a lab declares its checks: a function whose French docstring is the sentence the learner
sees."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from checks.capabilities import Cluster
from checks.lesson import Wrong

CheckFunction = Callable[[Cluster], Wrong | None]


@dataclass(frozen=True)
class Check:
    """One sentence to prove. `after` names the checks that must have passed before it is asked."""

    function: CheckFunction
    points: float
    after: tuple[Check, ...] = field(default=())

    @property
    def id(self) -> str:
        """Name of the function."""
        return self.function.__name__

    @cached_property
    def title(self) -> str:
        """The sentence the learner sees: the first line of the docstring."""
        return (inspect.getdoc(self.function) or self.id).splitlines()[0]

    @cached_property
    def explanation(self) -> str:
        """What follows the first line of the docstring: how it is proven. May be empty."""
        return "\n".join((inspect.getdoc(self.function) or "").splitlines()[1:]).strip()


class Follows(Exception):
    """Raised by a check whose sentence falls with another that has just failed: it waits for it, as
    with `after`."""

    def __init__(self, other: Check) -> None:
        super().__init__(other.id)
        self.other = other


def verification(
    *, points: float = 1, after: Check | tuple[Check, ...] = ()
) -> Callable[[CheckFunction], Check]:
    """Make a check of a function that returns None when nothing is wrong, else a lesson.

    Any exception is the checker's own trouble, never the learner's failure; `Unverifiable` says
    that the check cannot be decided here. A check never sleeps: the runner asks again.
    """
    before = after if isinstance(after, tuple) else (after,)

    def declare(function: CheckFunction) -> Check:
        return Check(function=function, points=points, after=before)

    return declare
