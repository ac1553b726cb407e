"""Stages for the cases of the corpus, and the people who play them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from checks.lab import Case, Lab
from checks.stage import Person, Stage
from tests.conftest import unused_port
from tests.support.kept_people import KeptPeople

_S = TypeVar("_S", bound=Stage)
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
        """Sets stages, for a lab and perhaps one of its cases; ends them all at last."""
        made: list[tuple[_S, Sequence[str]]] = []

        def set_up(lab: Lab, case: Case | None = None) -> _S:
            beginning = made_ahead(lab, case) if self.kept else ()
            stage = self._stage(lab, case, beginning)
            made.append((stage, beginning))
            return stage

        try:
            yield set_up
        finally:
            for stage, beginning in made:
                stage.close()
                if self.kept and beginning:
                    self.kept.give_back(stage.learner, beginning)

    def _stage(self, lab: Lab, case: Case | None, beginning: Sequence[str]) -> _S:
        colleague = None
        if lab.about.colleague != "none":
            fresh = case is not None and bool(case.colleague_commands)
            colleague = self._colleague(lab, fresh)
        keeper = self.kept if beginning else None
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
        if there is None:
            stage.run(beginning or lab.about.setup.commands)
            if keeper:
                keeper.set_up(stage.learner)
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


def made_ahead(lab: Lab, case: Case | None) -> Sequence[str]:
    """What is run before a case, and is left for the next: the setup of its lab, or the launch with
    which it would begin. Launched again, a database that is there stays as it is."""
    if lab.about.setup.commands or case is None:
        return lab.about.setup.commands
    usual = lab.about.solution.commands
    first = (usual if case.commands is None else case.commands)[:1]
    return [one for one in first if _LAUNCH.fullmatch(one)]
