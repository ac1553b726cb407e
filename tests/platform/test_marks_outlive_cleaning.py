"""A class of thirty does all the labs in the order of their pages, and cleans up after each as its
page tells: every mark is the expected one, before and after.

It is played by threes, who work together. CAHIER_CLASSE=6 plays fewer, CAHIER_GRAINE draws another
class.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import checks.stage
from checks.access.kubernetes_api import Api
from checks.grading.exports.marks import decimal
from checks.lab import Lab, all_labs, earlier
from checks.local_sspcloud import people
from checks.stage import Person, run_in_shell
from tests.support import course
from tests.support.course import Done, Pupil
from tests.support.typed import typed

COUNT = int(os.environ.get("CAHIER_CLASSE", "30"))
SEED = os.environ.get("CAHIER_GRAINE", "")

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

Grade = Mapping[str, Any]


@dataclass
class Marks:
    """What a teacher reads of some labs: the grade and the mark for Moodle of each person and lab,
    and what the command `said`."""

    grades: Mapping[tuple[str, str], Grade]
    moodle: Mapping[tuple[str, str], str]
    said: str = ""


@dataclass
class Teacher:
    """Grades the class, with one history for all that they look at. `wrong`: what should not have
    been."""

    kubeconfig: Path
    folder: Path
    compared: int = 0
    wrong: list[str] = field(default_factory=list)

    def grade(
        self, name: str, pupils: Sequence[Pupil], labs: Sequence[Lab], *options: str
    ) -> Marks:
        """`cahier noter`, in this process: nobody else types meanwhile."""
        roster, folder = self.folder / f"{name}.csv", self.folder / name
        _write(roster, pupils)
        command = ["noter", str(roster), "--kubeconfig", str(self.kubeconfig), *options]
        if "--historique" not in options:
            command += ["--historique", str(self.folder / "history.sqlite")]
        names = ",".join(lab.short_name for lab in labs)
        done = typed([*command, "--sortie", str(folder), "--labs", names], None)
        assert done.code in (0, 3), done
        notes = json.loads((folder / "notes.json").read_text(encoding="utf-8"))
        moodle = csv.reader((folder / "notes-moodle.csv").read_text("utf-8").splitlines())
        return Marks(
            {
                (one["identifier"], lab.name): grade
                for one in notes["learners"]
                for lab, grade in zip(labs, one["labs"], strict=True)
            },
            {
                (identifier, lab.name): mark
                for identifier, _email, *marks in [*moodle][1:]
                for lab, mark in zip(labs, marks[:-1], strict=True)
            },
            done.said,
        )

    def compare(self, when: str, done: object, found: object, expected: object) -> None:
        """Whether what was found is what was expected."""
        self.compared += 1
        if found != expected:
            self.wrong.append(f"{when}, {done} : {found!r}, et non {expected!r}")


def _write(path: Path, pupils: Sequence[Pupil]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["identifiant", "nom", "prenom", "email", "namespace", "collegue", "role"])
        for one in pupils:
            other = one.colleague.person.namespace if one.colleague else ""
            email = f"{one.name}@exemple.fr"
            writer.writerow(
                [one.name, "Nom", one.name, email, one.person.namespace, other, one.role]
            )


def _mark(points: Fraction, total: Fraction) -> str:
    return decimal(points / total * 20, sign=".")


def _key(done: Done) -> tuple[str, str]:
    return done.pupil.name, done.lab.name


# -- what is expected ------------------------------------------------------------------------------


def _leaves_something(lab: Lab) -> bool:
    return any("cahier " in command for command in course.cleaning(lab))


def _check_before(teacher: Teacher, done: Done, marks: Marks) -> None:
    """While all is there, but for what runs on the learner's machine."""
    when, grade, mark = "avant", marks.grades[_key(done)], marks.moodle[_key(done)]
    if done.way == "unseen" and _leaves_something(done.lab):
        # all of it is right or open
        left = Fraction(grade["points"]) + Fraction(grade["points_open"])
        teacher.compare(when, done, left, done.total)
        return
    if done.way in ("skipped", "unseen"):
        _check_nothing_done(teacher, when, done, grade)
    else:
        teacher.compare(when, done, mark, _mark(done.proven, done.total))


def _check_nothing_done(teacher: Teacher, when: str, done: Done, grade: Grade) -> None:
    """Who has done nothing has a zero and its reason; but for what they have there of the labs
    before, such as a base that others relay."""
    others = {check.id for lab in earlier(done.lab) for check in lab.checks}
    counted = {one["id"] for one in grade["checks"] if Fraction(one["points"])}
    teacher.compare(when, done, counted - others, set())
    teacher.compare(when, done, grade["points_open"], "0")
    if not counted:
        told = "Pas commencé" in grade["reason"]
        teacher.compare(when, f"{done} : {grade['reason']}", told, True)


def _check_after(teacher: Teacher, when: str, done: Done, before: Marks, after: Marks) -> None:
    """Once it is cleaned up: never lower, and nothing is forgotten."""
    was, grade, mark = before.grades[_key(done)], after.grades[_key(done)], after.moodle[_key(done)]
    if done.way == "unseen" and _leaves_something(done.lab):
        points = Fraction(was["points"])
        teacher.compare(when, done, Fraction(grade["points"]), max(points, done.kept or points))
        if done.kept not in (None, done.total) and Fraction(grade["points_open"]):
            # what could not be verified before it went stays open, and nothing else becomes so
            left = Fraction(was["points_open"])
            teacher.compare(when, done, Fraction(grade["points_open"]) <= left, True)
        elif done.kept is not None and done.kept >= points:
            teacher.compare(when, done, mark, _mark(done.kept, done.total))
        elif done.kept is None:
            teacher.compare(when, done, grade["points_open"], was["points_open"])
    else:
        teacher.compare(when, done, mark, before.moodle[_key(done)])


def _check_told(teacher: Teacher, done: Done) -> None:
    """What `nettoyer` says before it removes anything is what the receipt proves. Of objects that
    have names of their own it removes none, and has nothing to say."""
    if done.answer is None or not done.removed:
        return
    if done.way == "unseen":
        teacher.compare("nettoyer", done, done.warned, done.kept != done.total)
    else:
        teacher.compare("nettoyer", done, done.kept or Fraction(), done.proven)
        if done.proven:
            teacher.compare("nettoyer", done, done.warned, done.proven != done.total)


def _check_removed(teacher: Teacher, done: Done, grade: Grade) -> None:
    """What is gone at the end of the course is said to be."""
    if Fraction(grade["points"]) and _leaves_something(done.lab):
        told = (grade["removed"], "retiré depuis" in grade["reason"])
        teacher.compare("à la fin", f"{done} : {grade['reason']}", told, (True, True))


def _check_late(teacher: Teacher, done: Done, marks: Marks) -> None:
    """By a teacher who comes only now: nothing but the receipts."""
    when, grade, mark = "sans historique", marks.grades[_key(done)], marks.moodle[_key(done)]
    points = (done.kept or Fraction()) if done.way == "unseen" else done.proven
    if done.way == "unseen" and Fraction(grade["points_open"]):
        # what `nettoyer` could not verify, such as a colleague's tunnel, nobody has seen since
        teacher.compare(when, done, Fraction(grade["points"]), points)
        teacher.compare(when, done, Fraction(grade["points_open"]) <= done.total - points, True)
    else:
        teacher.compare(when, done, mark, _mark(points, done.total))
    if points and _leaves_something(done.lab):
        proofs = {one["proof"] for one in grade["checks"] if one["status"] == "passed"}
        teacher.compare(when, done, (proofs, "seul reçu" in grade["reason"]), ({"receipt"}, True))


def _check_bounds(teacher: Teacher, when: str, done: Done, counted: Marks, marks: Marks) -> None:
    """What a receipt alone says is to be decided: the mark lies between its bounds."""
    grade, points = marks.grades[_key(done)], Fraction(counted.grades[_key(done)]["points"])
    least = Fraction(grade["points"])
    within = least <= points <= least + Fraction(grade["points_open"])
    teacher.compare(when, f"{done} : {grade['points']}, {grade['points_open']}", within, True)
    proofs = {one["proof"] for one in grade["checks"]}
    teacher.compare(when, done, "receipt" in proofs, False)


# -- the course ------------------------------------------------------------------------------------


def _course(teacher: Teacher, group: Sequence[Pupil]) -> tuple[Sequence[Done], Marks]:
    """A group does all the labs, one after the other; what came of each, and its marks after it."""
    dones: list[Done] = []
    grades: dict[tuple[str, str], Grade] = {}
    moodle: dict[tuple[str, str], str] = {}
    with ThreadPoolExecutor(len(group)) as pool:
        for lab in all_labs():
            theirs = [one for one in group if one.does(lab)]
            if not theirs:
                continue
            if lab.about.setup.colleague_commands:
                course.open_bases(lab, theirs)
            here = [*pool.map(lambda one, lab=lab: course.play(one, lab), theirs)]
            name = f"{group[0].name}-{lab.short_name}"
            before = teacher.grade(f"{name}-avant", theirs, [lab])
            [*pool.map(course.clean, here)]
            after = teacher.grade(f"{name}-apres", theirs, [lab])
            for done in here:
                teacher.wrong += done.troubles
                _check_before(teacher, done, before)
                _check_after(teacher, "après", done, before, after)
                _check_told(teacher, done)
            [*pool.map(course.take_away, here)]
            dones += here
            grades |= after.grades
            moodle |= after.moodle
        [*pool.map(course.stop_all, group)]
    return dones, Marks(grades, moodle)


@pytest.fixture
def own_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several people type at once: not in this process."""
    monkeypatch.setattr(checks.stage, "run_in_shell", run_in_shell)


@pytest.mark.first  # each group is minutes long
@pytest.mark.parametrize("number", range(max(COUNT // course.GROUP, 1)))
@pytest.mark.usefixtures("own_shells")
def test_marks_outlive_the_pages_own_cleaning(
    number: int,
    new_person: Callable[..., Person],
    admin: Api,
    admin_kubeconfig: Path,
    tmp_path: Path,
) -> None:
    began, labs = time.monotonic(), all_labs()
    teacher = Teacher(people.create_teacher(admin, admin_kubeconfig), tmp_path)
    pupils = course.group([new_person("m") for _ in range(course.GROUP)], f"{SEED} {number}")
    dones, seen = _course(teacher, pupils)
    end = teacher.grade("fin", pupils, labs)
    late = teacher.grade("tard", pupils, labs, "--historique", str(tmp_path / "other.sqlite"))
    ignored = teacher.grade("ignorer", pupils, labs, "--recus", "ignorer")
    teacher.compare("--recus ignorer", "ce qui est dit", "seul reçu" in ignored.said, False)
    doubted = teacher.grade("revoir", pupils, labs, "--recus", "revoir")
    for done in dones:
        _check_after(teacher, "à la fin", done, seen, end)
        _check_removed(teacher, done, end.grades[_key(done)])
        _check_late(teacher, done, late)
        _check_bounds(teacher, "--recus ignorer", done, end, ignored)
        _check_bounds(teacher, "--recus revoir", done, end, doubted)
        if done.way == "skipped":
            _check_nothing_done(teacher, "à la fin", done, end.grades[_key(done)])
    for pupil in pupils:
        for lab in labs:
            if not pupil.does(lab):
                teacher.compare("rôle", pupil.name, end.moodle[pupil.name, lab.name], "")
    minutes = (time.monotonic() - began) / 60
    ways = {way: sum(done.way == way for done in dones) for way in sorted({d.way for d in dones})}
    print(
        f"group {number}: {len(dones)} plays {ways}, {minutes:.1f} minutes, "
        f"{teacher.compared} comparisons, {len(teacher.wrong)} wrong"
    )
    assert not teacher.wrong, "\n\n".join(teacher.wrong)
