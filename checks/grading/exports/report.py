"""`rapport.html`: the class for its teacher, in one file that opens offline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from checks.french import moment, span
from checks.grading.exports import pages
from checks.grading.exports.figures import CLASSES, distribution, figures, spreads
from checks.grading.exports.hours import hours
from checks.grading.exports.marks import out_of, short
from checks.grading.exports.timeline import timeline
from checks.grading.results import (
    DECISIONS,
    ClassGrades,
    LabGrade,
    LabInfo,
    LearnerGrades,
    by_receipt,
)
from checks.grading.roster import several
from checks.grading.story import Story, late, progress
from checks.lab import Hop, statement
from checks.verdict import Status

_EVERY_LAB = "Absents"
_SAMPLES = 3  # findings shown for one mistake


@dataclass
class Mistake:
    """A check that several people fail. `findings`: what is found, names of people left out, and
    how often; `causes`: why it is wrong, in the same way."""

    lab: LabInfo
    title: str
    people: list[str] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)

    @property
    def samples(self) -> Sequence[tuple[str, int]]:
        """The most frequent findings."""
        return _most_told(self.findings)[:_SAMPLES]

    @property
    def cause(self) -> str:
        """The lesson that most of them are told, "" where there is none."""
        return next((words for words, _ in _most_told(self.causes) if words), "")


@dataclass
class Open:
    """A reason why labs have no mark yet, or are worth more than what is there."""

    lab: str
    reason: str
    people: list[str] = field(default_factory=list)


@dataclass
class Overdue:
    """A lab of a person of which something came after the limit."""

    person: str
    lab: str
    words: str
    in_time: str
    later: str


def render(
    grades: ClassGrades,
    paths: Mapping[str, Sequence[Hop]],
    story: Story | None = None,
    site: str = "",
) -> bytes:
    """The page, in UTF-8. `site`: the address of the workbook's own pages, with a slash at its end;
    "" where it is not known."""
    story = story or Story()
    gained = progress(grades, story)
    opened = _open(grades)
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
        statements={
            info.name: f"{site}{statement(info.name)}" if site else "" for info in grades.labs
        },
        open=opened,
        awaiting=len({name for one in opened for name in one.people}),
        figures=figures(grades),
        distribution=distribution(grades),
        spreads=spreads(grades),
        classes=CLASSES,
        last=moment(gained.last) if gained.last else "",
        limit=moment(story.before) if story.before else "",
        late=_late(grades, story),
        progress=gained,
        hours=hours(gained.gains),
        past=_past(grades),
        decisions=DECISIONS,
        timeline=timeline(grades),
    )


def _late(grades: ClassGrades, story: Story) -> Sequence[Overdue]:
    """Who has done something after the limit, and how late."""
    names = {lab.name: lab.short_name.upper() for lab in grades.labs}
    told = []
    for one in late(grades, story):
        after = f"{span(one.by)} après l’échéance"
        words = (
            after
            if one.dated
            else f"vu pour la première fois {after} ; rien ne dit quand cela a été fait"
        )
        told.append(
            Overdue(
                one.person,
                names[one.lab],
                words,
                f"{short(one.in_time)}/{short(one.points_max)}",
                f"{short(one.later)}/{short(one.points_max)}",
            )
        )
    return told


def _mean(grades: Sequence[LabGrade | LearnerGrades]) -> str:
    """Mean of the marks that are decided, with their number; "" when there is none."""
    marks = [mark for mark in map(out_of, grades) if mark is not None]
    return f"{short(sum(marks, Fraction()) / len(marks))} ({len(marks)})" if marks else ""


def _mistakes(grades: ClassGrades) -> Sequence[Mistake]:
    """Checks that fail, the most frequent first."""
    found: dict[tuple[str, str], Mistake] = {}
    infos = {lab.name: lab for lab in grades.labs}
    for learner in grades.learners:
        for lab in learner.labs:
            for check in lab.checks:
                if check.status is not Status.FAILED or not lab.begun:
                    continue
                mistake = found.setdefault(
                    (lab.lab, check.id), Mistake(infos[lab.lab], check.title)
                )
                mistake.people.append(learner.name)
                mistake.findings[_nameless(check.finding, learner)] += 1
                mistake.causes[_nameless(check.cause, learner)] += 1
    return sorted(
        found.values(),
        key=lambda mistake: (-len(mistake.people), mistake.lab.short_name, mistake.title),
    )


def _most_told(counted: Mapping[str, int]) -> Sequence[tuple[str, int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


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
