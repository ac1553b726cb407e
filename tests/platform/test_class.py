"""A class of thirty, drawn at random, graded on the cluster by a teacher: every mark is the
expected one, and a grading that is killed twenty times ends with the same bytes."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.access.kubernetes_api import Api
from checks.grading.exports.marks import decimal
from checks.grading.results import exact
from checks.lab import Case, Lab, find_lab
from checks.local_sspcloud import people
from checks.local_sspcloud.class_work import leaves_nothing
from checks.runner import run
from checks.sources.witness import WatchedCluster, leave_receipt
from checks.stage import Person, Stage, rename
from tests.conftest import unused_port
from tests.support.graded_class import files

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SEED = int(os.environ.get("CAHIER_GRAINE", "30"))
ABSENT, EMPTY, CAREFUL, OTHERS = 3, 3, 6, 18
KILLS = 20
# little is needed, and receipts of each kind
LABS = [find_lab(name) for name in ("tp1", "tp2", "tp5")]

# What a teacher decides without the learner's machine, and without a tunnel of their own.
SEEN_FROM_AFAR = {
    "le_cluster_vous_reconnait",
    "le_namespace_est_le_votre",
    "vos_droits_suffisent",
    "l_api_est_deployee",
    "l_api_est_prete",
    "le_proxy_existe",
    "le_proxy_tourne",
    "le_proxy_vise_la_base_du_collegue",
}
# Their findings count restarts, or tell what the kubelet tries just then: they differ from one
# minute to the next.
UNSETTLED = {
    "image_inconnue",
    "arret_au_demarrage",
    "argument_refuse",
    "arguments_sous_command",
    "nom_cherche_au_demarrage",
}


# -- who did what ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """What a learner did of a lab. `fails`: the check that it fails, "" for a right answer, which
    they then verify when there is to be a `receipt`."""

    files: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()
    fails: str = ""
    finding: Sequence[str] = ()
    receipt: bool = False


@dataclass(frozen=True)
class Pupil:
    """A learner: absent (no namespace) when there is no work at all."""

    name: str
    colleague: str
    work: Mapping[str, Work]

    @property
    def namespace(self) -> str:
        return people.namespace_of(self.name)


def right_answers(lab: Lab) -> Sequence[Work]:
    """The solution and the other right answers that need nothing but their files."""
    own = [Work(lab.files("solution"), lab.about.solution.commands)]
    return own + [
        Work(
            lab.case_files("variantes", name),
            lab.about.solution.commands if case.commands is None else case.commands,
        )
        for name, case in lab.cases("variantes").items()
        if _only_files(case)
    ]


def mistakes(lab: Lab, *, seen: bool) -> Sequence[Work]:
    """Typical mistakes that a teacher sees from afar, or does not see."""
    return [
        Work(lab.case_files("erreurs", name), (), case.fails, case.finding)
        for name, case in lab.cases("erreurs").items()
        if (case.fails in SEEN_FROM_AFAR) == seen
        and name not in UNSETTLED
        and _only_files(case)
        and all(map(leaves_nothing, case.commands or ()))
    ]


def _only_files(case: Case) -> bool:
    return not case.then and not case.colleague_commands and not case.team


def drawn(chance: random.Random, prefix: str, owner: str) -> Sequence[Pupil]:
    """The class, in the roster's order. `owner` has the database that all of them relay."""
    kinds = ["absent"] * ABSENT + ["empty"] * EMPTY + ["careful"] * CAREFUL + ["other"] * OTHERS
    chance.shuffle(kinds)
    tp1, *others = LABS
    pupils = []
    for number, kind in enumerate(kinds):
        work = {}
        if kind == "empty":
            work = {lab.name: Work(fails=lab.checks[0].id) for lab in others} | {tp1.name: Work()}
        if kind == "careful":
            work = {lab.name: _verified(chance.choice(right_answers(lab))) for lab in others}
            work[tp1.name] = Work(receipt=True)
        if kind == "other":
            work = {
                lab.name: chance.choice(
                    chance.choices(
                        [right_answers(lab), mistakes(lab, seen=True), mistakes(lab, seen=False)],
                        [3, 5, 2],
                    )[0]
                )
                for lab in others
            }
            work[tp1.name] = Work(receipt=chance.random() < 0.7)
        alone = kind == "other" and chance.random() < 0.1
        pupils.append(
            Pupil(f"{prefix}{number:02}", "" if alone else people.namespace_of(owner), work)
        )
    return pupils


def _verified(work: Work) -> Work:
    return Work(work.files, work.commands, receipt=True)


def expected(pupil: Pupil, lab: Lab) -> tuple[str, Fraction, Fraction, str, bool]:
    """What is to be graded: state, points, points that stay open, mark for Moodle, and whether a
    receipt counts.

    All of it comes from the points that the lab declares, and from what each check depends on.
    """
    total = sum((exact(check.points) for check in lab.checks), Fraction())
    if not pupil.work:
        return "absent", Fraction(), total, "", False
    if lab.about.colleague == "required" and not pupil.colleague:
        return "review", Fraction(), total, "", False
    work = pupil.work[lab.name]
    if not work.files and not work.receipt:
        return "graded", Fraction(), Fraction(), "0.00", False
    told: dict[str, str] = {}
    for check in lab.checks:
        before = {told[one.id] for one in check.after}
        if "wrong" in before or "open" in before:
            told[check.id] = "wrong" if "wrong" in before else "open"
        elif check.id in SEEN_FROM_AFAR or work.receipt:
            told[check.id] = "wrong" if check.id == work.fails else "right"
        else:
            told[check.id] = "open"
    right, still_open = (
        sum((exact(check.points) for check in lab.checks if told[check.id] == how), Fraction())
        for how in ("right", "open")
    )
    if still_open:
        return "review", right, still_open, "", work.receipt
    return "graded", right, still_open, decimal(right / total * 20, sign="."), work.receipt


# -- on the cluster --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Classroom:
    """The class on the cluster."""

    pupils: Sequence[Pupil]
    owner: Person
    persons: Mapping[str, Person]
    """Those who are there, by name."""


@contextmanager
def classroom(admin: Api, admin_kubeconfig: Path, chance: random.Random) -> Iterator[Classroom]:
    """The class at work; nothing of it is left."""
    prefix = f"k{uuid.uuid4().hex[:4]}"
    owner = f"{prefix}base"
    pupils = drawn(chance, prefix, owner)
    names = [owner, *(pupil.name for pupil in pupils if pupil.work)]
    with ThreadPoolExecutor(8) as pool:
        try:
            kubeconfigs = pool.map(
                lambda name: people.create_person(admin, admin_kubeconfig, name), names
            )
            persons = {
                name: Person(people.namespace_of(name), path)
                for name, path in zip(names, kubeconfigs, strict=True)
            }
            here = Classroom(pupils, persons.pop(owner), persons)
            opened = pool.submit(
                Stage(LABS[-1], here.owner).run, LABS[-1].about.setup.colleague_commands
            )
            _apply(here, admin_kubeconfig)
            _wait_until_settled(here, admin)
            opened.result()
            for trouble in pool.map(lambda pupil: _verify(here, pupil), pupils):
                assert trouble == ""
            yield here
        finally:
            list(pool.map(lambda name: people.remove_person(admin, name), names))


def _apply(here: Classroom, admin_kubeconfig: Path) -> None:
    """Everybody's files at once."""
    items = []
    for pupil in here.pupils:
        for lab in LABS:
            for text in pupil.work[lab.name].files.values() if pupil.work else ():
                named = rename(text, lab.about.story, pupil.namespace, here.owner.namespace, None)
                for item in yaml.safe_load_all(named):
                    item["metadata"]["namespace"] = pupil.namespace
                    items.append(item)
    command = ["kubectl", "--kubeconfig", str(admin_kubeconfig), "create", "-f", "-"]
    subprocess.run(
        command, input=yaml.safe_dump_all(items), text=True, check=True, capture_output=True
    )


def _wait_until_settled(here: Classroom, admin: Api) -> None:
    """Until each pod that is to be ready is, and each Deployment has been seen to."""
    fails = {
        pupil.namespace: {work.fails for work in pupil.work.values()}
        for pupil in here.pupils
        if pupil.work
    }
    deadline = time.monotonic() + 300  # forty pods start together, on one node
    while True:
        deployments = [
            one for one in admin.everywhere("Deployment") if one["metadata"]["namespace"] in fails
        ]
        waiting = [one["metadata"]["name"] for one in deployments if not _seen_to(one)]
        for pod in admin.everywhere("Pod"):
            labels, namespace = pod["metadata"].get("labels") or {}, pod["metadata"]["namespace"]
            never = {"l_api_est_prete"} if labels.get("app") == "mon-api" else {"le_proxy_tourne"}
            conditions = {
                one["type"]: one["status"]
                for one in (pod.get("status") or {}).get("conditions") or ()
            }
            if (
                namespace in fails
                and not never & fails[namespace]
                and conditions.get("Ready") != "True"
            ):
                waiting.append(pod["metadata"]["name"])
        if not waiting:
            return
        assert time.monotonic() < deadline, waiting
        time.sleep(0.5)


def _seen_to(deployment: Mapping[str, Any]) -> bool:
    """Whether its pods are made, or refused."""
    status = deployment.get("status") or {}
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    made = status.get("updatedReplicas", 0) == deployment["spec"]["replicas"]
    return bool(conditions) and (made or conditions.get("ReplicaFailure") == "True")


def _verify(here: Classroom, pupil: Pupil) -> str:
    """Verify as the learner does, tunnels open, and leave the receipts; why one could not be
    left."""
    for lab in LABS:
        work = pupil.work.get(lab.name)
        if work is None or not work.receipt:
            continue
        person = here.persons[pupil.name]
        port = unused_port() if lab.about.port else None
        stage = Stage(lab, person, here.owner, local_port=port)
        try:
            stage.run(work.commands)
            cluster = WatchedCluster(
                kubeconfig_path=str(person.kubeconfig), colleague=here.owner.namespace, port=port
            )
            verdict, _ = run(
                lab, cluster, refresh=cluster.refresh, seconds=20, on_check=cluster.begin
            )
            trouble = (
                leave_receipt(cluster, lab, verdict) if verdict.exit_code == 0 else str(verdict)
            )
        finally:
            stage.close()
        if trouble:
            return trouble
    return ""


def _roster(here: Classroom, path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["identifiant", "nom", "prenom", "email", "namespace", "collegue"])
        for pupil in here.pupils:
            email = f"{pupil.name}@exemple.fr"
            writer.writerow(
                [pupil.name, "Nom", pupil.name, email, pupil.namespace, pupil.colleague]
            )
    return path


# -- the law ---------------------------------------------------------------------------------------


def test_a_class_of_thirty_is_graded_as_expected_even_when_killed(
    admin: Api, admin_kubeconfig: Path, tmp_path: Path
) -> None:
    print(f"CAHIER_GRAINE={SEED}")
    chance = random.Random(SEED)
    teacher = people.create_teacher(admin, admin_kubeconfig)
    with classroom(admin, admin_kubeconfig, chance) as here:
        roster = _roster(here, tmp_path / "classe.csv")
        command = [
            "cahier",
            "noter",
            str(roster),
            "--labs",
            ",".join(lab.short_name for lab in LABS),
            "--kubeconfig",
            str(teacher),
            "--sortie",
        ]
        whole, cut = tmp_path / "whole", tmp_path / "cut"
        done = subprocess.run([*command, str(whole)], capture_output=True, text=True, check=False)
        assert done.returncode == 3, done
        _check_marks(here, whole)
        _grade_and_kill([*command, str(cut)], cut, len(files(whole)), chance)
        assert files(cut) == files(whole)


def _check_marks(here: Classroom, folder: Path) -> None:
    grades = json.loads((folder / "notes.json").read_text(encoding="utf-8"))
    moodle = list(
        csv.reader((folder / "notes-moodle.csv").read_text(encoding="utf-8").splitlines())
    )[1:]
    told, wanted = {}, {}
    for pupil, learner, (identifier, _email, *marks) in zip(
        here.pupils, grades["learners"], moodle, strict=True
    ):
        assert pupil.name == learner["identifier"] == identifier
        for lab, grade, mark in zip(LABS, learner["labs"], marks[:-1], strict=True):
            key = f"{pupil.name} {lab.short_name}"
            points, still_open = Fraction(grade["points"]), Fraction(grade["points_open"])
            told[key] = (grade["state"], points, still_open, mark, grade["receipt"] is not None)
            wanted[key] = expected(pupil, lab)
            _check_finding(pupil, lab, grade)
    assert told == wanted
    assert {state for state, *_ in told.values()} == {"graded", "review", "absent"}
    assert "20.00" in {mark for *_, mark, _ in told.values()}


def _check_finding(pupil: Pupil, lab: Lab, grade: Mapping[str, Any]) -> None:
    """A mistake that is seen is told in the words of the corpus, and first."""
    work = pupil.work.get(lab.name)
    failed = [check for check in grade["checks"] if check["status"] == "failed"]
    if work and work.finding and work.fails in SEEN_FROM_AFAR and failed:
        assert failed[0]["id"] == work.fails
        for words in work.finding:
            assert (
                rename(words, lab.about.story, pupil.namespace, pupil.colleague, None)
                in failed[0]["finding"]
            )


def _grade_and_kill(
    command: Sequence[str], folder: Path, count: int, chance: random.Random
) -> None:
    """Grade, killed at moments that are numbers of files written, each time resumed; then to the
    end."""
    kept: dict[Path, int] = {}
    at_work = 0
    for turn, wanted in enumerate(sorted(chance.sample(range(1, count), KILLS))):
        resume = ["--reprendre"] if turn else []
        process = subprocess.Popen(
            [*command, *resume, "--paralleles", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and sum(path.is_file() for path in folder.rglob("*")) < wanted:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        at_work += process.wait() < 0
        for path, written in _kept(folder).items():
            assert kept.setdefault(path, written) == written, f"{path} was graded twice"
    assert at_work > KILLS / 2
    done = subprocess.run([*command, "--reprendre"], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done


def _kept(folder: Path) -> dict[Path, int]:
    """When each grade was kept."""
    return {path: path.stat().st_mtime_ns for path in folder.glob(".travail/*/*.json")}
