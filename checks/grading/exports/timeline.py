"""When each lab was reached: the moments of the receipts that count and of what the history has
seen, drawn over the days that have some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from math import ceil

from checks.grading.results import ClassGrades, LabInfo

_MARGIN = 0.06  # of a day's width, on each side
_COLUMNS = 60  # of the whole line: moments that share one are drawn one above the other
_HEIGHT = 34.0  # pixels, for the dots of a lane
_STEP = (
    9.0  # pixels between two dots of a column, less where the columns would be higher than the lane
)
_WITH_HOURS = 3  # days at most whose hours there is room for
_LABELS = 6  # days at most whose date there is room for


@dataclass(frozen=True)
class Day:
    """A day that has moments, as wide on the line as each other one. `date` is "" where there is no
    room for it."""

    date: str
    hours: str


@dataclass(frozen=True)
class Dot:
    """The moment of one person. `left`: percent of the line; `bottom`: pixels."""

    person: str
    words: str
    left: float
    bottom: float


@dataclass(frozen=True)
class Lane:
    """One lab."""

    short_name: str
    title: str
    dots: Sequence[Dot]


@dataclass(frozen=True)
class Row:
    """One person: the moment of each lane's lab, "" where there is none."""

    person: str
    name: str
    moments: Sequence[str]


@dataclass(frozen=True)
class Timeline:
    """The moments of a class, in this machine's time. `without`: labs that have none."""

    days: Sequence[Day]
    lanes: Sequence[Lane]
    rows: Sequence[Row]
    without: Sequence[str]


def timeline(grades: ClassGrades) -> Timeline:
    """The time line of a class, which tells nothing of when it was graded."""
    moments = {
        (learner.identifier, lab.lab): when.astimezone()
        for learner in grades.learners
        for lab in learner.labs
        if (when := lab.proven if Fraction(lab.points) and lab.proven else lab.receipt)
    }
    names = {learner.identifier: learner.name for learner in grades.learners}
    reached = {lab for _, lab in moments}
    labs = [lab for lab in grades.labs if lab.name in reached]
    spans = _spans(list(moments.values()))
    return Timeline(
        days=_days(spans),
        lanes=_lanes(labs, moments, names, spans),
        rows=[
            Row(person, name, [_told(moments.get((person, lab.name))) for lab in labs])
            for person, name in names.items()
            if any((person, lab.name) in moments for lab in labs)
        ],
        without=[lab.short_name.upper() for lab in grades.labs if lab.name not in reached],
    )


def _told(moment: datetime | None) -> str:
    return f"{moment:%d/%m/%Y à %H:%M}" if moment else ""


def _spans(moments: Sequence[datetime]) -> Mapping[date, tuple[datetime, datetime]]:
    """First and last moment of each day that has some, in order."""
    spans: dict[date, tuple[datetime, datetime]] = {}
    for moment in sorted(moments):
        first, _ = spans.get(moment.date(), (moment, moment))
        spans[moment.date()] = first, moment
    return spans


def _days(spans: Mapping[date, tuple[datetime, datetime]]) -> Sequence[Day]:
    every = ceil(len(spans) / _LABELS)
    return [
        Day(
            f"{day:%d/%m}" if index % every == 0 else "",
            f"{first:%H:%M} – {last:%H:%M}" if len(spans) <= _WITH_HOURS else "",
        )
        for index, (day, (first, last)) in enumerate(spans.items())
    ]


def _lanes(
    labs: Sequence[LabInfo],
    moments: Mapping[tuple[str, str], datetime],
    names: Mapping[str, str],
    spans: Mapping[date, tuple[datetime, datetime]],
) -> Sequence[Lane]:
    places: dict[tuple[str, str], tuple[float, int]] = {}
    columns: Counter[tuple[str, int]] = Counter()
    for (person, lab), moment in sorted(moments.items(), key=lambda item: item[1]):
        left = _left(moment, spans)
        column = lab, round(left * _COLUMNS / 100)
        places[person, lab] = left, columns[column]
        columns[column] += 1
    step = min(_STEP, _HEIGHT / max(columns.values(), default=1))
    return [
        Lane(
            lab.short_name.upper(),
            lab.title,
            [
                Dot(
                    person,
                    f"{names[person]}, {_told(moments[person, lab.name])}",
                    round(left, 2),
                    round(level * step, 1),
                )
                for (person, name), (left, level) in places.items()
                if name == lab.name
            ],
        )
        for lab in labs
    ]


def _left(moment: datetime, spans: Mapping[date, tuple[datetime, datetime]]) -> float:
    """Where a moment is on the line, in percent."""
    first, last = spans[moment.date()]
    part = (moment - first) / (last - first) if last > first else 0.5
    return (
        (list(spans).index(moment.date()) + _MARGIN + (1 - 2 * _MARGIN) * part) / len(spans) * 100
    )
