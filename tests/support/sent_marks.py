"""Marks that the tests send to a grade book."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from checks.moodle.platform import Platform
from checks.moodle.sending import Mark, Sender
from checks.moodle.sent import Sent, path_of
from tests.support.grade_book import GradeBook
from tests.support.graded_class import LABS, learner

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
LAB = LABS[0]


def mark(number: int, points: str, minutes: float = 0) -> Mark:
    return Mark(learner(number), LAB, Fraction(points), NOON + timedelta(minutes=minutes))


@contextlib.contextmanager
def sender(
    book: GradeBook, folder: Path, *, replace: bool = False, people: int = 3
) -> Iterator[Sender]:
    """What sends the marks of so many people, from the files of a folder."""
    with Sent(path_of(folder / "classe.csv"), book.link.line_items) as sent:
        yield Sender(Platform(book.link), sent, book.users(people), replace=replace)
