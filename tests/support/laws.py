"""The laws of the corpus, on a stage that is set: starters fail as announced, right answers pass,
mistakes are caught for their own reason, and printed remedies repair."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.lab import Case, Family
from checks.stage import Stage
from tests.support.verdicts import judged

Verdict = Mapping[str, Any]
"""What `cahier verifier --json` says."""


def starter_fails_what_it_announces(stage: Stage) -> None:
    """The lab's own start is false where the lab says so."""
    stage.apply(stage.lab.files("depart"))
    stage.run(stage.lab.about.start.commands)
    verdict = verify(stage)
    assert sorted(failed(verdict)) == sorted(stage.lab.about.start.fails), statuses(verdict)


def solution_passes(stage: Stage) -> None:
    """The lab's solution gives all the points."""
    stage.apply(stage.lab.files("solution"))
    stage.run(stage.lab.about.solution.commands)
    verdict = verify(stage)
    assert verdict["status"] == "passed", statuses(verdict)
    assert verdict["points"] == verdict["points_max"]


def other_right_answer_passes(stage: Stage, name: str) -> Verdict:
    """A variant is right."""
    set_case(stage, "variantes", name)
    verdict = verify(stage)
    assert verdict["status"] == "passed", statuses(verdict)
    return verdict


def mistake_is_caught(stage: Stage, name: str, here: Path) -> Verdict:
    """A mistake is false for the reason that it announces, and the solution is not given away. The
    learner's folder is made in `here`."""
    stage.folder = begun(stage, stage.lab.case_files("erreurs", name), here)
    case = set_case(stage, "erreurs", name)
    verdict = verify(stage)
    assert verdict["status"] == "failed", statuses(verdict)
    lesson = first_failed(verdict)
    assert lesson["id"] == case.fails, statuses(verdict)
    for words in case.finding:
        assert stage.translate(words) in lesson["finding"], statuses(verdict)
    for command in lesson["fix_commands"]:
        assert command not in lesson["finding"] + lesson["cause"], (
            "without --aide the solution is not given away"
        )
    return verdict


def mistake_is_undone(stage: Stage, name: str, here: Path, fails: str) -> None:
    """An operator undoes a mistake: only what it cannot mend is still false, `fails` "" where there
    is none."""
    stage.folder = begun(stage, stage.lab.case_files("erreurs", name), here)
    set_case(stage, "erreurs", name)
    verdict = verify(stage)
    assert [*failed(verdict)] == ([fails] if fails else []), statuses(verdict)


def printed_remedies_repair(stage: Stage, verdict: Verdict) -> None:
    """What is printed, run as it is, makes all right; and the learner's files, applied again once
    they have written in them what they are told, leave it so."""
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


def remedies_followed_one_by_one_repair(stage: Stage, faults: int) -> None:
    """Whoever follows only the first red sentence, and its remedy as it is printed, reaches green
    in as many rounds as there are faults, and one more; and loses no green on the way."""
    verify(stage, "0s")  # the first look ends a tunnel that was dead: it is no remedy that does
    verdict = verify(stage)
    told = [statuses(verdict)]
    for _ in range(faults + 1):
        if verdict["status"] == "passed":
            return
        assert failed(verdict), _story("nothing is red, and not all is green", told)
        commands = first_failed(verdict)["fix_commands"]
        assert commands, _story("the first red sentence prints no remedy", told)
        told.append("\n".join(f"$ {command}" for command in commands))
        stage.run(commands)
        before, verdict = verdict, verify(stage)
        told.append(statuses(verdict))
        lost = sorted(passed(before) & failed(verdict).keys())
        assert not lost, _story(f"this remedy turns green into red: {', '.join(lost)}", told)
    assert verdict["status"] == "passed", _story(f"still red after {faults + 1} rounds", told)


def _story(moral: str, told: Sequence[str]) -> str:
    return "\n\n".join((moral, *told))


def first_failed(verdict: Verdict) -> dict[str, Any]:
    """The first check that is false."""
    return next(check for check in verdict["checks"] if check["status"] == "failed")


def verify(stage: Stage, delay: str = "30s") -> Verdict:
    """What `cahier verifier --json` says to the learner, exit code checked."""
    command = ["verifier", stage.lab.short_name, "--json", "--delai", delay]
    for namespace in stage.declared:
        command += ["--collegue", namespace]
    if stage.local_port:
        command += ["--port", str(stage.local_port)]
    return judged(stage.learner, command)


def failed(verdict: Verdict) -> dict[str, str]:
    return {
        check["id"]: check["finding"] for check in verdict["checks"] if check["status"] == "failed"
    }


def passed(verdict: Verdict) -> set[str]:
    return {check["id"] for check in verdict["checks"] if check["status"] == "passed"}


def statuses(verdict: Verdict) -> str:
    return "\n".join(
        f"{check['status']:10} {check['id']}: {check['finding']}" for check in verdict["checks"]
    )


def set_case(stage: Stage, family: Family, name: str) -> Case:
    case = stage.lab.cases(family)[name]
    set_work(stage, stage.lab.case_files(family, name), case)
    return case


def set_work(stage: Stage, files: Mapping[str, str], case: Case) -> None:
    """These files in the place of the case's own, then what it runs. Raises CahierError."""
    usual = stage.lab.about.solution.commands
    stage.apply(files)
    stage.run(usual if case.commands is None else case.commands)
    stage.run(case.then)


# To what a file of a lab may say.
_HARMLESS = ("kill ", "kubectl rollout ", "kubectl port-forward ", "kubectl delete pod ")


def begun(stage: Stage, files: Mapping[str, str], here: Path) -> Path:
    """The folder where the learner works, with the files of the lab as they have written them."""
    folder = here / stage.lab.name
    folder.mkdir()
    for name, text in files.items():
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
