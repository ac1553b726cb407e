"""What each person lets a teacher read: enough to be graded as with the ClusterRole, and nothing
that the labs deny to others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.access.kubernetes_api import Api
from checks.lab import find_lab
from checks.local_sspcloud import people, teacher
from checks.stage import Person, Stage
from tests.support.verdicts import run, said, shown, verify

pytestmark = pytest.mark.cluster

CHECKS = {
    "tunnel": ("pods/portforward", "create"),
    "secret": ("secrets", "get"),
    "shell": ("pods/exec", "create"),
}
FAILS = {
    ("tp3", "tunnel"): "personne_d_autre_n_ouvre_de_tunnel",
    ("tp3", "secret"): "personne_d_autre_ne_lit_le_mot_de_passe",
    ("tp3", "shell"): "personne_d_autre_n_entre_dans_le_pod",
    ("tp6", "tunnel"): "personne_d_autre_n_ouvre_de_tunnel",
    ("tp8", "tunnel"): "personne_d_autre_n_ouvre_de_tunnel",
    ("tp8", "secret"): "personne_ne_lit_les_secrets_de_la_base",
    ("tp8", "shell"): "personne_n_agit_sur_le_pod_de_la_base",
}


def _user(person: Person) -> str:
    return people.user_of(person.namespace.removeprefix("user-"))


def _solved(stage: Stage) -> Stage:
    stage.run(stage.lab.about.setup.commands)
    stage.apply(stage.lab.files("solution"))
    stage.run([each for each in stage.lab.about.solution.commands if not each.endswith("&")])
    return stage


# -- what is given ---------------------------------------------------------------------------------


def test_a_role_leaves_out_what_is_in_no_namespace_and_nothing_else(admin: Api) -> None:
    served: dict[tuple[str, str], bool] = {}
    whole = yaml.safe_load(teacher.cluster_role())["rules"]
    for group in {name for rule in whole for name in rule["apiGroups"]}:
        version = "/api/v1" if not group else f"/apis/{group}/v1"
        for one in admin.request("GET", version)["resources"]:
            served[group, one["name"]] = one["namespaced"]

    def rights(rules: list[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
        return {
            (group, resource, verb)
            for rule in rules
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    inside = {one for one in rights(whole) if served[one[:2]]}
    assert rights(teacher.role()["rules"]) == inside | {("", "namespaces", "get")}


def test_a_teacher_is_let_in_beside_another_and_leaves_nothing(
    new_person: Callable[..., Person], tmp_path: Path
) -> None:
    learner, first, second = new_person("s"), new_person("s"), new_person("s")
    listing = ["kubectl", "get", "pods", "-n", learner.namespace]
    assert "c’est vous" in run(learner, "cahier", "partager", _user(learner), code=2)
    run(first, *listing, code=1)
    run(learner, "cahier", "partager", _user(first))
    # what « droits-enseignant » prints is the same; applied by hand, it names one teacher
    run(learner, "cahier", "partager", _user(second))
    for one in (first, second):
        run(one, *listing)
        asked = ["kubectl", "auth", "can-i", "-n", learner.namespace]
        for denied in ("get secrets", "create pods/exec", "create pods/portforward", "delete pods"):
            run(one, *asked, *denied.split(), code=1)
    assert "ne peut plus lire" in run(learner, "cahier", "partager", _user(first), "--retirer")
    run(first, *listing, code=1)
    run(second, *listing)
    run(learner, "cahier", "partager", _user(second), "--retirer")
    assert "n’avait pas" in run(learner, "cahier", "partager", _user(second), "--retirer")
    left = run(learner, "kubectl", "get", "roles,rolebindings", "-o", "name")
    assert teacher.ROLE not in left
    file = tmp_path / "droits.yaml"
    file.write_text(run(learner, "cahier", "droits-enseignant", "--par-personne", _user(first)))
    run(learner, "kubectl", "apply", "-f", str(file))
    run(first, *listing)


def test_another_s_role_under_that_name_is_told(new_person: Callable[..., Person]) -> None:
    learner = new_person("s")
    command = ["kubectl", "create", "rolebinding", teacher.ROLE, "--clusterrole=view", "--user=x"]
    run(learner, *command)
    told = run(learner, "cahier", "partager", "oidc-prof", code=2)
    assert "donne un autre rôle, « view »" in told
    run(learner, *told.split("recommencez : ")[1].split())
    run(learner, "cahier", "partager", "oidc-prof")


# -- grading from it -------------------------------------------------------------------------------


def _grade(
    roster: Path, folder: Path, kubeconfig: Path, *options: str
) -> tuple[list[dict[str, Any]], str]:
    command = ["cahier", "noter", str(roster), "--labs", "tp1,tp2,tp6", "--sortie", str(folder)]
    seen_before = ["--historique", f"{folder}.sqlite"]  # nothing, but for the folder's own
    done = subprocess.run(
        [*command, *seen_before, "--kubeconfig", str(kubeconfig), *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 3, done
    return json.loads((folder / "notes.json").read_text(encoding="utf-8"))["learners"], done.stderr


def test_whoever_shares_is_graded_as_with_the_cluster_role(
    new_person: Callable[..., Person],
    stages: Callable[..., Stage],
    admin: Api,
    admin_kubeconfig: Path,
    tmp_path: Path,
) -> None:
    right, wrong, closed, prof = (new_person("s") for _ in range(4))
    api = find_lab("tp2")
    _solved(stages("tp6", right, wrong))
    stages("tp2", right).apply(api.files("solution"))
    given = stages("tp6", wrong, right)
    given.run(given.lab.about.setup.commands)
    given.apply(given.lab.case_files("erreurs", "edit_au_collegue"))
    stages("tp2", wrong).apply(api.case_files("erreurs", "mauvaise_etiquette"))
    stages("tp2", closed).apply(api.files("solution"))
    run(right, "kubectl", "rollout", "status", "deployment/mon-api", "--timeout=90s")
    roster = tmp_path / "classe.csv"
    lines = ["identifiant,nom,prenom,email,namespace,collegue"]
    for name, person, other in (
        ("juste", right, wrong),
        ("faux", wrong, right),
        ("ferme", closed, right),
    ):
        email = f"{name}@exemple.fr"
        lines.append(f"{name},N,P,{email},{person.namespace},{other.namespace}")
    roster.write_text("\n".join(lines), encoding="utf-8")

    whole, told = _grade(roster, tmp_path / "whole", people.create_teacher(admin, admin_kubeconfig))
    assert told == ""
    for person in (right, wrong):
        run(person, "cahier", "partager", _user(prof))
    shared, told = _grade(roster, tmp_path / "shared", prof.kubeconfig)
    assert shared[:2] == whole[:2]
    assert all(lab["points"] != "0" for lab in shared[0]["labs"][1:])
    assert shared[0]["labs"][0]["reason"].startswith("Pas commencé")  # no receipt of it
    assert "failed" in {check["status"] for check in shared[1]["labs"][2]["checks"]}
    assert (
        f"ligne 4 : le namespace {closed.namespace} vous est fermé ; ferme sera sans note" in told
    )
    assert f"cahier partager {_user(prof)}" in told
    assert right.namespace not in told
    assert shared[2]["state"] == "review"
    for lab in shared[2]["labs"]:
        assert lab["points_open"] == lab["points_max"]  # no zero
        assert "Vos droits ne suffisent pas" in lab["reason"]

    run(closed, "cahier", "partager", _user(prof))
    resumed, told = _grade(roster, tmp_path / "shared", prof.kubeconfig, "--reprendre")
    assert (resumed, told) == (whole, "")

    run(right, "cahier", "partager", _user(prof), "--retirer")
    again, told = _grade(roster, tmp_path / "again", prof.kubeconfig)
    assert f"ligne 2 : le namespace {right.namespace} vous est fermé" in told
    assert again[0]["state"] == "review"


# -- what the labs say of it -----------------------------------------------------------------------


@pytest.mark.parametrize("lab", ["tp3", "tp6", "tp8"])
def test_the_labs_do_not_count_it_but_find_what_it_would_give_besides(
    lab: str, new_person: Callable[..., Person], stages: Callable[..., Stage], free_port: int
) -> None:
    owner, colleague = new_person("s"), new_person("s")
    pair: tuple[str, ...] = ("--collegue", colleague.namespace)
    if find_lab(lab).about.port:  # the lab's own port may be another test's for a while
        pair += ("--port", str(free_port))
    _solved(stages(lab, owner, colleague))
    before = verify(owner, lab, *pair)
    # no tunnel is open on this machine
    assert set(said(before, "failed")) <= {"un_tunnel_ecoute_sur_votre_poste"}, shown(before)
    run(owner, "cahier", "partager", "oidc-prof")
    shared = verify(owner, lab, *pair)
    assert shown(shared) == shown(before)
    for name, (resource, verb) in CHECKS.items():
        rule = {"apiGroups": [""], "resources": [resource], "verbs": [verb]}
        change = json.dumps([{"op": "add", "path": "/rules/-", "value": rule}])
        run(owner, "kubectl", "patch", "role", teacher.ROLE, "--type=json", "-p", change)
        if (lab, name) in FAILS:
            verdict = verify(owner, lab, *pair)
            finding = said(verdict, "failed").get(FAILS[lab, name], "")
            assert "oidc-prof" in finding, shown(verdict)
        run(owner, "cahier", "partager", "oidc-prof")  # puts the Role right
    assert shown(verify(owner, lab, *pair)) == shown(before)
