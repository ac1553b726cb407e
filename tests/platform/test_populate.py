"""A class that is invented on the real cluster: graded at once, interrupted, completed, removed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api, collection
from checks.local_sspcloud import classroom, people
from checks.sources.objects import pod_of
from checks.stage import Person
from tests.support.waiting import until

pytestmark = pytest.mark.cluster

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def seed(admin: Api) -> Iterator[int]:
    """Of a class of this test's own; another one may be there."""
    number = uuid.uuid4().int % 10**6
    yield number
    classroom.depopulate(admin, number, lambda _said: None)


def _cahier(*words: str, seconds: float = 120) -> Done:
    return subprocess.run(
        ["cahier", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )


def _populate(count: int, seed: int, folder: Path, *options: str) -> list[str]:
    where = ["--dossier", str(folder), "--graine", str(seed)]
    return ["cluster", "peupler", str(count), *where, *options]


def test_a_class_is_graded_as_soon_as_it_is_made_and_leaves_nothing(
    seed: int, admin: Api, tmp_path: Path
) -> None:
    folder = tmp_path / "classe"
    made = _cahier(*_populate(3, seed, folder, "--solutions"))
    assert made.returncode == 0, made
    assert "3 personnes inventées" in made.stdout
    roster, kubeconfigs = folder / "classe.csv", folder / "kubeconfigs"
    teacher = kubeconfigs / "prof.kubeconfig"
    graded = _cahier(
        "noter",
        *(str(roster), "--kubeconfig", str(teacher), "--sortie", str(tmp_path / "notes")),
        *("--labs", "tp2"),
    )
    assert graded.returncode == 3, graded  # a tunnel is seen on somebody's machine only
    assert "1 groupe de 3." in graded.stderr
    learners = json.loads((tmp_path / "notes" / "notes.json").read_text("utf-8"))["learners"]
    assert len(learners) == 3
    for learner in learners:
        (lab,) = learner["labs"]
        assert "failed" not in {check["status"] for check in lab["checks"]}, lab
        assert {check["id"]: check["status"] for check in lab["checks"]}["l_api_est_prete"] == (
            "passed"
        )
    names = classroom.members(admin, seed)
    assert len(names) == 3
    until(lambda: all(_is_settled(admin, name) for name in names), 120)
    _same_marks_from_an_archive(roster, teacher, tmp_path)
    for name in (*names, "prof"):
        own = kubeconfigs / f"{name}.kubeconfig"
        asked = ["kubectl", "get", "pods", "-o", "name"]
        environment = Person(people.namespace_of(name), own).environment
        assert subprocess.run(asked, env=environment, check=False).returncode == 0, name
    removed = _cahier("cluster", "depeupler", "--graine", str(seed))
    assert removed.returncode == 0, removed
    assert "Classe inventée retirée : 3 personnes." in removed.stdout
    assert classroom.members(admin, seed) == []
    if not classroom.members(admin):  # the teacher has a namespace as long as there is a class
        assert admin.find("/api/v1/namespaces/user-prof") is None
    assert not folder.exists()
    assert set(names).isdisjoint(people.known())
    assert "prof" in people.known()


def _is_settled(admin: Api, name: str) -> bool:
    """Whether nothing of somebody's is still starting: two looks then see the same."""
    path = collection("Pod", people.namespace_of(name))
    pods = [pod_of(one) for one in admin.request("GET", path)["items"]]
    return all(pod.ready and not pod.deleting for pod in pods)


def _same_marks_from_an_archive(roster: Path, teacher: Path, folder: Path) -> None:
    """Of all labs, somebody who is not there included; to the byte."""
    whole, archive = folder / "classe.csv", folder / "classe.zip"
    absent = "p999,Absente,Ana,ana@example.org,user-absente,\n"
    whole.write_text(roster.read_text("utf-8") + absent, encoding="utf-8")
    access = ("--kubeconfig", str(teacher))
    taken = _cahier("instantane", "--classe", str(whole), "-o", str(archive), *access)
    assert taken.returncode == 0, taken
    assert "Instantané de 3 namespaces" in taken.stdout
    assert "user-absente n’existe pas" in taken.stderr
    assert archive.stat().st_mode & 0o077 == 0
    graded: list[dict[Path, bytes]] = []
    for source in (access, ("--depuis", str(archive), "--kubeconfig", str(folder / "aucun"))):
        out = folder / f"toutes-{len(graded)}"
        done = _cahier("noter", str(whole), "--sortie", str(out), *source)
        assert done.returncode == 3, done
        assert "p999 : absent" in done.stdout
        assert ("Classe enregistrée le " in done.stderr) is (source is not access), done.stderr
        files = [one for one in out.rglob("*") if one.is_file()]
        graded.append({one.relative_to(out): one.read_bytes() for one in files})
    assert graded[0] == graded[1]


def test_a_roster_that_was_changed_stays(seed: int, tmp_path: Path) -> None:
    folder = tmp_path / "classe"
    assert _cahier(*_populate(1, seed, folder)).returncode == 0
    roster = folder / "classe.csv"
    roster.write_text(roster.read_text("utf-8") + "\n", encoding="utf-8")
    again = _cahier(*_populate(2, seed, folder))
    assert again.returncode == 2, again
    assert "a changé depuis" in again.stderr
    assert _cahier("cluster", "depeupler", "--graine", str(seed)).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["classe.csv"]


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is POSIX")
def test_what_was_interrupted_is_completed_by_the_same_command(
    seed: int, admin: Api, tmp_path: Path
) -> None:
    command = _populate(12, seed, tmp_path / "classe")
    process = subprocess.Popen(
        ["cahier", *command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while process.poll() is None and not classroom.members(admin, seed):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "La même commande continue" in said
    assert not (tmp_path / "classe").exists()
    assert _cahier(*command).returncode == 0
    assert len(classroom.members(admin, seed)) == 12
    with (tmp_path / "classe" / "classe.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) == 14


def test_somebody_s_namespace_is_not_taken(
    seed: int, admin: Api, tmp_path: Path, admin_kubeconfig: Path
) -> None:
    from checks.local_sspcloud import invented

    (first,) = invented.people(1, seed)
    people.create_person(admin, admin_kubeconfig, first.account)
    try:
        done = _cahier(*_populate(2, seed, tmp_path / "classe"))
        assert done.returncode == 2, done
        assert f"{first.namespace} : namespace déjà pris" in done.stderr
    finally:
        people.remove_person(admin, first.account)
