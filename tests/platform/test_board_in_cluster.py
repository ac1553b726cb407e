"""The board of a class that the cluster keeps: reached by a port-forward, it outlives its pod, and
leaves its history and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from checks.grading.history import History
from checks.lab import find_lab
from checks.stage import Person, Stage
from checks.verdict import Status
from tests.support.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

KINDS = "deployments,pods,secrets,configmaps,roles,rolebindings,serviceaccounts"
SEEN = 90.0  # seconds, on a busy machine


class School:
    """A teacher, two people, and what is typed about them."""

    def __init__(
        self, teacher: Person, learner: Person, admin_kubeconfig: Path, roster: Path, image: str
    ) -> None:
        self.teacher, self.learner = teacher, learner
        self.roster, self.image = roster, image
        self._admin = admin_kubeconfig

    @property
    def environment(self) -> Mapping[str, str]:
        """What the teacher's commands are typed in."""
        return {**os.environ, "KUBECONFIG": str(self.teacher.kubeconfig)}

    def follow(self, *options: str, image: str = "") -> subprocess.CompletedProcess[str]:
        words = ["cahier", "classe", "suivre", str(self.roster), "--dans-le-cluster", *options]
        if not {"--recuperer", "--retirer"} & {*options}:
            words += ["--labs", "tp2", "--image", image or self.image]
        return self._typed(words)

    def shell(self, line: str, *, admin: bool = False) -> str:
        """What a printed command prints."""
        words = ["bash", "-ec", line]
        done = self._typed(words, {"KUBECONFIG": str(self._admin)} if admin else {})
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout

    def left(self) -> str:
        """Names of what the board has made."""
        chosen = f"-l cahier-kubernetes/notation -n {self.teacher.namespace} -o name"
        return self.shell(f"kubectl get {KINDS} {chosen}")

    def pods(self) -> set[str]:
        """Names of its pods."""
        return {one for one in self.left().split() if one.startswith("pod/")}

    @contextlib.contextmanager
    def forwarded(self, line: str, port: int) -> Iterator[None]:
        """The printed port-forward, left open in a terminal, once it listens."""
        words = shlex.split(line)
        process = subprocess.Popen(
            words, env=self.environment, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        try:
            assert process.stdout is not None
            assert f"127.0.0.1:{port}" in process.stdout.readline()
            yield
        finally:
            process.terminate()
            process.communicate()

    def _typed(
        self, words: list[str], variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            env={**self.environment, **(variables or {})},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )


def printed(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines to type, or to open, that a command has printed."""
    return [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]


def rows(address: str) -> Mapping[str, Mapping[str, Any]]:
    """What the page is told first, by person."""
    with urllib.request.urlopen(f"{address}flux", timeout=20) as answer:
        for line in answer:
            if line.startswith(b"data: "):
                return {row["id"]: row for row in json.loads(line[6:])["rows"]}
    raise AssertionError(address)


def cell(address: str, person: str) -> str:
    """How the lab of somebody is shown; "" before they were looked at."""
    cells = rows(address)[person]["cells"]
    return str(cells[0]["text"]) if cells else ""


@pytest.fixture
def school(
    new_person: Callable[..., Person], admin_kubeconfig: Path, image: str, tmp_path: Path
) -> School:
    teacher, one, other = (new_person("n") for _ in range(3))
    roster = tmp_path / "Année 1.csv"
    roster.write_text(
        "identifiant;nom;prenom;email;namespace;collegue\n"
        f"une;Éluard;Zoé;z@exemple.fr;{one.namespace};\n"
        f"autre;Hôte;Noël;n@exemple.fr;{other.namespace};\n",
        encoding="utf-8",
    )
    return School(teacher, one, admin_kubeconfig, roster, image)


@pytest.fixture
def with_rights(school: School) -> Iterator[None]:
    """The rights are given as the command says."""
    refused = school.follow()
    assert refused.returncode == 3
    assert "n’a pas les droits de l’enseignant" in refused.stderr
    commands = [line.strip() for line in refused.stderr.splitlines() if line.startswith("  ")]
    for line in commands:
        school.shell(line, admin=True)
    assert not school.left()
    yield
    binding = re.search(r"clusterrolebinding (\S+)", commands[-1])
    assert binding
    school.shell(f"kubectl delete clusterrolebinding {binding[1]}", admin=True)


@pytest.mark.usefixtures("with_rights")
def test_it_outlives_its_pod_and_leaves_its_history(school: School, free_port: int) -> None:
    lab, learner = find_lab("tp2"), school.learner
    begun = school.follow("--port", str(free_port))
    assert begun.returncode == 0, begun
    forward, address, fetch, withdraw = printed(begun)
    file = school.roster.with_name("historique-Année 1.sqlite")
    with school.forwarded(forward, free_port):
        until(lambda: cell(address, "une") == "0/6", SEEN)
        Stage(lab, learner).apply(lab.files("solution"))
        until(lambda: cell(address, "une") == "2/6", SEEN)
    # the pod goes, and what it had seen does not
    [before], gone = school.pods(), time.time()
    school.shell(f"kubectl delete {before} -n {school.teacher.namespace}")
    Stage(lab, learner).run(["kubectl delete deployment mon-api"])
    again = school.follow("--port", str(free_port))
    assert again.returncode == 0, again
    assert printed(again) == [forward, address, fetch, withdraw]
    with school.forwarded(forward, free_port):
        until(lambda: cell(address, "une") == "0/6", SEEN)
        # to a second, as the cluster tells the time
        assert rows(address)["autre"]["since"] < gone + 1
    assert before not in school.pods()
    school.shell(fetch)
    with History(file) as history:
        best = history.best("une", lab.name)
    assert best is not None
    assert sum(one.status is Status.PASSED for one in best.change.checks.values()) == 2

    # another list is another page, at the same address
    text = school.roster.read_text(encoding="utf-8")
    school.roster.write_text(text.replace("Noël", "Nora"), encoding="utf-8")
    changed = school.follow("--port", str(free_port))
    assert changed.returncode == 0, changed
    assert printed(changed) == printed(begun)
    with school.forwarded(forward, free_port):
        assert rows(address)["autre"]["name"] == "Nora Hôte"

    assert "Le tableau est retiré du cluster." in school.shell(withdraw)
    until(lambda: not school.left())
    with History(file) as history:
        last = history.changes("une", lab.name)[-1]
    assert not any(one.status is Status.PASSED for one in last.checks.values())
    none = school.follow("--recuperer")
    assert (none.returncode, "Aucun tableau de cette classe" in none.stderr) == (2, True), none


@pytest.mark.usefixtures("with_rights")
def test_an_image_that_is_not_there_is_said_and_leaves_nothing(school: School) -> None:
    done = school.follow(image="cahier-kubernetes:n-existe-pas")
    assert done.returncode == 3
    assert "L’image cahier-kubernetes:n-existe-pas n’a pas pu être téléchargée" in done.stderr
    until(lambda: not school.left())


def test_a_namespace_of_somebody_else_is_said(school: School) -> None:
    done = school.follow("--namespace", "kube-system")
    assert done.returncode == 3
    assert "Vous ne pouvez pas faire suivre une classe dans kube-system" in done.stderr
    assert "Donnez avec --namespace un namespace où vous avez le rôle « admin »" in done.stderr
