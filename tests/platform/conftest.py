"""What several tests of the platform set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from checks.lab import find_lab
from checks.stage import Person, Stage


@pytest.fixture
def stages() -> Iterator[Callable[..., Stage]]:
    """Makes stages whose terminals are ended with the test."""
    made: list[Stage] = []

    def make(lab: str, learner: Person, colleague: Person | None = None, **more: Any) -> Stage:
        made.append(Stage(find_lab(lab), learner, colleague, **more))
        return made[-1]

    yield make
    for stage in made:
        stage.close()
