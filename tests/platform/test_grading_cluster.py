"""A class graded for real, with the access of an administrator and of a teacher."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.lab import Lab, all_labs, find_lab
from checks.local_sspcloud import people
from checks.stage import Person, Stage
from tests.support.verdicts import run


@pytest.fixture(scope="module")
def graded(new_resident: Callable[..., Person], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A roster of three: one who has deployed the API, one with a mistake, one whose namespace does
    not exist."""
    right, wrong, lab = new_resident("n"), new_resident("n"), find_lab("tp2")
    stage = Stage(lab, right)
    stage.apply(lab.files("solution"))
    stage.run(lab.about.solution.commands[:1])
    other = Stage(lab, wrong)
    other.apply(lab.case_files("erreurs", "mauvaise_etiquette"))
    roster = tmp_path_factory.mktemp("classe") / "classe.csv"
    roster.write_text(
        "identifiant;nom;prenom;email;namespace;collegue\n"
        f"juste;Éluard;Zoé;zoe@exemple.fr;{right.namespace};{wrong.namespace}\n"
        f"faux;Hôte;Noël;noel@exemple.fr;{wrong.namespace};{right.namespace}\n"
        "absente;Nuit;Léa;lea@exemple.fr;user-n-existe-pas;\n",
        encoding="utf-8",
    )
    return roster


def _command(roster: Path, folder: Path, kubeconfig: Path, labs: str = "tp1,tp2") -> list[str]:
    options = {"--labs": labs, "--sortie": str(folder), "--kubeconfig": str(kubeconfig)}
    # each test is a teacher who has seen nothing before
    options["--historique"] = f"{folder}.sqlite"
    return [
        "cahier",
        "noter",
        str(roster),
        *(word for option in options.items() for word in option),
    ]


def _grade(
    roster: Path, folder: Path, kubeconfig: Path, *options: str, labs: str = "tp1,tp2"
) -> subprocess.CompletedProcess[str]:
    command = [*_command(roster, folder, kubeconfig, labs), *options]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )


def _checks(folder: Path, index: int, lab: int) -> dict[str, str]:
    grades = json.loads((folder / "notes.json").read_text(encoding="utf-8"))
    return {
        check["id"]: check["status"] for check in grades["learners"][index]["labs"][lab]["checks"]
    }


@pytest.mark.cluster
def test_a_class_of_three(graded: Path, admin_kubeconfig: Path, tmp_path: Path) -> None:
    done = _grade(graded, tmp_path, admin_kubeconfig)
    assert done.returncode == 3, done
    assert "ligne 4 : le namespace user-n-existe-pas n’existe pas" in done.stderr
    assert "3 personnes, 2 TP" in done.stdout
    grades = json.loads((tmp_path / "notes.json").read_text(encoding="utf-8"))
    right, wrong, absent = grades["learners"]
    assert [lab["state"] for lab in right["labs"]] == ["graded", "review"]
    assert right["labs"][0]["reason"].startswith("Pas commencé")  # no receipt of it
    assert (right["labs"][1]["points"], right["labs"][1]["points_open"]) == ("5", "5")
    assert _checks(tmp_path, 0, 1) == {
        "l_api_est_deployee": "passed",
        "l_api_est_prete": "passed",
        "l_api_repond_dans_son_pod": "passed",
        "un_tunnel_ecoute_sur_votre_poste": "unverified",
        "le_tunnel_mene_a_votre_api": "skipped",
        "votre_api_repond_a_travers_le_tunnel": "skipped",
    }
    assert (wrong["labs"][1]["state"], wrong["labs"][1]["points"]) == ("graded", "0")
    assert wrong["labs"][1]["checks"][0]["finding"].startswith(
        "Aucun pod ne porte l’étiquette app=mon-api"
    )
    assert absent["state"] == "absent"
    assert "failed" not in {*_checks(tmp_path, 0, 0).values(), *_checks(tmp_path, 1, 0).values()}
    marks = (tmp_path / "notes-moodle.csv").read_text(encoding="utf-8").splitlines()
    assert marks[1:] == [
        "juste,zoe@exemple.fr,0.00,,",
        "faux,noel@exemple.fr,0.00,0.00,0.00",
        "absente,lea@exemple.fr,,,",
    ]
    before = _files(tmp_path)
    assert _grade(graded, tmp_path, admin_kubeconfig, "--reprendre").returncode == 3
    assert _files(tmp_path) == before


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="SIGINT is POSIX")
def test_ctrl_c_then_resume(graded: Path, admin_kubeconfig: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    _grade(graded, whole, admin_kubeconfig)
    process = subprocess.Popen(
        [*_command(graded, cut, admin_kubeconfig), "--paralleles", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    while process.poll() is None and not list(cut.glob(".travail/*/*.json")):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Déjà noté et gardé" in err
    assert not (cut / "notes.json").exists()
    assert _grade(graded, cut, admin_kubeconfig, "--reprendre").returncode == 3
    assert _files(cut) == _files(whole)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.cluster
def test_the_smallest_rights_are_enough(
    graded: Path, admin: Api, admin_kubeconfig: Path, tmp_path: Path
) -> None:
    """Without the right to open a tunnel, what needs one is left to the teacher; nothing is in
    error."""
    teacher = people.create_teacher(admin, admin_kubeconfig)
    done = _grade(graded, tmp_path, teacher)
    assert done.returncode == 3, done
    assert _checks(tmp_path, 0, 1)["l_api_est_prete"] == "passed"
    assert _checks(tmp_path, 0, 1)["l_api_repond_dans_son_pod"] == "unverified"
    assert _checks(tmp_path, 1, 1)["l_api_est_deployee"] == "failed"
    assert "error" not in {
        status
        for index in (0, 1)
        for lab in (0, 1)
        for status in _checks(tmp_path, index, lab).values()
    }


@pytest.mark.cluster
def test_rights_that_fall_short_are_told_and_make_no_zero(
    graded: Path, new_person: Callable[..., Person], tmp_path: Path
) -> None:
    done = _grade(graded, tmp_path, new_person("n").kubeconfig)
    assert done.returncode == 3, done
    assert "Traceback" not in done.stderr
    grades = json.loads((tmp_path / "notes.json").read_text(encoding="utf-8"))
    for learner in grades["learners"]:
        assert learner["state"] == "review"
        assert {lab["points"] for lab in learner["labs"]} == {"0"}
        assert "Vos droits ne suffisent pas pour lire le namespace" in learner["labs"][1]["reason"]


@pytest.mark.cluster
@pytest.mark.parametrize("who", ["prof", "admin"])
@pytest.mark.parametrize("lab", list(all_labs()), ids=lambda lab: lab.short_name)
def test_a_right_answer_is_never_wrong_from_afar(
    lab: Lab,
    who: str,
    new_person: Callable[..., Person],
    admin: Api,
    admin_kubeconfig: Path,
    tmp_path: Path,
) -> None:
    """What cannot be seen is left open; nothing of the learner's is touched; the checker has no
    trouble. A teacher whom each of them lets in finds the same as one of the whole cluster."""
    learner, colleague, other = new_person("n"), new_person("n"), new_person("n")
    stage = Stage(lab, learner, colleague)
    try:
        stage.run(lab.about.setup.colleague_commands, colleague)
        stage.run(lab.about.setup.commands)
        stage.apply(lab.files("solution"))
        stage.run([each for each in lab.about.solution.commands if not each.endswith("&")])
        before = _pods(admin, learner.namespace)
        roster = tmp_path / "classe.csv"
        roster.write_text(
            "identifiant,nom,prenom,email,namespace,collegue\n"
            f"un,Un,Une,un@exemple.fr,{learner.namespace},{colleague.namespace}\n",
            encoding="utf-8",
        )
        kubeconfig = (
            admin_kubeconfig if who == "admin" else people.create_teacher(admin, admin_kubeconfig)
        )
        done = _grade(roster, tmp_path / "notes", kubeconfig, labs=lab.name)
        assert done.returncode in (0, 3), done
        grades = json.loads((tmp_path / "notes" / "notes.json").read_text(encoding="utf-8"))
        found = grades["learners"][0]["labs"][0]
        told = [(check["id"], check["status"], check["finding"]) for check in found["checks"]]
        assert {"failed", "error"}.isdisjoint(_checks(tmp_path / "notes", 0, 0).values()), told
        assert found["checks"], found
        assert _pods(admin, learner.namespace) == before
        if who == "prof":
            user = people.user_of(other.namespace.removeprefix("user-"))
            for person in (learner, colleague):
                run(person, "cahier", "partager", user)
            shared = _grade(roster, tmp_path / "shared", other.kubeconfig, labs=lab.name)
            assert (shared.returncode, shared.stderr) == (done.returncode, "")
            assert _files(tmp_path / "shared") == _files(tmp_path / "notes")
    finally:
        stage.close()


def _pods(admin: Api, namespace: str) -> set[str]:
    return {
        item["metadata"]["uid"]
        for item in admin.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    }
