"""A mark is the best that was proven: what was removed counts, what a receipt alone says is told
apart, and what nothing could judge is the teacher's to settle."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest

from checks.cli.marks import limit_of, marks
from checks.errors import AccessError, UsageError
from checks.french import moment
from checks.grading import decisions
from checks.grading.exports import write_all
from checks.grading.grade import NamespaceMissing, NotLookedAt, Seen, Verify, grade_class
from checks.grading.history import History
from checks.grading.proven import Policy, Recorder, settle
from checks.grading.results import (
    DECISIONS,
    ClassGrades,
    LabGrade,
    Past,
    Store,
    decided,
    json_schema,
)
from checks.grading.roster import Learner
from checks.lab import Lab, find_lab
from checks.verdict import Status
from tests.support.graded_class import learner, verdict

LAB = find_lab("tp2")
ALICE = learner(1)
NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
TUNNEL = "un_tunnel_ecoute_sur_votre_poste"
FIRST = LAB.checks[0].id
LAST = LAB.checks[-1].id


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def right(when: datetime) -> Seen:
    return Seen(verdict(LAB, ALICE), at=when)


def gone(when: datetime, past: Past | None = None) -> Seen:
    return Seen(verdict(LAB, ALICE, failed=[FIRST]), at=when, past=past)


def open_tunnel(when: datetime, past: Past | None = None) -> Seen:
    return Seen(verdict(LAB, ALICE, unverified=[TUNNEL]), at=when, past=past)


def vouched(written: datetime, *wrong: str) -> Past:
    return Past(verdict(LAB, ALICE, failed=wrong).statuses, written)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History(tmp_path / "historique.sqlite") as opened:
        yield opened


@pytest.fixture
def grade(tmp_path: Path, history: History) -> Callable[..., LabGrade]:
    """Grades alice's lab as it is then found, with what the history has kept of former times."""

    def graded(look: Seen | Exception, policy: Policy = Policy()) -> LabGrade:  # noqa: B008
        return one(tmp_path, history, look, policy).learners[0].labs[0]

    return graded


def one(folder: Path, history: History, look: Seen | Exception, policy: Policy) -> ClassGrades:
    def verify(_who: Learner, _lab: Lab) -> Seen:
        if isinstance(look, Exception):
            raise look
        return look

    recorder = Recorder(history)
    found = grade_class([ALICE], [LAB], verify, folder, on_seen=recorder.seen)
    recorder.kept([ALICE], [LAB], Store(folder / ".travail"))
    return settle(found, [ALICE], [LAB], history.of_class(), policy)


Grade = Callable[..., LabGrade]


def test_what_was_removed_keeps_its_points_and_says_when(grade: Grade) -> None:
    assert grade(right(at(0))).points == "10"
    found = grade(gone(at(60)))
    assert (found.state, found.points, found.removed, found.proven) == (
        "graded", "10", True, at(0)
    )  # fmt: skip
    assert found.reason == f"Fait le {moment(at(0))}, retiré depuis."
    assert {check.proof for check in found.checks} == {"seen"}


def test_a_worse_moment_never_lowers_and_a_better_one_counts(grade: Grade) -> None:
    assert grade(Seen(verdict(LAB, ALICE, failed=[LAST]), at=at(0))).points == "8"
    assert grade(gone(at(1))).points == "8"
    now = grade(right(at(2)))
    assert (now.points, now.removed, now.reason) == ("10", False, "")


def test_a_receipt_of_work_that_is_gone_counts_and_is_told_apart(grade: Grade) -> None:
    found = grade(gone(at(60), vouched(at(5))))
    assert (found.points, found.removed, found.receipt) == ("10", True, at(5))
    assert found.reason == (
        f"Fait le {moment(at(5))}, retiré depuis. 10 points d’après le seul reçu de la personne."
    )
    assert {check.proof for check in found.checks} == {"receipt"}


def test_the_teacher_s_own_look_is_preferred_to_a_receipt(grade: Grade) -> None:
    grade(right(at(10)))
    found = grade(gone(at(60), vouched(at(5))))
    assert {check.proof for check in found.checks} == {"seen"}
    assert found.proven == at(5)


@pytest.mark.parametrize(
    ("policy", "state", "points", "still_open"),
    [
        ("compter", "graded", "10", "0"),
        ("revoir", "review", "0", "10"),
        ("ignorer", "graded", "0", "0"),
    ],
)
def test_what_receipts_are_worth_is_the_teacher_s(
    grade: Grade, policy: str, state: str, points: str, still_open: str
) -> None:
    chosen = Policy(policy)  # type: ignore[arg-type]
    found = grade(gone(at(60), vouched(at(5))), chosen)
    assert (found.state, found.points, found.points_open) == (state, points, still_open)


def test_a_receipt_that_holds_is_a_receipt_too(grade: Grade) -> None:
    local = (TUNNEL, LAB.checks[-2].id, LAST)
    look = Seen(verdict(LAB, ALICE), at(5), local, at(60), vouched(at(5)))
    counted = grade(look)
    assert (counted.points, counted.removed) == ("10", False)
    assert "5 points d’après le seul reçu" in counted.reason
    for policy in ("revoir", "ignorer"):
        found = grade(look, Policy(policy))
        assert (found.state, found.points, found.points_open) == ("review", "5", "5")
        assert "5 points à décider" in found.reason
        assert {check.proof for check in found.checks} == {"seen", ""}


def test_what_the_person_saw_wrong_is_not_left_open(grade: Grade) -> None:
    assert grade(open_tunnel(at(60))).state == "review"
    found = grade(open_tunnel(at(60), vouched(at(5), TUNNEL)))
    assert (found.state, found.points, found.points_open) == ("graded", "5", "0")
    assert moment(at(5)) in found.reason


def test_what_the_person_can_no_longer_tell_is_as_they_last_told_it(grade: Grade) -> None:
    grade(open_tunnel(at(60), vouched(at(5), TUNNEL)))
    blind = Past(verdict(LAB, ALICE, unverified=[TUNNEL]).statuses, at(100))
    found = grade(open_tunnel(at(120), blind))
    assert (found.state, found.points, found.points_open) == ("graded", "5", "0")
    assert moment(at(5)) in found.reason
    mended = grade(open_tunnel(at(240), vouched(at(200))))
    assert (mended.state, mended.points) == ("graded", "10")


def test_before_a_date_only_what_was_proven_then_counts(grade: Grade) -> None:
    grade(gone(at(0)))
    grade(right(at(60)))
    late = grade(right(at(61)), Policy(before=at(30)))
    assert (late.state, late.points) == ("graded", "0")
    assert "après la date limite" in late.reason
    assert grade(right(at(62)), Policy(before=at(60))).points == "10"


def test_before_a_date_a_receipt_tells_when(grade: Grade) -> None:
    found = grade(replace(right(at(60)), past=vouched(at(5))), Policy(before=at(30)))
    assert (found.points, found.removed) == ("10", False)
    assert {check.proof for check in found.checks} == {"receipt"}


def test_what_nobody_looked_at_in_time_is_to_be_decided(grade: Grade) -> None:
    found = grade(right(at(60)), Policy(before=at(30)))
    assert (found.state, found.points, found.points_open) == ("review", "0", "10")
    assert "Vu seulement après" in found.reason
    assert {check.proof for check in found.checks} == {""}


def test_who_never_started_has_a_plain_zero_and_its_reason(grade: Grade) -> None:
    found = grade(replace(open_tunnel(at(0)), begun=False))
    assert (found.state, found.points, found.points_open) == ("graded", "0", "0")
    assert found.reason.startswith("Pas commencé")
    assert "user-e1" in found.reason


@pytest.mark.parametrize(
    "trouble", [AccessError("Silence."), NamespaceMissing("Plus de namespace."), MemoryError()]
)
def test_what_cannot_be_looked_at_any_more_keeps_what_was_proven(
    grade: Grade, trouble: Exception
) -> None:
    assert grade(trouble).state in ("review", "absent")
    grade(gone(at(0)))
    assert grade(trouble).points_open == "10"  # it was no zero, and is none
    grade(Seen(verdict(LAB, ALICE, failed=[LAST]), at=at(1)))
    partly = grade(trouble)
    assert (partly.state, partly.points, partly.points_open) == ("review", "8", "2")
    grade(right(at(2)))
    found = grade(trouble)
    assert (found.state, found.points, found.removed) == ("graded", "10", False)
    assert "on n’a pas pu regarder" in found.reason


def test_a_receipt_tells_of_what_has_nobody_to_look_at_it_with(grade: Grade) -> None:
    found = grade(NotLookedAt("Ce TP se fait à deux.", vouched(at(5))))
    assert (found.state, found.points) == ("graded", "10")


def test_a_second_grading_writes_the_same_and_every_export_says_it(
    tmp_path: Path, history: History
) -> None:
    one(tmp_path / "x", history, right(at(0)), Policy())
    told = []
    for name in ("a", "b"):
        grades = one(tmp_path / "x", history, gone(at(60)), Policy())
        write_all(tmp_path / name, grades, {})
        told.append(
            {
                path.name: path.read_text(encoding="utf-8-sig")
                for path in (tmp_path / name).rglob("*")
                if path.is_file()
            }
        )
    assert told[0] == told[1]
    jsonschema.validate(json.loads(told[0]["notes.json"]), json_schema())
    for name in ("notes.json", "notes-tableur.csv", "junit.xml", "rapport.html", "e1.html"):
        assert f"Fait le {moment(at(0))}, retiré depuis." in told[0][name], name
    assert "↺" in told[0]["rapport.html"]


def test_the_lab_of_the_other_role_weighs_nothing(tmp_path: Path, history: History) -> None:
    labs = [find_lab("tp2"), find_lab("tp5")]
    owning = replace(ALICE, role="owner")
    found = grade_class([owning], labs, lambda who, lab: Seen(verdict(lab, who)), tmp_path)
    grades = settle(found, [owning], labs, history.of_class(), Policy())
    (alice,) = grades.learners
    assert (alice.state, alice.points, alice.points_max) == ("graded", "10", "10")
    write_all(tmp_path, grades, {})
    marks = (tmp_path / "notes-moodle.csv").read_text(encoding="utf-8").splitlines()[1]
    assert marks == "e1,e1@exemple.fr,20.00,,20.00"
    page = (tmp_path / "retours" / "e1.html").read_text(encoding="utf-8")
    assert "sans objet" in page
    assert "ce TP est celui de qui relaie" in page


# -- decisions -------------------------------------------------------------------------------------

CLASS = [learner(number) for number in range(30)]


def class_grades(folder: Path, verify: Verify) -> ClassGrades:
    return grade_class(CLASS, [LAB], verify, folder, workers=2)


def unverified(who: Learner, lab: Lab) -> Seen:
    return Seen(verdict(lab, who, unverified=[TUNNEL]))


def lines(folder: Path) -> Sequence[Sequence[str]]:
    text = (folder / DECISIONS).read_text(encoding="utf-8-sig")
    return list(csv.reader(text.splitlines(), delimiter=";"))[1:]


def test_thirty_people_with_the_same_reason_are_one_line(tmp_path: Path) -> None:
    grades = class_grades(tmp_path, unverified)
    assert decisions.save(tmp_path, grades, ()) == 1
    (line,) = lines(tmp_path)
    assert line[0].split() == [who.identifier for who in CLASS]
    assert line[1:5] == ["tp2", "", "10", "20"]


def test_what_is_filled_in_settles_and_is_kept(tmp_path: Path) -> None:
    grades = class_grades(tmp_path, unverified)
    decisions.save(tmp_path, grades, ())
    path = tmp_path / DECISIONS
    filled = path.read_text(encoding="utf-8").replace(";tp2;;", ";tp2;17,5;").replace(";;", ";Vu;")
    path.write_text(filled, encoding="utf-8")
    told = decisions.read(path, [LAB])
    settled = decisions.apply(grades, told, CLASS, [LAB])
    grade = settled.learners[3].labs[0]
    assert (grade.state, Fraction(grade.points), grade.settled) == ("graded", Fraction(35, 4), True)
    assert grade.reason == "Décidé par l’enseignant : Vu."
    assert decisions.save(tmp_path, settled, told) == 0
    assert decisions.read(path, [LAB])[0].mark == Fraction(35, 2)


def test_a_decision_never_lowers_what_is_proven_and_everybody_may_be_named(tmp_path: Path) -> None:
    grades = class_grades(tmp_path, lambda who, lab: Seen(verdict(lab, who)))
    path = tmp_path / "d.csv"
    path.write_text("personnes;tp;note\n*;TP2;3\n", encoding="utf-8")
    settled = decisions.apply(grades, decisions.read(path, [LAB]), CLASS, [LAB])
    assert settled == grades


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nom;tp;note\n", "colonne « personnes »"),
        ("personnes;tp;note\ne1;tp2;vingt\n", "« vingt » n’est pas une note"),
        ("personnes;tp;note\ne1;tp2;21\n", "« 21 » n’est pas une note"),
        ("personnes;tp;note\ne1;tp5;12\n", "« tp5 » n’est pas l’un des TP notés (tp2)"),
        ("personnes;tp;note\n;tp2;12\n", "personne n’y est nommé"),
        ("", "colonne « personnes »"),
    ],
)
def test_what_is_wrong_with_decisions_is_told_with_its_line(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "d.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as told:
        decisions.read(path, [LAB])
    assert words in told.value.message


def test_what_nobody_has_settled_stops_nothing(tmp_path: Path) -> None:
    """Another class's lines, as `noter` itself wrote them, may lie in the folder."""
    path = tmp_path / "d.csv"
    path.write_text("personnes;tp;note\nzoe;tp2;\nmax;tp5;\n;;\n", encoding="utf-8")
    assert decisions.read(path, [LAB]) == []


def test_a_decision_about_nobody_of_the_class_is_told_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roster = tmp_path / "classe.csv"
    path = tmp_path / DECISIONS
    path.write_text(
        "personnes;tp;note\n*;tp2;2\nzoe e3;tp2;12\n[red]max;tp2;13\n", encoding="utf-8"
    )
    with marks(
        roster,
        tmp_path,
        CLASS,
        [LAB],
        history=None,
        receipts="compter",
        before=None,
        settled=None,
        recorded=True,
    ) as chosen:
        grades = class_grades(tmp_path, unverified)
        settled = decisions.apply(grades, chosen.decisions, CLASS, [LAB])
    told = " ".join(capsys.readouterr().err.split())
    assert "ligne 3 : « zoe », ligne 4 : « [red]max »" in told
    assert "sont gardées, sans effet" in told
    assert Fraction(settled.learners[3].labs[0].points) == 6
    decisions.save(tmp_path, settled, chosen.decisions)
    assert [line[0] for line in lines(tmp_path)] == ["*", "zoe e3", "[red]max"]


# -- what the teacher chooses ----------------------------------------------------------------------


def test_a_day_counts_to_its_end() -> None:
    assert f"{limit_of('12/03/2026'):%d/%m/%Y %H:%M:%S}" == "12/03/2026 23:59:59"
    assert limit_of("2026-03-12T18:00") == limit_of("12/03/2026 18:00")
    with pytest.raises(UsageError, match="n’est pas une date"):
        limit_of("demain")


def test_the_history_is_beside_the_list_whatever_the_folder(tmp_path: Path) -> None:
    roster, out = tmp_path / "classe.csv", tmp_path / "ailleurs" / "notes"
    roster.touch()

    def opened(*, recorded: bool) -> Path | None:
        with marks(
            roster, out, CLASS, [LAB], history=None, receipts="compter", before=None,
            settled=None, recorded=recorded,
        ) as chosen:  # fmt: skip
            return chosen.history.path

    assert opened(recorded=False) == tmp_path / "historique-classe.sqlite"
    assert opened(recorded=True) is None


def test_what_falls_with_another_check_is_as_wrong_as_it() -> None:
    """Without being declared to come after it; what nobody could see is still open."""
    lab = find_lab("tp6")
    follows, other = [one for one in lab.checks if one.after == lab.checks[2].after][:2]
    statuses = {one.id: Status.PASSED for one in lab.checks} | {follows.id: Status.SKIPPED}
    assert decided(lab, {**statuses, other.id: Status.FAILED}) == statuses.keys()
    for unseen in (Status.UNVERIFIED, Status.ERROR):
        assert follows.id not in decided(lab, {**statuses, other.id: unseen})
        also = {lab.checks[-1].id: unseen, other.id: Status.FAILED}
        assert follows.id not in decided(lab, {**statuses, **also})
