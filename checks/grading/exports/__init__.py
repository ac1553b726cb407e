"""What a class's grades become: files for Moodle, a spreadsheet, programs, the teacher and each
learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from checks.files import write_atomically
from checks.grading import results
from checks.grading.exports import feedback, junit, moodle, report, spreadsheet
from checks.grading.story import Story
from checks.lab import Hop

Paths = Mapping[str, Sequence[Hop]]
"""The drawn path of each lab, by the lab's name."""


def write_all(
    folder: Path,
    grades: results.ClassGrades,
    paths: Paths,
    story: Story | None = None,
    site: str = "",
) -> None:
    """Write every export below `folder`; the same grades and story make the same bytes. `site`: the
    address of the workbook's own pages, "" where it is not known."""
    write_atomically(folder / "notes.json", results.to_json(grades))
    write_atomically(folder / "notes-moodle.csv", moodle.render(grades))
    write_atomically(folder / "notes-tableur.csv", spreadsheet.render(grades))
    write_atomically(folder / "junit.xml", junit.render(grades))
    for learner in grades.learners:
        page = feedback.render(grades, learner, paths)
        write_atomically(folder / "retours" / f"{learner.identifier}.html", page)
    write_atomically(folder / "rapport.html", report.render(grades, paths, story, site))
