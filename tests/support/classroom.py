"""Stages for the cases of the corpus, and the people who play them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import yaml

from checks.lab import Case, Lab
from checks.stage import Person, Stage
from tests.conftest import unused_port
from tests.support.kept_people import Beginning, KeptPeople

_S = TypeVar("_S", bound=Stage)
Files = Mapping[str, str]
NONE: Files = MappingProxyType({})
_LAUNCH = re.compile(r"cahier catalogue lancer \S+ --nom \S+( --ouvert)?")


@dataclass
class Classroom(Generic[_S]):
    """Makes stages: a fresh learner each, or one who is `kept` and as fresh; the colleague shared
    where the lab's own setup is enough."""

    new_person: Callable[..., Person]
    new_resident: Callable[..., Person]
    colleagues: dict[str, Person]
    stages: type[_S]
    kept: KeptPeople | None = None

    @contextmanager
    def stages_of(self) -> Iterator[Callable[..., _S]]:
        """Sets stages, for a lab and perhaps one of its cases with its files; ends them all at
        last."""
        made: list[tuple[_S, Beginning]] = []

        def set_up(lab: Lab, case: Case | None = None, files: Files = NONE) -> _S:
            beginning = made_ahead(lab, case, files)
            stage = self._stage(lab, case, beginning)
            made.append((stage, beginning))
            return stage

        try:
            yield set_up
        finally:
            for stage, beginning in made:
                stage.close()
                if self.kept and beginning.commands:
                    self.kept.give_back(stage.learner, beginning)

    def _stage(self, lab: Lab, case: Case | None, beginning: Beginning) -> _S:
        colleague = None
        if lab.about.colleague != "none":
            fresh = case is not None and bool(case.colleague_commands)
            colleague = self._colleague(lab, fresh)
        keeper = self.kept if beginning.commands else None
        there = keeper.take(beginning) if keeper else None
        stage = self.stages(
            lab,
            there or (keeper.new if keeper else self.new_person)(),
            colleague,
            local_port=unused_port() if lab.about.port else None,
            team={name: self.new_person("t") for name in (case.team if case else ())},
        )
        if colleague and case is not None and case.colleague_commands:
            stage.run(case.colleague_commands, colleague)
        if keeper and there is None:
            beginning.play(stage)
            keeper.set_up(stage.learner)
        elif not keeper:
            stage.run(lab.about.setup.commands)
        return stage

    def _colleague(self, lab: Lab, fresh: bool) -> Person:
        if fresh:
            return self.new_person("c")
        if lab.name not in self.colleagues:
            colleague = self.new_resident("c")
            self.stages(lab, colleague, colleague).run(
                lab.about.setup.colleague_commands, colleague
            )
            self.colleagues[lab.name] = colleague
        return self.colleagues[lab.name]


def made_ahead(lab: Lab, case: Case | None, files: Files = NONE) -> Beginning:
    """What is made before a case, and is left for the next: the setup of its lab; where there is
    none, the launch with which it would begin, and the files that are those of the solution. Done
    again, nothing of it changes."""
    if lab.about.setup.commands or case is None:
        return Beginning(lab.about.setup.commands)
    usual = lab.about.solution.commands
    first = (usual if case.commands is None else case.commands)[:1]
    if not any(_LAUNCH.fullmatch(one) for one in first):
        return Beginning(())
    return Beginning(first, tuple(_unchanged(lab.files("solution"), files).items()))


def _unchanged(solution: Files, files: Files) -> Files:
    """The files of the solution that a case leaves as they are, where what they make stands without
    the others: all the Deployments have all the rest."""
    same = {name for name, text in solution.items() if _read(text) == _read(files.get(name, ""))}
    deployments = {
        name
        for name, text in solution.items()
        if any(one["kind"] == "Deployment" for one in _read(text))
    }
    whole = files.keys() == solution.keys() and solution.keys() - deployments <= same
    return {name: solution[name] for name in sorted(same)} if whole and same & deployments else NONE


def _read(text: str) -> Sequence[Mapping[str, Any]]:
    return [*yaml.safe_load_all(text)]
