"""Marks as they are kept: exact points, one file per learner and lab, written at once or not at
all."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from checks.decoding import prepared
from checks.files import write_atomically
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.schema import published
from checks.verdict import CheckResult, Said, Status, Verdict

DECISIONS = "decisions.csv"
"""What is left for the teacher to decide, in the folder of the marks."""

Points = Annotated[str, msgspec.Meta(pattern=r"^\d+(/\d+)?$")]
"""Exact points: an integer, or a fraction in lowest terms such as 7/2."""

Moment = Annotated[
    datetime,
    msgspec.Meta(
        tz=True,
        description="When the learner's receipt that counts was written, by the cluster's clock.",
    ),
]

Proven = Annotated[
    datetime,
    msgspec.Meta(
        tz=True,
        description="When what counts was first seen, or its receipt written, by the cluster's "
        "clock.",
    ),
]

Proof = Literal["seen", "receipt", ""]
"""What a right check rests on: the teacher's own look, the person's receipt alone. "" where it is
not right."""

State = Literal["graded", "review", "absent"]
"""`graded`: every check is decided. `review`: some are not, the teacher has to look. `absent`: no
such namespace."""


class CheckGrade(Said, frozen=True, kw_only=True):
    """One check of a lab. `decided` is false where neither right nor wrong could be told; `proof`
    tells what a right one rests on."""

    id: str
    title: str
    status: Status
    decided: bool
    points: Points
    points_max: Points
    finding: str = ""
    cause: str = ""
    fix: str = ""
    proof: Proof = ""


class LabGrade(Said, frozen=True, kw_only=True):
    """One lab of one learner. `points_open`: points that are still to be decided; `reason`: why, or
    why the others are what they are, in French.

    `proven`: when what counts was reached, where it is not what is there now. `removed`: it was
    undone since. `begun` is false where nothing of the lab was ever there. `settled`: the teacher
    has decided.
    """

    lab: str
    state: State
    points: Points
    points_open: Points
    points_max: Points
    reason: str = ""
    receipt: Moment | None = None
    proven: Proven | None = None
    removed: bool = False
    begun: bool = True
    settled: bool = False
    checks: tuple[CheckGrade, ...] = ()


class LearnerGrades(Said, frozen=True, kw_only=True):
    """All labs of one learner."""

    identifier: str
    last_name: str
    first_name: str
    email: str
    namespace: str
    colleague: str
    state: State
    points: Points
    points_open: Points
    points_max: Points
    labs: tuple[LabGrade, ...]

    @property
    def name(self) -> str:
        """First name, then last name."""
        return f"{self.first_name} {self.last_name}".strip()


class LabInfo(Said, frozen=True, kw_only=True):
    """A lab of the class."""

    name: str
    short_name: str
    title: str
    points_max: Points


class ClassGrades(Said, frozen=True, kw_only=True):
    """`notes.json`: the whole class, in the order of the roster. Nothing in it depends on when it
    was graded."""

    schema: Literal[1] = 1
    labs: tuple[LabInfo, ...]
    learners: tuple[LearnerGrades, ...]


@cache  # as are the next ones: the points of a workbook are few
def exact(points: float) -> Fraction:
    """The decimal number that a lab writes, exactly: 0.1 is a tenth."""
    return Fraction(str(points))


def to_json(grades: ClassGrades) -> bytes:
    """`notes.json`."""
    # each learner by themselves: a thousand people are fifty megabytes
    nobody = msgspec.json.format(
        msgspec.json.encode(msgspec.structs.replace(grades, learners=())), indent=2
    )
    if not grades.learners:
        return nobody + b"\n"
    before, after = nobody.rsplit(b"[]", 1)
    told = (_indented(learner) for learner in grades.learners)
    return b"".join((before, b"[\n    ", b",\n    ".join(told), b"\n  ]", after, b"\n"))


def _indented(learner: LearnerGrades) -> bytes:
    """As `notes.json` shows them; no text of JSON holds a line feed."""
    return msgspec.json.format(msgspec.json.encode(learner), indent=2).replace(b"\n", b"\n    ")


def json_schema() -> dict[str, object]:
    """JSON Schema of `notes.json`."""
    return published(ClassGrades, "cahier noter : notes.json")


def lab_info(lab: Lab) -> LabInfo:
    """What the class needs to know of a lab."""
    whole = sum((exact(check.points) for check in lab.checks), Fraction())
    return LabInfo(
        name=lab.name, short_name=lab.short_name, title=lab.about.title, points_max=str(whole)
    )


def from_verdict(
    lab: Lab,
    verdict: Verdict,
    receipt: datetime | None = None,
    vouched: Collection[str] = (),
    *,
    begun: bool = True,
) -> LabGrade:
    """The grade that a verdict gives: what could not be verified stays open, it is no zero.

    `receipt`: when the receipt that counts in it was written; `vouched`: the checks that it alone
    says are right. `begun` false: nothing of it is this person's work.
    """
    closed = decided(lab, verdict.statuses)
    checks = tuple(
        _check(result, result.id in closed or not begun, result.id in vouched, begun)
        for result in verdict.checks
    )
    undecided = [check for check in checks if not check.decided]
    reason = _reason(undecided)
    if not begun:
        reason = (
            f"Pas commencé : le namespace {verdict.namespace} est comme au début de ce TP, et "
            "« cahier verifier » n’y a laissé aucun reçu."
        )
    return of_checks(
        lab.name, checks, reason=reason, receipt=receipt and receipt.astimezone(UTC), begun=begun
    )


def of_checks(
    lab: str,
    checks: Sequence[CheckGrade],
    *,
    reason: str = "",
    receipt: datetime | None = None,
    proven: datetime | None = None,
    removed: bool = False,
    begun: bool = True,
) -> LabGrade:
    """The grade of a lab whose checks are these."""
    undecided = [check for check in checks if not check.decided]
    return LabGrade(
        lab=lab,
        state="review" if undecided else "graded",
        points=_sum([check.points for check in checks]),
        points_open=_sum([check.points_max for check in undecided]),
        points_max=_sum([check.points_max for check in checks]),
        reason=reason,
        receipt=receipt,
        proven=proven,
        removed=removed,
        begun=begun,
        checks=tuple(checks),
    )


def without_verdict(lab: Lab, reason: str, *, absent: bool = False) -> LabGrade:
    """The grade of a lab that could not be looked at: all of its points stay open."""
    whole = lab_info(lab).points_max
    state: State = "absent" if absent else "review"
    return LabGrade(
        lab=lab.name, state=state, points="0", points_open=whole, points_max=whole, reason=reason
    )


def not_theirs(lab: Lab) -> LabGrade:
    """The grade of a lab that is the other one's to do: it weighs nothing."""
    whose = "relaie" if lab.role == "relay" else "possède la base"
    return LabGrade(
        lab=lab.name,
        state="graded",
        points="0",
        points_open="0",
        points_max="0",
        reason=f"Sans objet : ce TP est celui de qui {whose}.",
    )


def of_class(
    learners: Sequence[Learner], labs: Sequence[Lab], grades: Mapping[tuple[str, str], LabGrade]
) -> ClassGrades:
    """The class, in the order of the roster. `grades`: by a learner's identifier and a lab's
    name."""
    return ClassGrades(
        labs=tuple(lab_info(lab) for lab in labs),
        learners=tuple(
            of_learner(learner, [grades[learner.identifier, lab.name] for lab in labs])
            for learner in learners
        ),
    )


def of_learner(learner: Learner, labs: Sequence[LabGrade]) -> LearnerGrades:
    """Sum of a learner's labs."""
    states = {lab.state for lab in labs}
    state: State = (
        "absent" if states == {"absent"} else "graded" if states <= {"graded"} else "review"
    )
    return LearnerGrades(
        identifier=learner.identifier,
        last_name=learner.last_name,
        first_name=learner.first_name,
        email=learner.email,
        namespace=learner.namespace,
        colleague=learner.colleague,
        state=state,
        points=_sum([lab.points for lab in labs]),
        points_open=_sum([lab.points_open for lab in labs]),
        points_max=_sum([lab.points_max for lab in labs]),
        labs=tuple(labs),
    )


def by_receipt(*labs: LabGrade) -> Fraction:
    """Points that a receipt alone vouches for."""
    checks = [check for lab in labs for check in lab.checks if check.proof == "receipt"]
    return total(tuple(check.points for check in checks))


def _sum(points: Sequence[Points]) -> Points:
    return str(total(tuple(points)))


@lru_cache(4096)
def total(points: tuple[Points, ...]) -> Fraction:
    """What exact points come to."""
    return sum((Fraction(each) for each in points), Fraction())


def decided(lab: Lab, statuses: Mapping[str, Status]) -> set[str]:
    """Checks that are right or wrong for sure: what depends on a failed one, or falls with it, is
    wrong; on an undecided one, open."""
    wrong = {name for name, status in statuses.items() if status is Status.FAILED}
    right = {name for name, status in statuses.items() if status is Status.PASSED}
    whole = not {Status.ERROR, Status.UNVERIFIED} & {*statuses.values()}
    for check in lab.checks:  # in the lab's order: a check comes after those it depends on
        before = [each.id for each in check.after]
        if statuses.get(check.id) is not Status.SKIPPED:
            continue
        # one that nothing keeps waiting falls with another that has failed (`Follows`)
        follows = whole and bool(wrong) and right.issuperset(before)
        if follows or wrong.intersection(before):
            wrong.add(check.id)
    return wrong | right


def _check(result: CheckResult, decided: bool, vouched: bool, begun: bool) -> CheckGrade:
    proof: Proof = ""
    if result.status is Status.PASSED and begun:
        proof = "receipt" if vouched else "seen"
    return CheckGrade(
        id=result.id,
        title=result.title,
        status=result.status,
        decided=decided,
        points=str(exact(result.points)) if begun else "0",
        points_max=str(exact(result.points_max)),
        finding=result.finding,
        cause=result.cause,
        fix=result.fix,
        proof=proof,
    )


def _reason(undecided: Sequence[CheckGrade]) -> str:
    told = [check for check in undecided if check.status is not Status.SKIPPED] or list(undecided)
    return " · ".join(dict.fromkeys(check.finding for check in told if check.finding))


class Past(msgspec.Struct, frozen=True):
    """What the learner's own `verifier` found, and when, by the cluster's clock: it may be gone."""

    checks: Mapping[str, Status]
    written: datetime


class _Kept(msgspec.Struct, frozen=True):
    """A grade on disk, and what the receipt says of the past. `key` tells what was graded;
    `trouble`: the checker or the cluster failed, ask again."""

    key: str
    grade: LabGrade
    trouble: bool
    past: Past | None = None


class _KeptPast(msgspec.Struct, frozen=True):
    """The same without the grade, which takes long to read."""

    key: str
    past: Past | None = None


prepared(_Kept, _KeptPast)


class Store:
    """The work in progress of a folder: one file per learner and lab."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clear(self) -> None:
        """Forget everything that was graded."""
        for file in self._folder.glob("*/*.json"):
            file.unlink(missing_ok=True)

    def read(self, learner: Learner, lab: Lab, *, in_trouble: bool = False) -> LabGrade | None:
        """The grade of that learner and lab as they are now, None when it has to be made.

        `in_trouble`: also one that is to be made again, because the checker or the cluster failed.
        """
        try:
            kept = _kept(self._path(learner, lab).read_bytes(), learner, lab)
        except OSError:
            return None
        return None if kept is None or (kept.trouble and not in_trouble) else kept.grade

    def past(self, learner: Learner, lab: Lab) -> Past | None:
        """What the learner's receipt said, None where there was none to be believed."""
        try:
            kept = msgspec.json.decode(self._path(learner, lab).read_bytes(), type=_KeptPast)
        except (OSError, msgspec.DecodeError):
            return None
        return kept.past if kept.key == _key(learner, lab) else None

    def write(
        self,
        learner: Learner,
        lab: Lab,
        grade: LabGrade,
        *,
        past: Past | None = None,
        trouble: bool = False,
    ) -> None:
        """Keep a grade, and what the learner's receipt says."""
        trouble = trouble or any(check.status is Status.ERROR for check in grade.checks)
        kept = _Kept(_key(learner, lab), grade, trouble, past)
        write_atomically(self._path(learner, lab), msgspec.json.encode(kept))

    def files(self) -> Iterator[tuple[str, str, bytes]]:
        """Everything that is kept, to be put into another store: identifier, lab's name,
        content."""
        for file in sorted(self._folder.glob("*/*.json")):
            yield file.parent.name, file.stem, file.read_bytes()

    def put(self, learner: Learner, lab: Lab, content: bytes) -> None:
        """Keep what another store has of them, unless it tells of something else."""
        if _kept(content, learner, lab) is not None:
            write_atomically(self._path(learner, lab), content)

    def _path(self, learner: Learner, lab: Lab) -> Path:
        return self._folder / learner.identifier / f"{lab.name}.json"


def _kept(content: bytes, learner: Learner, lab: Lab) -> _Kept | None:
    """What a file tells of that learner and lab as they are now, None where it is about something
    else."""
    try:
        kept = msgspec.json.decode(content, type=_Kept)
    except msgspec.DecodeError:
        return None
    return kept if kept.key == _key(learner, lab) else None


def _key(learner: Learner, lab: Lab) -> str:
    what = [
        learner.namespace,
        learner.colleague,
        lab.name,
        [[check.id, check.title, check.points] for check in lab.checks],
    ]
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()
