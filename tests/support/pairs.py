"""Two mistakes of a lab made at once: which can stand together, as their own files and commands
tell."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, islice
from pathlib import Path

import yaml

from checks.demo.recording import read
from checks.lab import Case, Lab

FAULTS = 2
_AT_LEAST = 2  # pairs of each lab
_STAGE_MS = 5000  # of a pair, beside its verdicts: a learner, a base
_CONFLICTS = range(1, 128)  # what `git merge-file` exits with


@dataclass(frozen=True)
class Work:
    """A state of the learner's work: files, and what is run."""

    files: Mapping[str, str]
    case: Case


@dataclass(frozen=True)
class Pair:
    """Two mistakes of a lab, and the work that has both."""

    lab: Lab
    names: tuple[str, str]
    work: Work

    def __str__(self) -> str:
        return f"{self.lab.short_name}-{'+'.join(self.names)}"


class Conflict(Exception):
    """Both mistakes change the same place, or one has no use for what the other needs."""


def drawn(labs: Sequence[Lab]) -> Sequence[Pair]:
    """The pairs of a run: CAHIER_PAIRES of them (30), 0 for all there are; CAHIER_GRAINE draws
    others. A lab whose verdict is quick has more of them."""
    count = int(os.environ.get("CAHIER_PAIRES", "30"))
    chance = random.Random(f"paires {os.environ.get('CAHIER_GRAINE', '')}")
    weights = [1 / (_STAGE_MS + _verdict_ms(lab)) for lab in labs]
    more = chance.choices(labs, weights, k=max(0, count - _AT_LEAST * len(labs)))
    found: list[Pair] = []
    for lab in labs:
        mistakes = Mistakes(lab)
        couples = chance.sample(mistakes.couples, len(mistakes.couples))
        most = _AT_LEAST + more.count(lab) if count else None
        found += islice(mistakes.standing(couples), most)
    return found


def _verdict_ms(lab: Lab) -> int:
    """How long its checks took when it was recorded."""
    return max(sum(one.duration_ms for one in part.verdict.checks) for part in read(lab).parts)


class Mistakes:
    """The mistakes of a lab that its remedies repair: nobody but the learner can decide of the
    others."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._cases = lab.cases("erreurs")
        self._works: dict[str, Work] = {}
        self._solution = _normal(lab.files("solution"))

    @property
    def couples(self) -> Sequence[tuple[str, str]]:
        """Any two of them."""
        return [*combinations([name for name, one in self._cases.items() if not one.no_remedy], 2)]

    def standing(self, couples: Sequence[tuple[str, str]]) -> Iterator[Pair]:
        """Those of these couples that can stand together: neither takes the place of the other."""
        for one, other in couples:
            works = self._work(one), self._work(other)
            with contextlib.suppress(Conflict):
                both = self._both(*works)
                if both not in works:
                    yield Pair(self.lab, (one, other), both)

    def _work(self, name: str) -> Work:
        """A mistake, whole: all its files, and what it leaves to the lab."""
        if name not in self._works:
            given, usual = self._cases[name], self.lab.about.solution.commands
            case = Case(
                description="",
                commands=usual if given.commands is None else given.commands,
                colleague_commands=given.colleague_commands,
                team=given.team,
                then=given.then,
            )
            self._works[name] = Work(_normal(self.lab.case_files("erreurs", name)), case)
        return self._works[name]

    def _both(self, one: Work, other: Work) -> Work:
        about, first, second = self.lab.about, one.case, other.case
        _require_no_need(about.solution.commands, first, second)
        _require_no_need(about.solution.commands, second, first)
        usual = not (first.colleague_commands or second.colleague_commands)
        setup = about.setup.colleague_commands
        theirs = [case.colleague_commands or setup for case in (first, second)]
        case = Case(
            description="",
            commands=_merged(about.solution.commands, first.commands or (), second.commands or ()),
            colleague_commands=() if usual else _merged(setup, *theirs),
            team=tuple(dict.fromkeys((*first.team, *second.team))),
            then=(*first.then, *second.then),
        )
        return Work(_merged_files(self._solution, one.files, other.files), case)


def _require_no_need(solution: Sequence[str], one: Case, other: Case) -> None:
    """Raises Conflict where one leaves out of the solution's commands, a wait most often, what the
    other runs again."""
    if not ({*solution} - {*(one.commands or ())}).isdisjoint(other.then):
        raise Conflict


# -- three-way merges ------------------------------------------------------------------------------


def _merged(base: Sequence[str], one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """The commands of both: what one has run besides comes last. Raises Conflict."""
    if one == other:
        return tuple(one)
    count = len(base)
    for some, rest in ((other, one), (one, other)):
        if [*some[:count]] == [*base]:
            return (*rest, *some[count:])
    texts = ("".join(f"{json.dumps(each)}\n" for each in some) for some in (base, one, other))
    return tuple(json.loads(line) for line in (_merged_text(*texts) or "").splitlines())


def _merged_files(
    base: Mapping[str, str], one: Mapping[str, str], other: Mapping[str, str]
) -> Mapping[str, str]:
    """The files of both. Raises Conflict where they change the same lines of one."""
    texts = {
        name: _merged_text(base.get(name), one.get(name), other.get(name))
        for name in sorted({*base, *one, *other})
    }
    return {name: text for name, text in texts.items() if text is not None}


def _merged_text(base: str | None, one: str | None, other: str | None) -> str | None:
    """A file of both, None for none."""
    if one == other or other == base:
        return one
    if one == base:
        return other
    if base is None or one is None or other is None:
        raise Conflict
    with tempfile.TemporaryDirectory() as folder:
        sides = {"one": one, "base": base, "other": other}
        for side, text in sides.items():
            Path(folder, side).write_text(text, encoding="utf-8")
        command = ["git", "merge-file", "-p", "-q", *sides]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
        )
    if done.returncode in _CONFLICTS:
        raise Conflict
    done.check_returncode()
    return done.stdout


class _Lines(yaml.SafeDumper):
    """Writes a text of several lines on as many: two mistakes may be in two of them."""


_Lines.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _normal(files: Mapping[str, str]) -> Mapping[str, str]:
    """The same objects, all written in one way: what differs is then what was changed."""
    return {name: _rewritten(text) for name, text in files.items()}


@cache  # most files of a mistake are those of the solution
def _rewritten(text: str) -> str:
    return yaml.dump_all(yaml.safe_load_all(text), Dumper=_Lines, allow_unicode=True, width=2**16)
