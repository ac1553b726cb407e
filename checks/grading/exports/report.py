"""`rapport.html`: the class for its teacher, in one file that opens offline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from checks.grading.exports import pages
from checks.grading.exports.marks import out_of, short
from checks.grading.exports.timeline import timeline
from checks.grading.results import DECISIONS, ClassGrades, LabGrade, LearnerGrades, by_receipt
from checks.grading.roster import several
from checks.lab import Hop
from checks.verdict import Status

_EVERY_LAB = "Absents"
_SAMPLES = 3  # findings shown for one mistake


@dataclass
class Mistake:
    """A check that several people fail. `findings`: what is found, names of people left out, and
    how often."""

    lab: str
    title: str
    people: list[str] = field(default_factory=list)
    findings: dict[str, int] = field(default_factory=dict)
    cause: str = ""

    @property
    def samples(self) -> Sequence[tuple[str, int]]:
        """The most frequent findings."""
        return sorted(self.findings.items(), key=lambda item: (-item[1], item[0]))[:_SAMPLES]


@dataclass
class Open:
    """A reason why labs have no mark yet, or are worth more than what is there."""

    lab: str
    reason: str
    people: list[str] = field(default_factory=list)


def render(grades: ClassGrades, paths: Mapping[str, Sequence[Hop]]) -> bytes:
    """The page, in UTF-8."""
    learners = [
        {
            "grades": learner,
            "total": pages.cell(learner),
            "labs": pages.told(grades.labs, learner, paths),
            "failed": any(
                check.status is Status.FAILED
                for lab in learner.labs
                for check in lab.checks
                if lab.begun
            ),
        }
        for learner in grades.learners
    ]
    return pages.page(
        "report.html",
        script=pages.script("report.js"),
        labs=grades.labs,
        learners=learners,
        counts={
            state: sum(each.state == state for each in grades.learners)
            for state in ("graded", "review", "absent")
        },
        means=[
            _mean([each.labs[index] for each in grades.learners])
            for index in range(len(grades.labs))
        ],
        total_mean=_mean(list(grades.learners)),
        mistakes=_mistakes(grades),
        open=_open(grades),
        past=_past(grades),
        decisions=DECISIONS,
        timeline=timeline(grades),
    )


def _mean(grades: Sequence[LabGrade | LearnerGrades]) -> str:
    """Mean of the marks that are decided, with their number; "" when there is none."""
    marks = [mark for mark in map(out_of, grades) if mark is not None]
    return f"{short(sum(marks, Fraction()) / len(marks))} ({len(marks)})" if marks else ""


def _mistakes(grades: ClassGrades) -> Sequence[Mistake]:
    """Checks that fail, the most frequent first."""
    found: dict[tuple[str, str], Mistake] = {}
    names = {lab.name: lab.short_name.upper() for lab in grades.labs}
    for learner in grades.learners:
        for lab in learner.labs:
            for check in lab.checks:
                if check.status is not Status.FAILED or not lab.begun:
                    continue
                mistake = found.setdefault(
                    (lab.lab, check.id), Mistake(names[lab.lab], check.title, cause=check.cause)
                )
                mistake.people.append(learner.name)
                finding = _nameless(check.finding, learner)
                mistake.findings[finding] = mistake.findings.get(finding, 0) + 1
    return sorted(
        found.values(), key=lambda mistake: (-len(mistake.people), mistake.lab, mistake.title)
    )


def _nameless(finding: str, learner: LearnerGrades) -> str:
    """A finding without its person's names, so that the same mistake of two people reads the
    same."""
    theirs = dict.fromkeys(several(learner.colleague), "‹collègue›")
    for name, words in {learner.namespace: "‹namespace›", **theirs}.items():
        finding = finding.replace(name, words) if name else finding
    return finding


def _past(grades: ClassGrades) -> Sequence[Open]:
    """What counts and is not there any more, or rests on receipts alone, by lab."""
    kinds: Mapping[str, Callable[[LabGrade], object]] = {
        "fait, retiré depuis": lambda lab: lab.removed,
        "d’après le seul reçu de la personne, en tout ou en partie": by_receipt,
        "décidé par vous": lambda lab: lab.settled,
    }
    found = []
    for index, info in enumerate(grades.labs):
        for words, holds in kinds.items():
            people = [learner.name for learner in grades.learners if holds(learner.labs[index])]
            if people:
                found.append(Open(info.short_name.upper(), words, people))
    return found


def _open(grades: ClassGrades) -> Sequence[Open]:
    """What the teacher has to look at, by lab and reason."""
    found: dict[tuple[str, str], Open] = {}
    names = {lab.name: lab.short_name.upper() for lab in grades.labs}
    for learner in grades.learners:
        for lab in learner.labs[:1] if learner.state == "absent" else learner.labs:
            if lab.state == "graded":
                continue
            name = _EVERY_LAB if learner.state == "absent" else names[lab.lab]
            reason = _nameless(lab.reason, learner)
            found.setdefault((name, reason), Open(name, reason)).people.append(learner.name)
    return sorted(found.values(), key=lambda each: (each.lab, -len(each.people), each.reason))
