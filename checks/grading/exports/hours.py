"""How many sentences became right hour after hour: the step is the one that the span asks for, and
what lies empty between two sessions is one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from checks.french import plural, span
from checks.grading.story import Gain

_ROWS = 30  # more would be read by nobody
_HOUR = 3600
_DAYS = ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim.")


@dataclass(frozen=True)
class Step:
    """How long a row is: seconds, or whole days of the calendar."""

    words: str
    seconds: int = 0
    days: int = 0


_STEPS = (
    Step("quart d’heure", seconds=_HOUR // 4),
    Step("heure", seconds=_HOUR),
    Step("jour", days=1),
    Step("semaine", days=7),
    Step("période de quatre semaines", days=28),
)


@dataclass(frozen=True)
class Row:
    """A step that has gains, or, without `when`, the time that has none. `width`: percent of the
    highest."""

    when: str
    sentences: int = 0
    finished: int = 0
    width: float = 0
    empty: str = ""


@dataclass(frozen=True)
class Hours:
    """The rows, each as long as `step` says."""

    step: str
    rows: Sequence[Row]


def hours(gains: Sequence[Gain]) -> Hours | None:
    """The rows of gains in the order of time, on this machine's clock; None without any."""
    if not gains:
        return None
    for step in _STEPS:
        rows = _rows(gains, step)
        if len(rows) <= _ROWS:
            break
    return Hours(step.words, rows)


def _rows(gains: Sequence[Gain], step: Step) -> Sequence[Row]:
    shift = _offset(gains[0].at) % step.seconds if step.seconds else 0
    boxes: dict[int, list[Gain]] = {}
    for gain in gains:
        boxes.setdefault(_index(gain.at, step, shift), []).append(gain)
    highest = max(sum(one.sentences for one in box) for box in boxes.values()) or 1
    rows: list[Row] = []
    before = None
    for index, box in sorted(boxes.items()):
        if before is not None and index > before + 1:
            rows.append(Row("", empty=_empty(index - before - 1, step)))
        before = index
        sentences = sum(one.sentences for one in box)
        rows.append(
            Row(
                _told(index, step, shift),
                sentences,
                sum(one.finished for one in box),
                round(sentences / highest * 100, 1),
            )
        )
    return rows


def _offset(moment: datetime) -> int:
    return int((moment.astimezone().utcoffset() or timedelta(0)).total_seconds())


def _index(moment: datetime, step: Step, shift: int) -> int:
    if step.seconds:  # steps of real time: the hour that comes twice in autumn is two
        return (int(moment.timestamp()) + shift) // step.seconds
    return (moment.astimezone().toordinal() - 1) // step.days


def _told(index: int, step: Step, shift: int) -> str:
    if step.days:
        first = date.fromordinal(index * step.days + 1)
        return f"{_day(first)}" if step.days == 1 else f"à partir du {first:%d/%m/%Y}"
    begin = datetime.fromtimestamp(index * step.seconds - shift, UTC)
    here, end = begin.astimezone(), (begin + timedelta(seconds=step.seconds)).astimezone()
    # twice the same hour on a clock: which of the two
    changes = any(
        _offset(begin + timedelta(hours=near)) != _offset(begin) for near in (-2, -1, 1, 2)
    )
    zone = f" (UTC{_offset(begin) / _HOUR:+g})".replace(".", ",") if changes else ""
    return f"{_day(here)}, {here:%H h %M} – {end:%H h %M}{zone}"


def _day(day: date) -> str:
    return f"{_DAYS[day.weekday()]} {day:%d/%m/%Y}"


def _empty(count: int, step: Step) -> str:
    if step.days:
        return plural(count * step.days, "jour")
    return span(timedelta(seconds=count * step.seconds))
