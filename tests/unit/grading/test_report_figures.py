"""What a teacher looks for first in the report: figures, the spread of the marks, progress by hour,
and what came late; at the edges too."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from checks.french import span
from checks.grading.exports import report
from checks.grading.exports.figures import distribution, figures, spreads
from checks.grading.exports.hours import hours
from checks.grading.history import Change
from checks.grading.proven import found
from checks.grading.results import (
    ClassGrades,
    LabGrade,
    from_verdict,
    lab_info,
    of_learner,
    without_verdict,
)
from checks.grading.story import Gain, Story, late, progress
from checks.lab import find_lab
from tests.support.graded_class import learner, verdict

LAB = find_lab("tp2")
FIRST, LAST = LAB.checks[0].id, LAB.checks[-1].id
NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def graded(number: int, *wrong: str, receipt: datetime | None = None) -> LabGrade:
    return from_verdict(LAB, verdict(LAB, learner(number), failed=wrong), receipt)


def of(*grades: LabGrade) -> ClassGrades:
    people = [of_learner(learner(number), [grade]) for number, grade in enumerate(grades)]
    return ClassGrades(labs=(lab_info(LAB),), learners=tuple(people))


def look(number: int, when: datetime, *wrong: str, receipt: datetime | None = None) -> Change:
    grade = graded(number, *wrong)
    person = learner(number).identifier
    return Change(person, LAB.name, when, when, "suivi", receipt, found(grade))


def history(*changes: Change) -> Mapping[tuple[str, str], Sequence[Change]]:
    kept: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        kept.setdefault((change.person, change.lab), []).append(change)
    return kept


def page(grades: ClassGrades, story: Story | None = None) -> str:
    return report.render(grades, {}, story).decode()


@pytest.fixture
def in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("its zone is not a process's to choose")
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# -- figures ---------------------------------------------------------------------------------------


def test_a_class_in_a_few_figures() -> None:
    absent = without_verdict(LAB, "Absent.", absent=True)
    not_begun = from_verdict(LAB, verdict(LAB, learner(3), failed=[FIRST]), begun=False)
    grades = of(graded(0), graded(1, LAST), graded(2, FIRST), not_begun, absent)
    found = figures(grades)
    assert (found.people, found.begun, found.finished, found.graded) == (5, 3, 1, 4)
    assert (found.mean, found.median) == ("9", "8")
    text = page(grades)
    assert "1 raison</a> <span>pour 1 personne</span>" in text


def test_an_empty_class_has_figures_too() -> None:
    grades = ClassGrades(labs=(lab_info(LAB),), learners=())
    assert (figures(grades).people, figures(grades).mean, distribution(grades)) == (0, "", [])
    assert "Aucun total n’est posé" in page(grades)


def test_one_person_alone() -> None:
    grades = of(graded(0))
    assert (figures(grades).mean, figures(grades).median) == ("20", "20")
    assert [bar.count for bar in distribution(grades)] == [0] * 9 + [1]


def test_nobody_has_begun() -> None:
    grades = of(*(from_verdict(LAB, verdict(LAB, learner(n)), begun=False) for n in range(3)))
    assert (figures(grades).begun, figures(grades).finished, figures(grades).mean) == (0, 0, "0")
    assert distribution(grades)[0].count == 3


def test_everybody_is_equal() -> None:
    bars = distribution(of(*(graded(n, LAST) for n in range(7))))
    assert [bar.width for bar in bars if bar.count] == [100]
    assert sum(bar.count for bar in bars) == 7


def test_each_mark_is_in_one_class_of_its_lab() -> None:
    (spread,) = spreads(of(graded(0), graded(1, LAST), graded(2, FIRST), graded(3, FIRST)))
    assert (spread.count, list(spread.classes)) == (4, [2, 0, 1, 1])
    assert (spread.mean, spread.median) == ("9", "8")


def test_three_hundred_people_stay_readable_and_small() -> None:
    grades = of(*(graded(n, LAST, receipt=at(n)) for n in range(300)))
    text = page(grades, Story(history(*(look(n, at(n), receipt=at(n)) for n in range(300)))))
    assert len(text) < 2_000_000
    assert len(re.findall('<td class="bar">', text)) <= 10 + 30


# -- progress --------------------------------------------------------------------------------------


def test_what_was_there_at_the_first_look_says_nothing_of_when() -> None:
    story = Story(history(look(0, at(0), LAST), look(0, at(30))))
    told = progress(of(graded(0)), story)
    assert told.already == len(LAB.checks) - 1
    assert told.gains == [Gain(at(30), 1, True)]


def test_what_a_receipt_did_not_tell_has_no_date_at_the_first_look_either() -> None:
    story = Story(history(look(0, at(0), LAST, receipt=at(0)), look(0, at(30))))
    told = progress(of(graded(0)), story)
    assert (told.already, told.gains) == (1, [Gain(at(0), len(LAB.checks) - 1, False)])


def test_a_sentence_is_gained_once() -> None:
    story = Story(
        history(look(0, at(0), FIRST), look(0, at(1)), look(0, at(2), LAST), look(0, at(3)))
    )
    assert [one.at for one in progress(of(graded(0)), story).gains] == [at(1)]


def test_without_history_receipts_tell() -> None:
    told = progress(of(graded(0, receipt=at(5)), graded(1)), Story())
    assert told.gains == [Gain(at(5), len(LAB.checks), True)]


def test_without_any_date_nothing_is_drawn() -> None:
    assert hours(progress(of(graded(0)), Story()).gains) is None
    assert "Phrases devenues justes" not in page(of(graded(0)))


def test_a_receipt_of_the_future_stretches_no_axis() -> None:
    future = at(10**6)
    story = Story(
        history(look(0, at(0)), look(1, future, receipt=future), look(2, at(0), receipt=at(0)))
    )
    told = progress(of(graded(0), graded(1), graded(2)), story)
    assert [one.at for one in told.gains] == [at(0)]
    assert told.ahead == len(LAB.checks)
    assert "Vérifiez l’horloge du cluster." in page(of(graded(0), graded(1), graded(2)), story)


@pytest.mark.parametrize(
    ("length", "step"),
    [
        (timedelta(hours=2), "quart d’heure"),
        (timedelta(hours=20), "heure"),
        (timedelta(days=20), "jour"),
        (timedelta(days=150), "semaine"),
        (timedelta(days=700), "période de quatre semaines"),
    ],
)
def test_the_step_is_the_one_that_the_span_asks_for(length: timedelta, step: str) -> None:
    told = hours([Gain(NOON + length * part / 200, 1, False) for part in range(200)])
    assert told is not None
    assert told.step == step
    assert len(told.rows) <= 30
    assert sum(row.sentences for row in told.rows) == 200


@pytest.mark.usefixtures("in_paris")
def test_the_night_between_two_sessions_is_one_row() -> None:
    told = hours([Gain(at(0), 2, False), Gain(at(20), 4, True), Gain(at(24 * 60), 1, False)])
    assert told is not None
    assert [(row.when, row.sentences, row.finished, row.width) for row in told.rows] == [
        ("jeu. 12/03/2026, 13 h 00 – 13 h 15", 2, 0, 50),
        ("jeu. 12/03/2026, 13 h 15 – 13 h 30", 4, 1, 100),
        ("", 0, 0, 0),
        ("ven. 13/03/2026, 13 h 00 – 13 h 15", 1, 0, 25),
    ]
    assert told.rows[2].empty == "23 h 30"


@pytest.mark.usefixtures("in_paris")
def test_the_hour_that_comes_twice_is_two_rows() -> None:
    """On 25 October 2026, 3 a.m. is 2 a.m. again."""
    twice = [datetime(2026, 10, 25, hour, 20, tzinfo=UTC) for hour in (0, 1)]
    told = hours([Gain(when, 1, False) for when in twice])
    assert told is not None
    assert [row.when for row in told.rows if row.when] == [
        "dim. 25/10/2026, 02 h 15 – 02 h 30 (UTC+2)",
        "dim. 25/10/2026, 02 h 15 – 02 h 30 (UTC+1)",
    ]


@pytest.mark.usefixtures("in_paris")
def test_a_day_is_that_of_the_teacher() -> None:
    gains = [Gain(datetime(2026, 3, 1 + n, 23, 30, tzinfo=UTC), 1, False) for n in range(20)]
    told = hours(gains)
    assert told is not None
    assert told.rows[0].when == "lun. 02/03/2026"


# -- late ------------------------------------------------------------------------------------------


def test_late_is_told_apart_from_what_was_in_time() -> None:
    story = Story(
        history(look(0, at(-60), LAST), look(0, at(130)), look(1, at(-60)), look(1, at(130), LAST)),
        before=at(0),
    )
    (one,) = late(of(graded(0, LAST), graded(1)), story)
    assert (one.person, one.in_time, one.later) == ("Prénom0 Nom0", Fraction(8), Fraction(10))
    text = page(of(graded(0, LAST), graded(1)), story)
    assert "<td>2 h 10 après l’échéance</td>" in text
    assert '<td class="mark">8/10</td><td class="mark">10/10</td>' in text


def test_what_nobody_looked_at_in_time_is_not_said_to_be_late() -> None:
    story = Story(history(look(0, at(10))), before=at(0))
    assert "rien ne dit quand cela a été fait" in page(of(graded(0)), story)
    dated = Story(history(look(0, at(10), receipt=at(10))), before=at(0))
    assert "<td>10 min après l’échéance</td>" in page(of(graded(0)), dated)


def test_everybody_is_late() -> None:
    changes = [look(n, at(5 + n), receipt=at(5 + n)) for n in range(6)]
    told = late(of(*(graded(n) for n in range(6))), Story(history(*changes), before=at(0)))
    assert [one.by for one in told] == [timedelta(minutes=5 + n) for n in range(6)]
    assert {one.in_time for one in told} == {Fraction(0)}


def test_without_a_limit_nobody_is_late() -> None:
    assert late(of(graded(0)), Story(history(look(0, at(5))))) == []
    assert "Aucune échéance n’a été donnée" in page(of(graded(0)))


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0.5, "moins d’une minute"),
        (12, "12 min"),
        (130, "2 h 10"),
        (120, "2 h"),
        (47 * 60 + 5, "47 h 05"),
        (48 * 60, "2 jours"),
        (76 * 60 + 59, "3 jours 4 h"),
    ],
)
def test_how_long_it_is(minutes: float, words: str) -> None:
    assert span(timedelta(minutes=minutes)) == words
