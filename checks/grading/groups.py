"""Who works with whom, as a column of groups tells it: in a pair each with the other, among three
each with the next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from checks.french import quoted

if TYPE_CHECKING:
    from checks.grading.roster import Learner

AT_WORK = (2, 3)
"""How many people a group has whose members work with each other: a larger one is a class, or a
part of it."""
_SEPARATORS = re.compile(r"\s*[,;|]\s*")


def groups_of(cell: str) -> Sequence[str]:
    """The groups that a cell names; Moodle puts a comma between them."""
    return list(dict.fromkeys(group for group in _SEPARATORS.split(cell.strip()) if group))


def members(learners: Sequence[Learner]) -> Mapping[str, Sequence[Learner]]:
    """The people of each group, in the roster's order; « g1 » and « G1 » are the same."""
    found: dict[str, list[Learner]] = {}
    names: dict[str, str] = {}
    for learner in learners:
        for group in learner.groups:
            name = names.setdefault(group.casefold(), group)
            if learner not in found.setdefault(name, []):
                found[name].append(learner)
    return found


def at_work(learners: Sequence[Learner]) -> Mapping[str, Sequence[Learner]]:
    """The groups whose members work with each other."""
    return {name: them for name, them in members(learners).items() if len(them) in AT_WORK}


def colleagues(learners: Sequence[Learner]) -> tuple[Mapping[int, str], Sequence[tuple[int, str]]]:
    """The colleague's namespace of each line, and what is wrong with a line."""
    found: dict[int, dict[str, str]] = {}
    for group, them in at_work(learners).items():
        for place, learner in enumerate(them):
            following = [*them[place + 1 :], *them[:place]]
            # people of the same project share a namespace: none of them is the other's colleague
            others = (each.namespace for each in following if each.namespace != learner.namespace)
            found.setdefault(learner.line, {})[group] = next(others, "")
    problems = [
        (
            line,
            f"cette personne est dans {len(own)} groupes de deux ou trois, {quoted([*own])} : on "
            "ne sait pas avec qui elle travaille.",
        )
        for line, own in found.items()
        if len({*own.values()}) > 1
    ]
    return {line: next(iter(own.values())) for line, own in found.items()}, problems
