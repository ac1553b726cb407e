"""The stages where the corpus is played."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from checks.access.kubernetes_api import Api
from checks.stage import Person, Stage
from tests.support.classroom import Classroom
from tests.support.kept_people import KeptPeople


@pytest.fixture(scope="module")
def colleagues() -> dict[str, Person]:
    """Who has shared their database, by lab."""
    return {}


@pytest.fixture(scope="module")
def kept(admin: Api, new_resident: Callable[..., Person]) -> KeptPeople | None:
    """Learners who wait for the next case; none where cases are recorded, each in a namespace that
    has seen nothing else."""
    return None if "CAHIER_INSTANTANES" in os.environ else KeptPeople(admin, new_resident)


@pytest.fixture
def stage(
    new_person: Callable[..., Person],
    new_resident: Callable[..., Person],
    colleagues: dict[str, Person],
    kept: KeptPeople | None,
) -> Iterator[Callable[..., Stage]]:
    """Sets the stage of a lab, for one of its cases."""
    classroom = Classroom(new_person, new_resident, colleagues, Stage, kept)
    with classroom.stages_of() as set_up:
        yield set_up
