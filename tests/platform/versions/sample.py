"""The cases that are played on every version, as tests of tests/corpus/test_corpus.py."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from checks.lab import Family, Lab, all_labs
from tests.platform.versions.record import Count

_EACH: Mapping[Family, int] = {"variantes": 2, "erreurs": 4}
"""How many of each lab's cases are drawn; all starters and solutions are played."""
_FILE = "tests/corpus/test_corpus.py"
_TESTS = {
    "départs": "test_starter_fails_what_it_announces",
    "solutions": "test_solution_passes",
    "variantes": "test_other_right_answer_passes",
    "erreurs": "test_mistake_is_caught_and_its_remedy_repairs",
}


def drawn(seed: str) -> Mapping[str, Sequence[str]]:
    """Of each sort, the cases: the lab's short name, and that of the case where there are
    several."""
    labs = all_labs()
    cases: dict[str, Sequence[str]] = {
        sort: [lab.short_name for lab in labs] for sort in ("départs", "solutions")
    }
    for family in _EACH:
        cases[family] = [case for lab in labs for case in _some(lab, family, seed)]
    return cases


def _some(lab: Lab, family: Family, seed: str) -> Sequence[str]:
    names = sorted(lab.cases(family))
    chosen = random.Random(f"{lab.name} {family} {seed}").sample(
        names, min(_EACH[family], len(names))
    )
    return [f"{lab.short_name}-{name}" for name in sorted(chosen)]


def tests(cases: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """What pytest is to be given to play them."""
    return [f"{_FILE}::{name(sort, case)}" for sort, those in cases.items() for case in those]


def name(sort: str, case: str) -> str:
    """How pytest calls the test of a case."""
    return f"{_TESTS[sort]}[{case}]"


def counts(cases: Mapping[str, Sequence[str]]) -> dict[str, Count]:
    """How many are drawn, of how many."""
    labs = all_labs()
    there: dict[str, int] = {"départs": len(labs), "solutions": len(labs)}
    for family in _EACH:
        there[family] = sum(len(lab.cases(family)) for lab in labs)
    return {sort: Count(len(those), there[sort]) for sort, those in cases.items()}
