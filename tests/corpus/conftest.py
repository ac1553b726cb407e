"""The stages where the corpus is played."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from checks.stage import Person, Stage
from tests.support.classroom import Classroom


@pytest.fixture(scope="module")
def colleagues() -> dict[str, Person]:
    """Who has shared their database, by lab."""
    return {}


@pytest.fixture
def classroom(
    new_person: Callable[..., Person],
    new_resident: Callable[..., Person],
    colleagues: dict[str, Person],
) -> Classroom[Stage]:
    return Classroom(new_person, new_resident, colleagues, Stage)


@pytest.fixture
def close_after() -> Iterator[Callable[[Stage], Stage]]:
    """Ends a stage's terminals."""
    stages: list[Stage] = []

    def keep(stage: Stage) -> Stage:
        stages.append(stage)
        return stage

    yield keep
    for stage in stages:
        stage.close()
