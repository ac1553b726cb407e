"""The cluster of the operator, its people, and the stages of labs there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.lab import Case, Lab
from checks.stage import Person
from tests.conftest import people, unused_port
from tests.support import operated
from tests.support.operated import OperatedStage


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
