"""The teachers' page on forgeries says what its tests play, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from checks.grading.results import exact
from checks.lab import all_labs, find_lab
from tests.support.forgeries import FORGERIES, REFUSED

PAGE = Path(__file__).parents[3] / "docs/enseignants/contrefacons.md"
_ROW = re.compile(r"^\| `(tp\d+-\w+|tous-\w+)` \|(.*)\|$", re.MULTILINE)
ROWS = {
    name: [cell.strip() for cell in rest.split(" | ")]
    for name, rest in _ROW.findall(PAGE.read_text(encoding="utf-8").replace("\u00a0", " "))
}


def test_each_row_is_a_test_and_each_test_a_row() -> None:
    assert list(ROWS) == [*FORGERIES, *REFUSED]


def test_each_row_tells_the_points_and_the_sentence_of_its_test() -> None:
    for name, forgery in FORGERIES.items():
        _done, points, said = ROWS[name]
        total = sum(exact(check.points) for check in find_lab(forgery.lab).checks)
        assert points == f"{forgery.points} / {total}", name
        assert (forgery.told in said) if forgery.told else said == "rien", name


def test_each_lab_has_a_forgery() -> None:
    assert {one.lab for one in FORGERIES.values()} == {lab.short_name for lab in all_labs()}
