"""A fault between us and the cluster is never the learner's: one answer of the API server is spoilt at a time.

What was right may become « non vérifiable » or « erreur », never false; nothing ends in a traceback, nothing stays.
A longer draw, or every request with every kind: CAHIER_PANNES=200 or 0.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.facts import PROBE_LABEL
from checks.lab import all_labs, find_lab
from checks.places import people_folder
from checks.stage import Person, Stage
from tests.conftest import unused_port
from tests.faulty_api import KINDS, Faults, faulty
from tests.typed import Run, typed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(7200)]

LABS = [lab.short_name for lab in all_labs()]
OTHERS = ("diagnostiquer", "instantane", "noter", "catalogue", "")
DRAWN = int(os.environ.get("CAHIER_PANNES", "8"))
SLOW = ("tp4", "tp7", "tp8")  # a verification that places probes takes seconds: fewer of their faults are drawn

Statuses = Mapping[str, str]


@dataclass
class Scene:
    """Somebody whose work is right, a command that they type, and the proxy before their cluster."""

    command: list[str]
    kubeconfig: Path
    faults: Faults
    folder: Path
    person: Person

    def play(self, index: int | None, kind: str = "") -> Run:
        self.faults.plan(index, kind)
        return typed(self.command, self.kubeconfig)

    def statuses(self, run: Run) -> Statuses:
        """Of each check that the command has judged."""
        if self.command[:1] == ["verifier"]:
            return {one["id"]: one["status"] for one in run.verdict["checks"]} if run.said else {}
        if self.command[:1] == ["noter"] and run.code in (0, 3):
            notes = json.loads((self.folder / "notes" / "notes.json").read_text(encoding="utf-8"))
            labs = [lab for learner in notes["learners"] for lab in learner["labs"]]
            return {f"{lab['lab']} {one['id']}": one["status"] for lab in labs for one in lab["checks"]}
        return {}


def _ready(stage: Stage) -> None:
    if stage.colleague:
        Stage(stage.lab, stage.colleague, stage.colleague).run(
            stage.lab.about.setup.colleague_commands, stage.colleague
        )
    stage.run(stage.lab.about.setup.commands)
    stage.apply(stage.lab.files("solution"))
    stage.run(stage.lab.about.solution.commands)


def _words(name: str, stage: Stage, folder: Path) -> list[str]:
    """The command of a scene."""
    if name in LABS:
        words = ["verifier", name, "--json", "--delai", "0s"]
        words += ["--collegue", stage.colleague.namespace] if stage.colleague else []
        return words + (["--port", str(stage.local_port)] if stage.local_port else [])
    if name == "noter":
        roster = folder / "classe.csv"
        line = f"un;Nom;Prénom;un@exemple.fr;{stage.learner.namespace};"
        roster.write_text(f"identifiant;nom;prenom;email;namespace;collegue\n{line}\n", encoding="utf-8")
        return ["noter", str(roster), "--labs", "tp1,tp2", "--sortie", str(folder / "notes")]
    return {"instantane": ["instantane", "-o", str(folder / "vu.json")], "catalogue": ["catalogue", "lister"]}.get(
        name, [name] if name else []
    )


@pytest.fixture
def scene(
    request: pytest.FixtureRequest, new_person: Callable[..., Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    lab = find_lab(request.param if request.param in LABS else "tp2")
    colleague = new_person("c") if lab.about.colleague != "none" else None
    stage = Stage(lab, new_person(), colleague, local_port=unused_port() if lab.about.port else None)
    try:
        _ready(stage)
        cast = [stage.learner, *([colleague] if colleague else [])]
        people = {one.namespace.removeprefix("user-"): one.kubeconfig for one in cast}
        people |= {name: people_folder() / f"{name}.kubeconfig" for name in ("chloe", "prof")}
        access = tmp_path / "etat" / "cluster" / "people"  # where the local cluster keeps it
        access.mkdir(parents=True)
        who = "prof" if request.param == "noter" else stage.learner.namespace.removeprefix("user-")
        with faulty(people, access) as (kubeconfigs, faults):
            monkeypatch.setenv("CAHIER_ETAT", str(tmp_path / "etat"))
            yield Scene(_words(request.param, stage, tmp_path), kubeconfigs[who], faults, tmp_path, stage.learner)
    finally:
        stage.close()


def _drawn(name: str, requests: int) -> list[tuple[int, str]]:
    every = [(index, kind) for index in range(requests) for kind in KINDS]
    if not DRAWN:
        return every
    wanted = DRAWN // 4 if name in SLOW else DRAWN
    return random.Random(f"{name} {os.environ.get('CAHIER_GRAINE', '')}").sample(every, min(wanted, len(every)))


@pytest.mark.parametrize("scene", [*LABS, *OTHERS], indirect=True, ids=[*LABS, *OTHERS[:-1], "cahier"])
def test_a_fault_of_the_network_is_never_the_learner_s(
    scene: Scene, admin: Api, request: pytest.FixtureRequest
) -> None:
    for _ in range(4):  # what is still starting settles
        right = scene.play(None)
        before = scene.statuses(right)
        if "failed" not in before.values():
            break
    assert "failed" not in before.values(), right.said
    asked = list(scene.faults.asked)
    wrong = []
    faults = _drawn(request.node.callspec.id, len(asked))
    for index, kind in faults:
        ended = scene.play(index, kind)
        met = scene.faults.asked[index] if index < len(scene.faults.asked) else f"(never asked) {asked[index]}"
        why = _amiss(scene, ended, before)
        if why:
            wrong.append(f"{kind} at {index} ({met}): {why}")
    print(f"{len(faults)} faults, {len(wrong)} wrong ends")
    assert not wrong, f"{len(wrong)} wrong ends of {len(faults)}:\n" + "\n".join(wrong)
    path = f"/api/v1/namespaces/{scene.person.namespace}/pods"
    assert not admin.objects("Pod", path, {"labelSelector": PROBE_LABEL}), "probes stay behind"


def _amiss(scene: Scene, ended: Run, before: Statuses) -> str:
    """What is wrong with how a command ended, "" for nothing."""
    everything = ended.said + ended.complained
    if "Traceback" in everything or "a un problème" in everything:
        return f"{everything[-300:]}"
    if not ended.said and ended.code != 3:
        return f"exit {ended.code}: {ended.complained[-300:]}"
    now = scene.statuses(ended)
    turned = [name for name, status in now.items() if status == "failed" and before.get(name) == "passed"]
    if turned:
        return f"{turned[0]} becomes false: {_finding(ended, turned[0])}"
    if scene.command[:1] == ["verifier"] and ended.said:
        expected = {"passed": 0, "failed": 1}.get(ended.verdict["status"], 3)
        return "" if ended.code == expected else f"exit {ended.code} for {ended.verdict['status']}"
    return ""


def _finding(ended: Run, identifier: str) -> str:
    try:
        return next(str(one["finding"]) for one in ended.verdict["checks"] if one["id"] == identifier)
    except ValueError:  # no verdict of one lab
        return ""
