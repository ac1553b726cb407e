"""The class that tests/platform/test_marks_outlive_cleaning.py plays: nobody is left out of what it
draws, and no page of what it cleans up."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.lab import Lab, all_labs
from checks.stage import Person
from tests.support import course

PEOPLE = [Person(f"user-p{number}", Path("kubeconfig")) for number in range(course.GROUP)]


@pytest.mark.parametrize("seed", ["", "7"])
def test_each_lab_is_done_and_each_way_comes(seed: str) -> None:
    pupils = course.group(PEOPLE, seed)
    assert {name for one in pupils for name in one.ways} == {lab.name for lab in all_labs()}
    assert {way for one in pupils for way in one.ways.values()} == {
        "right",
        "wrong",
        "unseen",
        "skipped",
    }
    again = course.group(PEOPLE, seed)
    assert [one.ways for one in again] == [one.ways for one in pupils]
    assert [one.answers for one in again] == [one.answers for one in pupils]


@pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.short_name)
def test_each_page_says_how_it_is_cleaned_up(lab: Lab) -> None:
    typed = course.cleaning(lab)
    assert typed
    assert (f"cahier nettoyer {lab.short_name}" in typed) is bool(lab.files("solution"))
