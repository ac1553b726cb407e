"""A learner's own verification, counted by a teacher who has the smallest rights and no Secret."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks.access.kubernetes_api import Api
from checks.errors import Refused
from checks.grading.roster import Learner
from checks.grading.view import LiveVerifier
from checks.lab import Lab, all_labs, find_lab
from checks.local_sspcloud import people
from checks.sources import receipts
from checks.stage import Person, Stage
from checks.verdict import Status, Verdict
from tests.support.waiting import until

pytestmark = pytest.mark.cluster


class CountedApi(Api):
    """Requests that remember where they went."""

    def __init__(self, kubeconfig: str) -> None:
        super().__init__(kubeconfig, without_secrets=True)
        self.asked: list[str] = []

    def _send(self, method: str, path: str, *rest: Any) -> bytes:
        self.asked.append(f"{method} {path}")
        return super()._send(method, path, *rest)


@dataclass
class Classroom:
    """A learner who has done a lab, and the teacher."""

    stage: Stage
    teacher: CountedApi

    @property
    def namespace(self) -> str:
        return self.stage.learner.namespace

    def verify(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            "cahier",
            "verifier",
            self.stage.lab.short_name,
            "--json",
            "--port",
            str(self.stage.local_port),
        ]
        if self.stage.colleague:
            command += ["--collegue", self.stage.colleague.namespace]
        environment = dict(self.stage.learner.environment)
        return subprocess.run(
            [*command, *options],
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def grade(self, namespace: str = "") -> Verdict:
        colleague = self.stage.colleague.namespace if self.stage.colleague else ""
        learner = Learner(
            "un", "Un", "Une", "un@exemple.fr", namespace or self.namespace, colleague
        )
        return LiveVerifier(self.teacher, [learner])(learner, self.stage.lab).verdict

    def kubectl(self, *words: str, text: str = "", who: Person | None = None) -> str:
        environment = dict((who or self.stage.learner).environment)
        done = subprocess.run(
            ["kubectl", *words],
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def receipt(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(
            self.kubectl("get", "configmap", receipts.NAME, "-o", "json")
        )
        return found


def _refusals(verdict: Verdict) -> set[str]:
    return {check.finding for check in verdict.checks if check.status is Status.UNVERIFIED}


@pytest.fixture
def classroom(
    new_person: Callable[..., Person], admin: Api, admin_kubeconfig: Path, free_port: int
) -> Iterator[Callable[[Lab], Classroom]]:
    """Somebody who has done the lab, tunnel open."""
    teacher = CountedApi(str(people.create_teacher(admin, admin_kubeconfig)))
    stages = []

    def make(lab: Lab) -> Classroom:
        colleague = new_person("r") if lab.about.colleague == "required" else None
        stage = Stage(lab, new_person("r"), colleague, local_port=free_port)
        stages.append(stage)
        if colleague:
            stage.run(lab.about.setup.colleague_commands, colleague)
        stage.run(lab.about.setup.commands)
        stage.apply(lab.files("solution"))
        stage.run(lab.about.solution.commands)
        return Classroom(stage, teacher)

    yield make
    for stage in stages:
        stage.close()


@pytest.mark.parametrize("lab", list(all_labs()), ids=lambda lab: lab.short_name)
def test_what_the_learner_saw_counts(lab: Lab, classroom: Callable[[Lab], Classroom]) -> None:
    here = classroom(lab)
    before = here.grade()
    assert before.status is Status.UNVERIFIED
    done = here.verify()
    assert done.returncode == 0, done
    assert "reçu" not in done.stderr
    verdict = here.grade()
    assert verdict.status is Status.PASSED, verdict
    assert verdict.points == verdict.points_max
    counted = [check for check in verdict.checks if check.finding.startswith("D’après le reçu")]
    assert counted
    assert not [asked for asked in here.teacher.asked if "/secrets" in asked]
    written = json.loads(next(iter(here.receipt()["data"].values())))
    if lab.about.port_speaks:
        assert written["heard_by"] in written["pods"], "the pod's own log kept the word"
    posted = [asked for asked in here.teacher.asked if not asked.startswith("GET ")]
    # a review is a question (who may, who am I): it makes no object
    questions = ("accessreviews", "/selfsubjectreviews")
    assert all(one.startswith("POST ") and one.endswith(questions) for one in posted), posted


def test_the_teacher_may_not_read_secrets(classroom: Callable[[Lab], Classroom]) -> None:
    here = classroom(find_lab("tp2"))
    plain = Api(here.teacher.credentials.source)
    for path in ("/api/v1/secrets", f"/api/v1/namespaces/{here.namespace}/secrets"):
        with pytest.raises(Refused):
            plain.request("GET", path)
        with pytest.raises(AssertionError):
            here.teacher.request("GET", path)


def test_receipts_that_do_not_hold_are_told(
    classroom: Callable[[Lab], Classroom], new_person: Callable[..., Person]
) -> None:
    here = classroom(find_lab("tp2"))
    lab = here.stage.lab

    # Opted out, or somebody else's namespace: none is left.
    assert here.verify("--sans-recu").returncode == 0
    assert here.kubectl("get", "configmaps", "-l", receipts.LABEL, "-o", "name") == ""
    assert here.verify().returncode == 0
    first = here.receipt()

    # One that tells less does not take the place of one that holds.
    here.stage.close()
    assert here.verify("--delai", "0s").returncode == 1
    assert here.receipt()["data"] == first["data"]
    assert here.grade().status is Status.PASSED

    # Copied to somebody who has done everything but the tunnel.
    other = Stage(lab, new_person("r"))
    other.apply(lab.files("solution"))
    other.run(lab.about.solution.commands[:1])
    copy = {**first, "metadata": {"name": receipts.NAME, "labels": first["metadata"]["labels"]}}
    here.kubectl("apply", "-f", "-", text=json.dumps(copy), who=other.learner)
    (told,) = _refusals(here.grade(other.learner.namespace))
    assert "écrit ou modifié avec « kubectl-client-side-apply »" in told
    by_us = ["--server-side", "--force-conflicts", f"--field-manager={receipts.manager(lab.name)}"]
    here.kubectl("delete", "configmap", receipts.NAME, who=other.learner)
    here.kubectl("apply", *by_us, "-f", "-", text=json.dumps(copy), who=other.learner)
    (told,) = _refusals(here.grade(other.learner.namespace))
    assert f"il vient d’un autre namespace, {here.namespace}" in told

    # The names changed as well: the UIDs are another's.
    renamed = json.dumps(copy).replace(here.namespace, other.learner.namespace)
    here.kubectl("apply", *by_us, "-f", "-", text=renamed, who=other.learner)
    (told,) = _refusals(here.grade(other.learner.namespace))
    assert "d’un autre namespace de même nom" in told

    # Edited by hand.
    text = first["data"][receipts.key(lab.name)]
    patch = json.dumps({"data": {receipts.key(lab.name): text.replace("failed", "passed") + " "}})
    here.kubectl("patch", "configmap", receipts.NAME, "--type=merge", "-p", patch)
    (told,) = _refusals(here.grade())
    assert "écrit ou modifié avec « kubectl-patch »" in told

    # Forged with our own manager's name, but the pod has heard nothing of it.
    word = msgspec.json.decode(text, type=receipts.Receipt).word
    forged = {**copy, "data": {receipts.key(lab.name): text.replace(word, "0" * 16)}}
    here.kubectl("apply", *by_us, "-f", "-", text=json.dumps(forged))
    (told,) = _refusals(here.grade())
    assert "ne garde pas trace de la connexion" in told

    # The pod that was verified has been replaced.
    here.kubectl("apply", *by_us, "-f", "-", text=json.dumps(copy))
    assert here.grade().status is Status.PASSED
    here.kubectl("delete", "pod", "-l", "app=mon-api", "--now")
    here.kubectl("rollout", "status", "deployment/mon-api", "--timeout=90s")
    (told,) = _refusals(here.grade())
    assert "n’existe plus, ou a été remplacé depuis" in told


def test_a_policy_added_since_is_told(classroom: Callable[[Lab], Classroom]) -> None:
    """The pod is the same, but no longer closed: only an experiment would show it, and grading
    makes none."""
    here = classroom(find_lab("tp4"))
    assert here.verify().returncode == 0
    assert here.grade().status is Status.PASSED
    opened = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "grande-ouverte"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }
    here.kubectl("apply", "-f", "-", text=json.dumps(opened))
    assert any("supprimées depuis : grande-ouverte" in told for told in _refusals(here.grade()))


def test_a_receipt_that_cannot_be_written_changes_no_verdict(
    classroom: Callable[[Lab], Classroom], admin: Api
) -> None:
    here = classroom(find_lab("tp2"))
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "sans-configmap"},
        "spec": {"hard": {"count/configmaps": "0"}},
    }
    admin.request("POST", f"/api/v1/namespaces/{here.namespace}/resourcequotas", quota)
    path = f"/api/v1/namespaces/{here.namespace}/resourcequotas/sans-configmap"
    while not (admin.request("GET", path).get("status") or {}).get("hard"):
        pass
    done = here.verify()
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["status"] == "passed"
    assert done.stderr.startswith("Aucun reçu n’a pu être laissé pour la notation : ")
    assert "quota" in done.stderr


def test_no_receipt_in_the_namespace_of_somebody_else(
    classroom: Callable[[Lab], Classroom], admin_kubeconfig: Path
) -> None:
    here = classroom(find_lab("tp2"))
    done = here.verify("--namespace", here.namespace, "--kubeconfig", str(admin_kubeconfig))
    assert done.returncode == 0, done
    assert here.kubectl("get", "configmaps", "-l", receipts.LABEL, "-o", "name") == ""


def test_a_receipt_does_not_call_for_another_look(
    classroom: Callable[[Lab], Classroom], tmp_path: Path
) -> None:
    here = classroom(find_lab("tp2"))
    here.stage.close()
    command = [
        "cahier",
        "verifier",
        "tp2",
        "--suivre",
        "--delai",
        "0s",
        "--port",
        str(here.stage.local_port),
    ]
    with (tmp_path / "sortie").open("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            command, env=dict(here.stage.learner.environment), stdout=said, stderr=said
        )
        try:
            until(
                lambda: here.kubectl("get", "configmaps", "-l", receipts.LABEL, "-o", "name"),
                seconds=20,
                pause=0.2,
            )
            time.sleep(3)  # a watch tells of a change within a tenth of a second
        finally:
            process.terminate()
            process.wait()
        said.seek(0)
        assert said.read().count("Joindre son API par un tunnel") == 1
