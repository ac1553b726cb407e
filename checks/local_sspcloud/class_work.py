"""What an invented class has done of the labs: drawn from a seed, played for real.

Everybody does a lab that one does alone; one group in five, the first of all among them, goes on to
one at two, for which a database is launched.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from checks.access.kubernetes_api import Api, collection
from checks.errors import CahierError
from checks.files import scratch
from checks.lab import Case, Family, Lab, all_labs
from checks.local_sspcloud import people
from checks.local_sspcloud.classroom import each
from checks.local_sspcloud.invented import Invented
from checks.local_sspcloud.progress import Tell
from checks.objects.pods import PodObject
from checks.stage import Person, Stage, rename
from checks.waiting import tries

_ONE_GROUP_IN = 5
_READY, _PAUSE = 60.0, 0.5  # seconds
_WAITS_OR_FORWARDS = re.compile(r"kubectl (rollout status|wait|.*port-forward) ?.*")
"""Commands that leave nothing in a namespace."""
_NAMESPACE = re.compile(r"\b(?:user|oidc)-[a-z0-9-]+")


@dataclass(frozen=True)
class Answer:
    """A right answer or a typical mistake of a lab, as its corpus has them."""

    lab: Lab
    name: str
    files: Mapping[str, str]
    right: bool = False


@dataclass(frozen=True)
class Work:
    """What somebody does, with a colleague where it takes two."""

    person: Invented
    answer: Answer
    colleague: Invented | None = None


def drawn(
    groups: Sequence[Sequence[Invented]], seed: int, *, right: bool, wrong: bool
) -> Sequence[Work]:
    """The same for the same people and seed. Both right and wrong: half and half, and one in six
    has not begun."""
    works = []
    for number, group in enumerate(groups):
        chance = random.Random(f"{seed} {number}")
        works += [
            Work(one, answer)
            for one in group
            if (answer := _draw(_labs(at_two=False), chance, right=right, wrong=wrong))
        ]
        goes_on = number == 0 or chance.random() < 1 / _ONE_GROUP_IN
        answer = _draw(_labs(at_two=True), chance, right=right, wrong=wrong) if goes_on else None
        if answer is not None and len(group) > 1:
            works.append(Work(group[0], answer, group[1]))
    return works


def play(work: Work) -> None:
    """Do it. Raises CahierError."""
    lab = work.answer.lab
    colleague = _person(work.colleague) if work.colleague else None
    with scratch() as folder:
        stage = Stage(lab, _person(work.person), colleague, folder=Path(folder))
        try:
            if colleague is not None:
                stage.run(lab.about.setup.colleague_commands, colleague)
            stage.run(lab.about.setup.commands)
            stage.apply(work.answer.files)
            if work.answer.right:
                _until_ready(stage.learner)
        except CahierError as trouble:
            who = f"{work.person.account}, {lab.short_name}, {work.answer.name}"
            raise CahierError(f"{who} : {trouble.message}", trouble.remedy) from trouble
        finally:
            stage.close()


def _until_ready(person: Person) -> None:
    """Wait for the pods of a right answer, so that it is graded as such at once. One that is late
    is nobody's mistake."""
    api = Api(str(person.kubeconfig))
    path = collection("Pod", person.namespace)
    for _ in tries(_READY, _PAUSE):
        pods = list(api.each(PodObject, "Pod", path))
        if pods and all(one.status.is_ready or one.status.phase == "Succeeded" for one in pods):
            return


def play_all(works: Sequence[Work], tell: Tell) -> Sequence[CahierError]:
    """Do them, several at once; what could not be done, which stops nobody else."""
    troubles: list[CahierError] = []

    def one(work: Work) -> None:
        try:
            play(work)
        except CahierError as trouble:
            troubles.append(trouble)

    each(works, one, tell)
    return troubles


def _draw(labs: Sequence[Lab], chance: random.Random, *, right: bool, wrong: bool) -> Answer | None:
    begun = not (right and wrong) or chance.random() > 1 / 6
    lab = chance.choice(labs)
    rightly = chance.random() < 0.5 if right and wrong else right
    answers = _right(lab) if rightly else _wrong(lab)
    return chance.choice(answers) if begun else None


@cache
def _labs(*, at_two: bool) -> Sequence[Lab]:
    """Those that files suffice for, but for what their setup makes."""
    return [
        lab
        for lab in all_labs()
        if (lab.about.colleague == "required") is at_two
        and lab.files("solution")
        and not _others(lab)
        and (at_two or not lab.about.setup.commands)
        and all(leaves_nothing(command) for command in lab.about.solution.commands)
        and _wrong(lab)
    ]


def _others(lab: Lab) -> bool:
    """Whether its files name somebody besides the learner and the colleague."""
    return any(
        name not in ("user-x", "user-y", "oidc-x", "oidc-y")
        for text in lab.files("solution").values()
        for name in _NAMESPACE.findall(rename(text, lab.about.story, "user-x", "user-y", None))
    )


def _right(lab: Lab) -> Sequence[Answer]:
    found = [Answer(lab, "solution", lab.files("solution")), *_cases(lab, "variantes")]
    return [replace(one, right=True) for one in found]


def _wrong(lab: Lab) -> Sequence[Answer]:
    """Mistakes that are in the files: those of somebody's own machine are seen there only."""
    return [one for one in _cases(lab, "erreurs") if one.files != lab.files("solution")]


def _cases(lab: Lab, family: Family) -> Iterator[Answer]:
    for name, case in lab.cases(family).items():
        if _only_files(case):
            yield Answer(lab, name, lab.case_files(family, name))


def _only_files(case: Case) -> bool:
    nothing_else = not case.then and not case.colleague_commands
    return nothing_else and all(map(leaves_nothing, case.commands or ()))


def leaves_nothing(command: str) -> bool:
    """Whether a command only waits for what is there, or forwards to it."""
    return _WAITS_OR_FORWARDS.fullmatch(command) is not None


def _person(one: Invented) -> Person:
    return Person(one.namespace, people.kubeconfig_path(one.account))
