"""The laws, over every lab, on the real cluster: starters fail as announced, right answers pass,
mistakes are caught for their own reason, and printed remedies repair."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from checks.lab import Case, Lab, all_labs
from checks.stage import Person, Stage
from checks.verdict import Verdict
from tests.support import findings, recorded
from tests.support.drawn_path import agrees

pytestmark = pytest.mark.cluster

LABS = list(all_labs())
MISTAKES = [(lab, name) for lab in LABS for name in lab.cases("erreurs")]
VARIANTS = [(lab, name) for lab in LABS for name in lab.cases("variantes")]


def _ids(pairs: list[tuple[Lab, str]]) -> list[str]:
    return [f"{lab.short_name}-{name}" for lab, name in pairs]


@dataclass
class Classroom:
    """Makes stages: a fresh learner each, the colleague shared where the lab's own setup is
    enough."""

    new_person: Callable[..., Person]
    new_resident: Callable[..., Person]
    colleagues: dict[str, Person]

    def stage(self, lab: Lab, port: int, case: Case | None = None) -> Stage:
        colleague = None
        if lab.about.colleague != "none":
            fresh = case is not None and bool(case.colleague_commands)
            colleague = self._colleague(lab, fresh)
        stage = Stage(
            lab, self.new_person(), colleague, local_port=port if lab.about.port else None
        )
        if colleague and case is not None and case.colleague_commands:
            stage.run(case.colleague_commands, colleague)
        stage.run(lab.about.setup.commands)
        return stage

    def _colleague(self, lab: Lab, fresh: bool) -> Person:
        if fresh:
            return self.new_person("c")
        if lab.name not in self.colleagues:
            colleague = self.new_resident("c")
            Stage(lab, colleague, colleague).run(lab.about.setup.colleague_commands, colleague)
            self.colleagues[lab.name] = colleague
        return self.colleagues[lab.name]


@pytest.fixture(scope="module")
def colleagues() -> dict[str, Person]:
    """Who has shared their database, by lab."""
    return {}


@pytest.fixture
def classroom(
    new_person: Callable[..., Person],
    new_resident: Callable[..., Person],
    colleagues: dict[str, Person],
) -> Classroom:
    return Classroom(new_person, new_resident, colleagues)


@pytest.fixture
def close_after() -> Iterator[Callable[[Stage], Stage]]:
    """Ends a stage's terminals."""
    stages: list[Stage] = []

    def keep(stage: Stage) -> Stage:
        stages.append(stage)
        return stage

    yield keep
    for stage in stages:
        stage.close()


def verify(stage: Stage, delay: str = "30s") -> dict[str, Any]:
    """What `cahier verifier --json` says to the learner, exit code checked."""
    command = ["cahier", "verifier", stage.lab.short_name, "--json", "--delai", delay]
    if stage.colleague:
        command += ["--collegue", stage.colleague.namespace]
    if stage.local_port:
        command += ["--port", str(stage.local_port)]
    done = subprocess.run(
        command, env=dict(stage.learner.environment), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    verdict: dict[str, Any] = json.loads(done.stdout)
    expected = {"passed": 0, "failed": 1}.get(verdict["status"], 3)
    assert done.returncode == expected, done.stderr
    return verdict


def failed(verdict: Mapping[str, Any]) -> dict[str, str]:
    return {
        check["id"]: check["finding"] for check in verdict["checks"] if check["status"] == "failed"
    }


def statuses(verdict: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{check['status']:10} {check['id']}: {check['finding']}" for check in verdict["checks"]
    )


def set_case(stage: Stage, family: str, name: str) -> Case:
    lab = stage.lab
    case = lab.cases(family)[name]  # type: ignore[arg-type]
    stage.apply(lab.case_files(family, name))  # type: ignore[arg-type]
    stage.run(lab.about.solution.commands if case.commands is None else case.commands)
    stage.run(case.then)
    return case


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
def test_starter_fails_what_it_announces(
    lab: Lab, classroom: Classroom, close_after: Callable[[Stage], Stage], free_port: int
) -> None:
    stage = close_after(classroom.stage(lab, free_port))
    stage.apply(lab.files("depart"))
    stage.run(lab.about.start.commands)
    verdict = verify(stage)
    assert sorted(failed(verdict)) == sorted(lab.about.start.fails), statuses(verdict)


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
def test_solution_passes(
    lab: Lab, classroom: Classroom, close_after: Callable[[Stage], Stage], free_port: int
) -> None:
    stage = close_after(classroom.stage(lab, free_port))
    stage.apply(lab.files("solution"))
    stage.run(lab.about.solution.commands)
    verdict = verify(stage)
    assert verdict["status"] == "passed", statuses(verdict)
    assert verdict["points"] == verdict["points_max"]


@pytest.mark.parametrize(("lab", "name"), VARIANTS, ids=_ids(VARIANTS))
def test_other_right_answer_passes(
    lab: Lab, name: str, classroom: Classroom, close_after: Callable[[Stage], Stage], free_port: int
) -> None:
    stage = close_after(classroom.stage(lab, free_port, lab.cases("variantes")[name]))
    set_case(stage, "variantes", name)
    verdict = verify(stage)
    assert verdict["status"] == "passed", statuses(verdict)
    if "CAHIER_INSTANTANES" in os.environ:
        recorded.keep(stage, f"variantes/{name}", msgspec.convert(verdict, Verdict))


@pytest.mark.parametrize(("lab", "name"), MISTAKES, ids=_ids(MISTAKES))
def test_mistake_is_caught_and_its_remedy_repairs(
    lab: Lab,
    name: str,
    classroom: Classroom,
    close_after: Callable[[Stage], Stage],
    free_port: int,
    tmp_path: Path,
) -> None:
    stage = close_after(classroom.stage(lab, free_port, lab.cases("erreurs")[name]))
    stage.folder = begun(stage, name, tmp_path)
    case = set_case(stage, "erreurs", name)
    verdict = verify(stage)
    assert verdict["status"] == "failed", statuses(verdict)
    first, finding = next(iter(failed(verdict).items()))
    assert first == case.fails, statuses(verdict)
    for words in case.finding:
        assert stage.translate(words) in finding
    agrees(lab, msgspec.convert(verdict, Verdict))
    lesson = next(check for check in verdict["checks"] if check["id"] == first)
    for command in lesson["fix_commands"]:
        assert command not in finding + lesson["cause"], (
            "without --aide the solution is not given away"
        )
    text, kept = findings.written(stage, lesson), findings.path(stage.lab, name)
    if "CAHIER_CONSTATS" in os.environ:
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8"), (
        "another lesson than the one reviewed: make findings"
    )
    if "CAHIER_INSTANTANES" in os.environ:
        recorded.keep(stage, f"erreurs/{name}", msgspec.convert(verdict, Verdict))
        return
    if case.no_remedy:
        return
    typed: list[str] = []
    lines: list[Sequence[str]] = []
    for _ in range(4):  # a repair may uncover the next mistake
        for check in verdict["checks"]:
            if check["status"] == "failed":
                stage.run(check["fix_commands"])
                typed += check["fix_commands"]
                lines.append(check["fix_lines"])
        verdict = verify(stage)
        if verdict["status"] == "passed":
            if changed_by_the_files(stage, typed):
                for written in lines:
                    write_lines(stage.folder, written)
                take_out(stage.folder, typed)
                stage.run(["kubectl apply -f ."])
                verdict = verify(stage)
                assert verdict["status"] == "passed", (
                    "the learner's files undo the remedies:\n" + statuses(verdict)
                )
            return
    pytest.fail("the printed remedies do not repair:\n" + statuses(verdict))


# To what a file of a lab may say.
_HARMLESS = ("kill ", "kubectl rollout ", "kubectl port-forward ", "kubectl delete pod ")


def begun(stage: Stage, mistake: str, here: Path) -> Path:
    """The folder where the learner works, with the files of the lab as they have written them."""
    folder = here / stage.lab.name
    folder.mkdir()
    for name, text in stage.lab.case_files("erreurs", mistake).items():
        if name in stage.lab.files("depart"):
            (folder / name).write_text(stage.translate(text), encoding="utf-8")
    return folder


_PLACE = re.compile(r"# (?P<file>\S+), (?P<kind>\w+) (?P<name>\S+)(?:, sous « (?P<key>\w+) »)? :")


def write_lines(folder: Path, lines: Sequence[str]) -> None:
    """Write these lines of a remedy in the object of the file that they name, as the learner
    does."""
    place = _PLACE.fullmatch(lines[0]) if lines else None
    if place is None or not (folder / place["file"]).exists():
        return
    file, written = folder / place["file"], yaml.safe_load("\n".join(lines[1:]))
    documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    for one in documents:
        if (one["kind"], one["metadata"]["name"]) != (place["kind"], place["name"]):
            continue
        if isinstance(written, list):
            one[place["key"]] = [
                *(item for item in one[place["key"]] if item not in written),
                *written,
            ]
        else:
            _merge(one[place["key"]] if place["key"] else one, written)
    file.write_text(
        yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )


def take_out(folder: Path, typed: Sequence[str]) -> None:
    """Take out of the files what a remedy has deleted, as the learner does who is told so."""
    gone = {
        tuple(one.split()[2:4]) for one in typed if one.startswith("kubectl delete networkpolicy ")
    }
    for file in folder.glob("*.yaml"):
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        kept = [
            one for one in documents if (one["kind"].lower(), one["metadata"]["name"]) not in gone
        ]
        if kept != documents:
            file.write_text(
                yaml.safe_dump_all(kept, sort_keys=False, allow_unicode=True), encoding="utf-8"
            )


def _merge(into: dict[str, Any], given: Mapping[str, Any]) -> None:
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def changed_by_the_files(stage: Stage, typed: Sequence[str]) -> bool:
    """Whether applying the files of the folder again would change anything after these remedies."""
    solved = max(
        (at for at, one in enumerate(typed) if one.startswith("cahier solution ")), default=-1
    )
    changing = [one for one in typed[solved + 1 :] if not one.startswith(_HARMLESS)]
    if not changing or not any(stage.folder.glob("*.yaml")):
        return False
    done = subprocess.run(
        ["kubectl", "diff", "-f", str(stage.folder)],
        env=dict(stage.learner.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode != 0
