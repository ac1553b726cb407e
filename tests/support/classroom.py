"""Stages for the cases of the corpus, and the people who play them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from checks.lab import Case, Lab
from checks.stage import Person, Stage
from tests.support.kept_people import KeptPeople

_S = TypeVar("_S", bound=Stage)


@dataclass
class Classroom(Generic[_S]):
    """Makes stages: a fresh learner each, or one who is `kept` and as fresh; the colleague shared
    where the lab's own setup is enough."""

    new_person: Callable[..., Person]
    new_resident: Callable[..., Person]
    colleagues: dict[str, Person]
    stages: type[_S]
    kept: KeptPeople | None = None

    def stage(self, lab: Lab, port: int, case: Case | None = None) -> _S:
        colleague = None
        if lab.about.colleague != "none":
            fresh = case is not None and bool(case.colleague_commands)
            colleague = self._colleague(lab, fresh)
        keeper = self.kept if lab.about.setup.commands else None
        there = keeper.take(lab) if keeper else None
        stage = self.stages(
            lab,
            there or (keeper.new if keeper else self.new_person)(),
            colleague,
            local_port=port if lab.about.port else None,
            team={name: self.new_person("t") for name in (case.team if case else ())},
        )
        if colleague and case is not None and case.colleague_commands:
            stage.run(case.colleague_commands, colleague)
        if there is None:
            stage.run(lab.about.setup.commands)
            if keeper:
                keeper.set_up(stage.learner)
        return stage

    def end(self, stage: _S) -> None:
        """End its terminals, and keep its learner for another case where that can be."""
        stage.close()
        if self.kept and stage.lab.about.setup.commands:
            self.kept.give_back(stage.lab, stage.learner)

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
