"""A class that cleans up after each lab, as the pages tell: marks are the same before and after,
and whoever did nothing has a zero with its reason."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from checks.access.kubernetes_api import Api
from checks.lab import Lab, find_lab
from checks.local_sspcloud import people
from checks.stage import Person, Stage
from tests.conftest import unused_port

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

LABS = [find_lab(name) for name in ("tp1", "tp2", "tp3", "tp5")]


@dataclass
class Pupil:
    """Somebody who does labs one after the other, with whoever has the base."""

    person: Person
    role: str
    other: Person | None = None
    said: list[str] = field(default_factory=list)

    def does(self, lab: Lab, *, verifies: bool = True) -> None:
        """Do a lab to the end of its page, cleaning excepted; what it launches stays there."""
        other = self.other if lab.about.colleague == "required" else None
        stage = Stage(lab, self.person, other, local_port=unused_port() if lab.about.port else None)
        try:
            if other is not None:
                stage.run(lab.about.setup.colleague_commands, other)
            stage.run(lab.about.setup.commands)
            stage.apply(lab.files("solution"))
            stage.run(lab.about.solution.commands)
            if verifies:
                port = ["--port", str(stage.local_port)] if stage.local_port else []
                with_whom = ["--collegue", other.namespace] if other else []
                done = self.cahier("verifier", lab.short_name, *port, *with_whom)
                assert done.returncode == 0, done
        finally:
            stage.close()

    def cleans(self, lab: Lab) -> str:
        """Clean up as the page does; what the command says of marks."""
        done = self.cahier("nettoyer", lab.short_name)
        assert done.returncode == 0, done
        return done.stderr

    def cahier(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["cahier", *words],
            env=dict(self.person.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )


def roster(pupils: Mapping[str, Pupil], path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["identifiant", "nom", "prenom", "email", "namespace", "collegue", "role"])
        for name, pupil in pupils.items():
            other = pupil.other.namespace if pupil.other else ""
            writer.writerow(
                [name, "Nom", name, f"{name}@exemple.fr", pupil.person.namespace, other, pupil.role]
            )
    return path


def graded(
    path: Path, teacher: Path, folder: Path, *options: str
) -> tuple[Mapping[str, Sequence[Mapping[str, Any]]], Mapping[str, Sequence[str]]]:
    """Each person's labs, and their marks for Moodle."""
    command = ["cahier", "noter", str(path), "--kubeconfig", str(teacher), "--sortie", str(folder)]
    labs = ",".join(lab.short_name for lab in LABS)
    done = subprocess.run(
        [*command, "--labs", labs, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done
    notes = json.loads((folder / "notes.json").read_text(encoding="utf-8"))
    moodle = csv.reader((folder / "notes-moodle.csv").read_text(encoding="utf-8").splitlines())
    return (
        {each["identifier"]: each["labs"] for each in notes["learners"]},
        {identifier: marks for identifier, _email, *marks in list(moodle)[1:]},
    )


def test_marks_outlive_the_pages_own_cleaning(
    new_person: Callable[..., Person], admin: Api, admin_kubeconfig: Path, tmp_path: Path
) -> None:
    teacher = people.create_teacher(admin, admin_kubeconfig)
    bob = Pupil(new_person("m"), "possède")
    alice = Pupil(new_person("m"), "relaie", bob.person)
    hasty = Pupil(new_person("m"), "relaie", bob.person)
    idle = Pupil(new_person("m"), "relaie", bob.person)
    bob.other = alice.person
    path = roster({"alice": alice, "bob": bob, "hasty": hasty, "idle": idle}, tmp_path / "c.csv")
    tp1, tp2, tp3, tp5 = LABS

    assert alice.cahier("verifier", tp1.short_name).returncode == 0
    for lab in (tp2, tp5):
        alice.does(lab)
    bob.does(tp3)
    hasty.does(tp2, verifies=False)
    _labs, before = graded(path, teacher, tmp_path / "before")
    assert before["alice"] == ["20.00", "20.00", "0.00", "20.00", before["alice"][-1]]
    assert before["bob"][1:4] == ["0.00", "20.00", ""]
    assert before["hasty"][1] == ""  # a tunnel that nobody has seen

    for lab in (tp2, tp5):
        assert "restent prouvés, par votre reçu du" in alice.cleans(lab)
    Stage(tp3, bob.person).run(["cahier catalogue arreter postgresql-cnpg-951239"])
    told = hasty.cleans(tp2)
    assert "5 points sur 10 restent prouvés" in told
    assert "ne comptera pas" in told
    labs, after = graded(path, teacher, tmp_path / "after")
    assert (after["alice"], after["bob"]) == (before["alice"], before["bob"])
    assert after["hasty"][1] == "10.00"
    for name, place in (("alice", 1), ("alice", 3), ("bob", 2), ("hasty", 1)):
        assert labs[name][place]["removed"], (name, place)
        assert "retiré depuis" in labs[name][place]["reason"]
    assert after["idle"] == ["0.00"] * 5
    for one in labs["idle"]:
        assert "Pas commencé" in one["reason"]

    # a teacher who comes only now has nothing but the receipts
    labs, late = graded(path, teacher, tmp_path / "late", "--historique", str(tmp_path / "other"))
    assert (late["alice"], late["bob"]) == (before["alice"], before["bob"])
    proofs = {check["proof"] for check in labs["alice"][1]["checks"]}
    assert proofs == {"receipt"}
    _labs, ignored = graded(path, teacher, tmp_path / "none", "--recus", "ignorer")
    assert ignored["alice"][1] == ""  # seen by the teacher but for the tunnel: theirs to decide
