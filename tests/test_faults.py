"""A fault between us and the cluster is never the learner's: one answer of the API server is spoilt at a time.

What was right may become « non vérifiable » or « erreur », never false; nothing ends in a traceback, nothing stays.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from checks.access.kubernetes_api import Api
from checks.cli import main
from checks.facts import PROBE_LABEL
from checks.lab import find_lab
from checks.stage import Person, Stage
from tests.conftest import unused_port
from tests.faulty_api import KINDS, Faults, faulty

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

LABS = ("tp1", "tp2", "tp3", "tp5", "tp6")
DRAWN = int(os.environ.get("CAHIER_PANNES", "12"))
"""Faults drawn for each lab; 0: every request with every kind."""


@dataclass(frozen=True)
class Run:
    """What a command wrote, and how it ended."""

    code: int
    said: str
    complained: str

    @property
    def verdict(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.said)
        return found

    def statuses(self) -> Mapping[str, str]:
        return {check["id"]: check["status"] for check in self.verdict["checks"]}


@dataclass
class Bench:
    """A learner whose work is right, and the proxy between them and the API server."""

    stage: Stage
    kubeconfig: Path
    faults: Faults
    wrong: list[str] = field(default_factory=list)

    @property
    def command(self) -> list[str]:
        lab, colleague = self.stage.lab, self.stage.colleague
        words = ["verifier", lab.short_name, "--json", "--delai", "0s"]
        if colleague:
            words += ["--collegue", colleague.namespace]
        if self.stage.local_port:
            words += ["--port", str(self.stage.local_port)]
        return words

    def run(self, index: int | None, kind: str = "") -> Run:
        self.faults.plan(index, kind)
        return typed(self.command, self.kubeconfig)


def typed(command: list[str], kubeconfig: Path) -> Run:
    """`cahier` with these words, in this process: Python's start is most of a command's time."""
    out, err = io.StringIO(), io.StringIO()
    before, code = (sys.argv, dict(os.environ)), 1
    sys.argv = ["cahier", *command]
    os.environ["KUBECONFIG"] = str(kubeconfig)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Exception:
        traceback.print_exc(file=err)
    finally:
        sys.argv = before[0]
        os.environ.clear()
        os.environ.update(before[1])
    return Run(code, out.getvalue(), err.getvalue())


@pytest.fixture
def bench(request: pytest.FixtureRequest, new_person: Callable[..., Person], tmp_path: Path) -> Iterator[Bench]:
    lab = find_lab(request.param)
    colleague = new_person("c") if lab.about.colleague != "none" else None
    if colleague:
        Stage(lab, colleague, colleague).run(lab.about.setup.colleague_commands, colleague)
    stage = Stage(lab, new_person(), colleague, local_port=unused_port() if lab.about.port else None)
    try:
        stage.run(lab.about.setup.commands)
        stage.apply(lab.files("solution"))
        stage.run(lab.about.solution.commands)
        with faulty(stage.learner.kubeconfig, tmp_path) as (kubeconfig, faults):
            yield Bench(stage, kubeconfig, faults)
    finally:
        stage.close()


def _drawn(lab: str, requests: int) -> list[tuple[int, str]]:
    every = [(index, kind) for index in range(requests) for kind in KINDS]
    if not DRAWN:
        return every
    return random.Random(f"{lab} {os.environ.get('CAHIER_GRAINE', '')}").sample(every, min(DRAWN, len(every)))


@pytest.mark.parametrize("bench", LABS, indirect=True, ids=LABS)
def test_a_fault_of_the_network_is_never_the_learner_s(bench: Bench, admin: Api) -> None:
    for _ in range(3):  # what is still starting settles
        right = bench.run(None)
        if right.verdict["status"] in ("passed", "unverified"):
            break
    before = right.statuses()
    assert "failed" not in before.values(), right.said
    asked = list(bench.faults.asked)
    wrong = []
    for index, kind in _drawn(bench.stage.lab.short_name, len(asked)):
        ended = bench.run(index, kind)
        met = bench.faults.asked[index] if index < len(bench.faults.asked) else asked[index]
        why = _amiss(ended, before)
        if why:
            wrong.append(f"{kind} at {index} ({met}): {why}")
    path = f"/api/v1/namespaces/{bench.stage.learner.namespace}/pods"
    left = admin.request("GET", path, query={"labelSelector": PROBE_LABEL})["items"]
    assert not left, "probes stay behind"
    assert not wrong, f"{len(wrong)} wrong ends:\n" + "\n".join(wrong)


def _amiss(ended: Run, before: Mapping[str, str]) -> str:
    """What is wrong with how a command ended, "" for nothing."""
    if "Traceback" in ended.said + ended.complained:
        return f"traceback: {ended.complained[-300:]}"
    if not ended.said:
        return "" if ended.code == 3 and ended.complained.strip() else f"exit {ended.code}: {ended.complained[-300:]}"
    turned = [name for name, status in ended.statuses().items() if status == "failed" and before[name] == "passed"]
    if turned:
        finding = next(one["finding"] for one in ended.verdict["checks"] if one["id"] == turned[0])
        return f"{turned[0]} becomes false: {finding}"
    problems = [one["finding"] for one in ended.verdict["checks"] if "Le vérificateur a un problème" in one["finding"]]
    if problems:
        return str(problems[0])
    expected = {"passed": 0, "failed": 1}.get(ended.verdict["status"], 3)
    return "" if ended.code == expected else f"exit {ended.code} for {ended.verdict['status']}"
