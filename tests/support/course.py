"""A class that does all the labs in the order of their pages, each person in their own way: drawn
from a seed, played for real, cleaned up as the pages tell."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from sybil import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from checks.errors import CahierError
from checks.files import scratch
from checks.grading.results import exact
from checks.lab import Case, Family, Lab, all_labs
from checks.local_sspcloud.class_work import leaves_nothing
from checks.render.console import commands
from checks.stage import Person, Stage
from tests.conftest import unused_port
from tests.support.laws import first_failed

Way = Literal["right", "wrong", "unseen", "skipped"]
"""How somebody does a lab. `unseen`: rightly, and without verifying."""
GROUP = 3
"""People who do the labs of several together."""
_DECK: Sequence[Way] = ("right", "right", "wrong", "unseen", "skipped")
_CAST = re.compile(r"\b(alice|bob|chloe)\b")
_CLEANING = re.compile(r"^## Nettoyer$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"console[ \t]*\n")
_KEPT = re.compile(r"(\S+) points? sur \S+ restent prouvés")
_LAUNCHED = re.compile(r"cahier catalogue lancer \S+ --nom (\S+)")
_SETTLES_SECONDS, _LOOK_SECONDS = 90.0, 5


@dataclass(frozen=True)
class Answer:
    """What is applied and typed. `fails`: the checks that are false, all of them for the lab's own
    start, the first of them for a mistake; none for a right answer."""

    name: str
    files: Mapping[str, str]
    commands: Sequence[str]
    fails: Sequence[str] = ()
    finding: Sequence[str] = ()


@dataclass(eq=False)
class Pupil:
    """Somebody of the class. `colleague` is who they do labs at two with, `third` another member of
    a team; `ways` tells how they do each of the labs that are theirs, by its name."""

    person: Person
    role: Literal["relaie", "possède", ""]
    ways: Mapping[str, Way] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    colleague: Pupil | None = None
    third: Pupil | None = None

    @property
    def name(self) -> str:
        """Their identifier in the roster."""
        return self.person.namespace.removeprefix("user-")

    def does(self, lab: Lab) -> bool:
        """Whether a lab is one of their role."""
        return lab.role in {"relaie": ("", "relay"), "possède": ("", "owner")}.get(
            self.role, (lab.role,)
        )


# -- what is drawn ---------------------------------------------------------------------------------


def group(people: Sequence[Person], seed: str) -> Sequence[Pupil]:
    """Those of a class who work together, the first with the base that the others relay, and what
    each does of each lab. Every way comes back as often as it is in the deck."""
    chance = random.Random(seed)
    deck = _shuffled(_DECK, chance)
    pupils = [Pupil(person, _role(place, chance)) for place, person in enumerate(people)]
    for place, pupil in enumerate(pupils):
        others = [one for one in pupils if one is not pupil]
        pupil.colleague, pupil.third = others[0], others[-1] if len(others) > 1 else None
        pupil.ways = {lab.name: next(deck) for lab in all_labs() if pupil.does(lab)}
        pupil.answers = {
            lab.name: _answer(lab, pupil.ways[lab.name], chance)
            for lab in all_labs()
            if pupil.ways.get(lab.name, "skipped") != "skipped"
        }
        assert place == 0 or pupil.colleague is pupils[0]
    return pupils


def _role(place: int, chance: random.Random) -> Literal["relaie", "possède", ""]:
    if place < 2:
        return "relaie" if place else "possède"
    return chance.choice(("", "relaie", "possède"))


def _shuffled(deck: Sequence[Way], chance: random.Random) -> Iterator[Way]:
    while True:
        yield from chance.sample(deck, len(deck))


def _answer(lab: Lab, way: Way, chance: random.Random) -> Answer:
    if way == "wrong":
        return chance.choice(mistakes(lab))
    own = Answer("solution", lab.files("solution"), lab.about.solution.commands)
    return chance.choice([own, *(_cases(lab, "variantes") or [own])])


def mistakes(lab: Lab) -> Sequence[Answer]:
    """The lab's own start, and the typical mistakes that go with the people and the namespace."""
    start = lab.about.start
    return [
        Answer("depart", lab.files("depart"), start.commands, start.fails),
        *_cases(lab, "erreurs"),
    ]


def _cases(lab: Lab, family: Family) -> Sequence[Answer]:
    return [
        Answer(
            f"{family}/{name}",
            lab.case_files(family, name),
            _typed(lab, case),
            [case.fails] if case.fails else [],
            case.finding,
        )
        for name, case in lab.cases(family).items()
        if _is_of_the_place(lab, case)
    ]


def _typed(lab: Lab, case: Case) -> Sequence[str]:
    return lab.about.solution.commands if case.commands is None else case.commands


def _is_of_the_place(lab: Lab, case: Case) -> bool:
    """Whether a case changes nothing but what the learner's files and the lab's own commands do."""
    own = {*lab.about.setup.commands, *lab.about.solution.commands}
    return not (case.then or case.colleague_commands or case.team) and all(
        command in own or leaves_nothing(command) for command in _typed(lab, case)
    )


# -- what is played --------------------------------------------------------------------------------


@dataclass
class Done:
    """What came of a lab. `told`: the best verdict that the person has read, None where they have
    not verified. `kept`: the points that `nettoyer` said stay proven, None where it said nothing;
    `removed`: whether it removed anything; `warned`: whether it said that something will not count.
    `troubles`: what should not have been."""

    pupil: Pupil
    lab: Lab
    way: Way
    answer: Answer | None = None
    told: Mapping[str, Any] | None = None
    kept: Fraction | None = None
    removed: bool = False
    warned: bool = False
    troubles: list[str] = field(default_factory=list)

    @property
    def total(self) -> Fraction:
        """All the points of the lab."""
        return sum((exact(check.points) for check in self.lab.checks), Fraction())

    @property
    def proven(self) -> Fraction:
        """The points of what the person has read to be right: the lab's, never those of a
        verdict. What is verified in the namespace of somebody else is nobody's."""
        if self.told is None or self.told["namespace"] != self.pupil.person.namespace:
            return Fraction()
        right = {one["id"] for one in self.told["checks"] if one["status"] == "passed"}
        return sum(
            (exact(check.points) for check in self.lab.checks if check.id in right), Fraction()
        )

    def __str__(self) -> str:
        what = self.answer.name if self.answer else "rien"
        return f"{self.pupil.name} {self.lab.short_name} {self.way} ({what})"


def open_bases(lab: Lab, pupils: Sequence[Pupil]) -> None:
    """What colleagues do before a lab, once each."""
    asked = {id(one.colleague): one.colleague for one in pupils if one.colleague}
    for colleague in asked.values():
        Stage(lab, colleague.person).run(lab.about.setup.colleague_commands)


def play(pupil: Pupil, lab: Lab) -> Done:
    """Do a lab to the end of its page, cleaning excepted; what it makes stays there."""
    done = Done(pupil, lab, pupil.ways[lab.name], pupil.answers.get(lab.name))
    if done.answer is None:
        return done
    with scratch() as folder:
        # a terminal of their own: what a lab changes in the configuration does not stay
        own = Person(
            pupil.person.namespace, Path(shutil.copy2(pupil.person.kubeconfig, Path(folder) / "k"))
        )
        stage = _stage(pupil, lab, own)
        try:
            stage.run(lab.about.setup.commands)
            stage.apply(done.answer.files)
            stage.run(done.answer.commands)
            if done.way != "unseen":
                _verify(stage, done)
        except CahierError as trouble:
            done.troubles.append(f"{done} : {trouble.message}")
        finally:
            stage.close()
    return done


def _stage(pupil: Pupil, lab: Lab, person: Person) -> Stage:
    story = lab.about.story
    known = (story.namespace, story.colleague)
    texts = "\n".join(lab.files("solution").values())
    others = {one for one in re.findall(r"\buser-[a-z]+\b", texts) if one not in known}
    third = pupil.third
    return Stage(
        lab,
        person,
        pupil.colleague.person if pupil.colleague else None,
        local_port=unused_port() if lab.about.port else None,
        team=dict.fromkeys(others, third.person) if third else {},
    )


def _verify(stage: Stage, done: Done) -> None:
    """Verify until all is right, or the mistake is the one that the corpus tells."""
    lab = stage.lab
    words = ["verifier", lab.short_name, "--json", "--delai", f"{_LOOK_SECONDS}s"]
    if lab.about.colleague == "required":
        words += ["--collegue", *stage.declared[:1]]
    if stage.local_port:
        words += ["--port", str(stage.local_port)]
    deadline = time.monotonic() + _SETTLES_SECONDS
    while True:
        ran = cahier(stage.learner, *words)
        told = json.loads(ran.stdout)
        before = done.proven if done.told else Fraction(-1)
        if Done(done.pupil, lab, done.way, told=told).proven >= before:
            done.told = told
        if trouble := _unlike(done, told, stage.translate):
            if time.monotonic() < deadline:
                continue
            done.troubles.append(f"{done} : {trouble}")
        return


def _unlike(done: Done, told: Mapping[str, Any], translate: Callable[[str], str]) -> str:
    """How a verdict differs from what the answer is known for, "" where it does not."""
    failed = [check["id"] for check in told["checks"] if check["status"] == "failed"]
    fails = [*done.answer.fails] if done.answer else []
    if done.way == "right":
        return "" if told["status"] == "passed" else str(told)
    if done.answer is not None and done.answer.name == "depart":
        return "" if sorted(failed) == sorted(fails) else str(told)
    if failed[:1] != fails:
        return str(told)
    found = first_failed(told)["finding"]
    wanted = [translate(words) for words in done.answer.finding] if done.answer else []
    return "" if all(words in found for words in wanted) else str(told)


def clean(done: Done) -> None:
    """Clean up as the page tells, command by command."""
    if done.answer is None:
        return
    pupil, story = done.pupil, done.lab.about.story
    known = {story.namespace: pupil, story.colleague: pupil.colleague}
    # who else is in the story is somebody else of the group
    people = {
        name: known.get(f"user-{name}", pupil.third) or pupil for name in ("alice", "bob", "chloe")
    }
    given = {name.upper(): str(one.person.kubeconfig) for name, one in people.items()}
    stage = _stage(pupil, done.lab, pupil.person)
    for command in cleaning(done.lab):
        real = _CAST.sub(lambda found: people[found[1]].name, stage.translate(command))
        ran = subprocess.run(
            ["bash", "-c", real],
            env={**pupil.person.environment, **given},
            cwd=pupil.person.kubeconfig.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        words = shlex.split(real)
        if words[:2] == ["cahier", "nettoyer"]:
            if ran.returncode:
                done.troubles.append(f"{done} : {real} : {ran}")
            if kept := _KEPT.search(ran.stderr):
                done.kept = exact(float(kept[1].replace(",", ".")))
            done.removed = "Rien à retirer" not in ran.stdout + ran.stderr
            done.warned = "ne comptera pas" in ran.stderr
        if "Traceback" in ran.stderr:
            done.troubles.append(f"{done} : {real} : {ran}")


def cleaning(lab: Lab) -> Sequence[str]:
    """The commands with which the page of a lab cleans up."""
    section = _CLEANING.search(lab.page.read_text(encoding="utf-8"))
    text = section[1] if section else ""
    lexer = RawFencedCodeBlockLexer(_BLOCK)
    return [
        command.typed
        for region in lexer(Document(text, str(lab.page)))
        for command in commands(region.lexemes["source"])
    ]


def take_away(done: Done) -> None:
    """What the answer has made beside what the page cleans: its author knows of it."""
    if done.answer is None or done.answer.name in ("solution", "depart"):
        return
    stage = _stage(done.pupil, done.lab, done.pupil.person)
    with scratch() as folder:
        for name, text in done.answer.files.items():
            (Path(folder) / name).write_text(stage.translate(text), encoding="utf-8")
        command = ["kubectl", "delete", "-f", folder, "--ignore-not-found", "--now"]
        subprocess.run(
            command, env=dict(done.pupil.person.environment), capture_output=True, check=False
        )


def stop_all(pupil: Pupil) -> None:
    """Stop all that the catalogue runs for somebody: the course is over."""
    launched = {
        name
        for lab in all_labs()
        for state in (lab.about.setup, lab.about.solution)
        for command in (*state.commands, *state.colleague_commands)
        for name in _LAUNCHED.findall(command)
    }
    for name in sorted(launched):
        cahier(pupil.person, "catalogue", "arreter", name)


def cahier(person: Person, *words: str) -> subprocess.CompletedProcess[str]:
    """`cahier` as somebody types it."""
    return subprocess.run(
        ["cahier", *words],
        env={**os.environ, **person.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
