"""The labs on databases that the real operator makes, as on the platform: right answers, mistakes,
and what only an operator does.

A seeded third of the corpus is played; CAHIER_OPERATEUR=0 plays all of it, CAHIER_GRAINE draws
another third.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from checks.lab import Lab
from tests.support import laws, operated
from tests.support.operated import OperatedStage

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

LABS = operated.LABS
MISTAKES = [(lab, name) for lab in LABS for name in operated.drawn(lab, "erreurs")]
VARIANTS = [(lab, name) for lab in LABS for name in operated.drawn(lab, "variantes")]


def _ids(pairs: Sequence[tuple[Lab, str]]) -> list[str]:
    return [f"{lab.short_name}-{name}" for lab, name in pairs]


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
