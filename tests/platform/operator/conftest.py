"""The cluster of the operator, its people, and the stages of labs there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.stage import Person
from tests.conftest import people
from tests.support import operated
from tests.support.classroom import Classroom
from tests.support.kept_people import KeptPeople
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
def kept(operator: Path, new_colleague: Callable[..., Person]) -> KeptPeople:
    """Learners who wait for the next case: a database of the operator's takes eleven seconds of
    processor."""
    return KeptPeople(Api(str(operator)), new_colleague)


@pytest.fixture(scope="module")
def colleagues() -> dict[str, Person]:
    """Who has shared their database, by lab."""
    return {}


@pytest.fixture
def stage(
    new_learner: Callable[..., Person],
    new_colleague: Callable[..., Person],
    colleagues: dict[str, Person],
    kept: KeptPeople,
) -> Iterator[Callable[..., OperatedStage]]:
    """Sets the stage of a lab, for one of its cases."""
    classroom = Classroom(new_learner, new_colleague, colleagues, OperatedStage, kept)
    with classroom.stages_of() as set_up:
        yield set_up
