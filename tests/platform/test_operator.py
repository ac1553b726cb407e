"""The labs on databases that the real operator makes, as on the platform: right answers, mistakes,
and what only an operator does.

A seeded third of the corpus is played; CAHIER_OPERATEUR=0 plays all of it, CAHIER_GRAINE draws
another third.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.lab import Case, Lab, find_lab
from checks.stage import Person
from tests.conftest import people, unused_port
from tests.support import laws, operated
from tests.support.operated import OperatedStage

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

LABS = [find_lab(f"tp{number}") for number in range(3, 9)]
_SHARE = 3


def _drawn(family: str) -> list[tuple[Lab, str]]:
    """A third of each lab's cases."""
    found = []
    for lab in LABS:
        names = sorted(lab.cases(family))  # type: ignore[arg-type]
        if os.environ.get("CAHIER_OPERATEUR") != "0":
            seed = f"{lab.name} {family} {os.environ.get('CAHIER_GRAINE', '')}"
            names = random.Random(seed).sample(names, -(-len(names) // _SHARE))
        found += [(lab, name) for name in sorted(names)]
    return found


MISTAKES, VARIANTS = _drawn("erreurs"), _drawn("variantes")


def _ids(pairs: Sequence[tuple[Lab, str]]) -> list[str]:
    return [f"{lab.short_name}-{name}" for lab, name in pairs]


@pytest.fixture(scope="module")
def operator() -> Iterator[Path]:
    """The kubeconfig of its cluster's administrator."""
    with operated.cluster() as kubeconfig:
        yield kubeconfig


@pytest.fixture(scope="module")
def new_colleague(
    operator: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Person]]:
    """Makes people who stay for all tests."""
    with people(Api(str(operator)), operator, tmp_path_factory) as make:
        yield make


@pytest.fixture
def new_learner(
    operator: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Person]]:
    """Makes people who leave with the test."""
    with people(Api(str(operator)), operator, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="module")
def colleagues() -> dict[str, Person]:
    """Who has shared their database, by lab."""
    return {}


@pytest.fixture
def stage(
    new_learner: Callable[..., Person],
    new_colleague: Callable[..., Person],
    colleagues: dict[str, Person],
) -> Iterator[Callable[..., OperatedStage]]:
    """Sets the stage of a lab, for one of its cases."""
    made = []

    def colleague_of(lab: Lab, case: Case | None) -> Person:
        own = case.colleague_commands if case is not None else ()
        if not own and lab.name in colleagues:
            return colleagues[lab.name]
        colleague = new_learner("c") if own else new_colleague("c")
        commands = own or lab.about.setup.colleague_commands
        OperatedStage(lab, colleague, colleague).run(commands, colleague)
        if not own:
            colleagues[lab.name] = colleague
        return colleague

    def set_up(lab: Lab, case: Case | None = None) -> OperatedStage:
        colleague = None if lab.about.colleague == "none" else colleague_of(lab, case)
        port = unused_port() if lab.about.port else None
        made.append(OperatedStage(lab, new_learner(), colleague, local_port=port))
        made[-1].run(lab.about.setup.commands)
        return made[-1]

    yield set_up
    for one in made:
        one.close()


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
def test_starter_fails_what_it_announces(lab: Lab, stage: Callable[..., OperatedStage]) -> None:
    laws.starter_fails_what_it_announces(stage(lab))


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
def test_solution_passes(lab: Lab, stage: Callable[..., OperatedStage]) -> None:
    laws.solution_passes(stage(lab))


@pytest.mark.parametrize(("lab", "name"), VARIANTS, ids=_ids(VARIANTS))
def test_other_right_answer_passes(
    lab: Lab, name: str, stage: Callable[..., OperatedStage]
) -> None:
    laws.other_right_answer_passes(stage(lab, lab.cases("variantes")[name]), name)


@pytest.mark.parametrize(("lab", "name"), MISTAKES, ids=_ids(MISTAKES))
def test_mistake_is_caught_and_its_remedy_repairs(
    lab: Lab, name: str, stage: Callable[..., OperatedStage], tmp_path: Path
) -> None:
    case = lab.cases("erreurs")[name]
    played = stage(lab, case)
    if case.operated is not None:
        laws.mistake_is_undone(played, name, tmp_path, case.operated)
        return
    verdict = laws.mistake_is_caught(played, name, tmp_path)
    if not case.no_remedy:
        laws.printed_remedies_repair(played, verdict)
