"""The laws, over every lab, on the real cluster: starters fail as announced, right answers pass,
mistakes are caught for their own reason, and printed remedies repair."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from checks.lab import Family, Lab, all_labs
from checks.stage import Stage
from checks.verdict import Verdict
from tests.support import findings, laws, operated, recorded
from tests.support.drawn_path import agrees

pytestmark = pytest.mark.cluster

LABS = list(all_labs())


def _played(family: Family) -> list[tuple[Lab, str]]:
    """A whole run plays each case once: here, or on the bases of the real operator."""
    return [
        (lab, name)
        for lab in LABS
        for name in lab.cases(family)
        if name not in operated.left_to_it(lab, family)
    ]


MISTAKES, VARIANTS = _played("erreurs"), _played("variantes")


def _ids(pairs: list[tuple[Lab, str]]) -> list[str]:
    return [f"{lab.short_name}-{name}" for lab, name in pairs]


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
def test_starter_fails_what_it_announces(lab: Lab, stage: Callable[..., Stage]) -> None:
    laws.starter_fails_what_it_announces(stage(lab))


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
def test_solution_passes(lab: Lab, stage: Callable[..., Stage]) -> None:
    laws.solution_passes(stage(lab))


@pytest.mark.parametrize(("lab", "name"), VARIANTS, ids=_ids(VARIANTS))
def test_other_right_answer_passes(lab: Lab, name: str, stage: Callable[..., Stage]) -> None:
    played = stage(lab, lab.cases("variantes")[name], lab.case_files("variantes", name))
    verdict = laws.other_right_answer_passes(played, name)
    if "CAHIER_INSTANTANES" in os.environ:
        recorded.keep(played, f"variantes/{name}", msgspec.convert(verdict, Verdict))


@pytest.mark.parametrize(("lab", "name"), MISTAKES, ids=_ids(MISTAKES))
def test_mistake_is_caught_and_its_remedy_repairs(
    lab: Lab, name: str, stage: Callable[..., Stage], tmp_path: Path
) -> None:
    case = lab.cases("erreurs")[name]
    played = stage(lab, case, lab.case_files("erreurs", name))
    verdict = laws.mistake_is_caught(played, name, tmp_path)
    agrees(lab, msgspec.convert(verdict, Verdict))
    text = findings.written(played, laws.first_failed(verdict))
    kept = findings.path(lab, name)
    if "CAHIER_CONSTATS" in os.environ:
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8"), (
        "another lesson than the one reviewed: make findings"
    )
    if "CAHIER_INSTANTANES" in os.environ:
        recorded.keep(played, f"erreurs/{name}", msgspec.convert(verdict, Verdict))
    elif not case.no_remedy:
        laws.printed_remedies_repair(played, verdict)
