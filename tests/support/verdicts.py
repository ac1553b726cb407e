"""What `cahier` says to a person of the tests, whatever their namespace, their name and their
cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from checks.stage import Person, Stage
from tests.support.typed import typed


def verify(person: Person, lab: str, *options: str) -> dict[str, Any]:
    """What `cahier verifier --json` says, exit code checked."""
    return judged(person, ["verifier", lab, "--json", *options])


def judged(person: Person, command: Sequence[str]) -> dict[str, Any]:
    """The verdict of a command, exit code checked."""
    done = typed(command, None, environment=person.environment)
    assert "Traceback" not in done.complained, done.complained
    assert done.said, done.complained
    verdict: dict[str, Any] = json.loads(done.said)
    assert done.code == {"passed": 0, "failed": 1}.get(verdict["status"], 3), done.complained
    return verdict


def run(person: Person, *words: str, code: int = 0) -> str:
    """Both outputs of a command, exit code checked."""
    done = subprocess.run(
        words,
        env={**person.environment, "COLUMNS": "400"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def said(verdict: Mapping[str, Any], status: str) -> dict[str, str]:
    """Finding of each check that has this status."""
    return {
        check["id"]: check["finding"] for check in verdict["checks"] if check["status"] == status
    }


def shown(verdict: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{check['status']:10} {check['id']}: {check['finding']}" for check in verdict["checks"]
    )


def repaired(stage: Stage, lab: str, *options: str) -> dict[str, Any]:
    """The verdict once the printed remedies have been run, as they are."""
    verdict = verify(stage.learner, lab, *options)
    for _ in range(3):  # a repair may uncover the next mistake
        if verdict["status"] != "failed":
            break
        for check in verdict["checks"]:
            stage.run(check["fix_commands"])
        verdict = verify(stage.learner, lab, *options)
    return verdict
