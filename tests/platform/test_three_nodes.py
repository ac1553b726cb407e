"""A second cluster, of three nodes: labs across nodes; then, its enforcer off, no verdict about
policies."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.lab import find_lab
from checks.stage import Person, Stage
from tests.support import operated
from tests.support.verdicts import run, said, shown, verify

# first: the other second cluster, which lasts for many tests, is not there yet
pytestmark = [pytest.mark.cluster, pytest.mark.first, pytest.mark.timeout(900)]

NO_ENFORCEMENT = "Ce cluster n’applique pas les NetworkPolicies"


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """State folder of a cluster of three nodes, to which every command of the test speaks; removed
    at the end."""
    operated.skip_where_there_can_be_none()
    with (
        operated.without_it(),
        tempfile.TemporaryDirectory(prefix="cahier-") as short,  # the engine's socket lies in it
    ):
        monkeypatch.setenv("CAHIER_ENGINE_NAME", "cahier-trois")
        monkeypatch.setenv("CAHIER_ENGINE_NETWORK", "198.18.100")
        monkeypatch.setenv("XDG_STATE_HOME", f"{short}/moteur")
        monkeypatch.setenv("CAHIER_ETAT", f"{short}/etat")
        nobody = Person("default", Path(short) / "aucun")
        try:
            run(nobody, "cahier", "cluster", "creer", "--noeuds", "3")
            yield Path(short) / "etat"
        finally:
            run(nobody, "cahier", "cluster", "supprimer")


def test_pods_on_other_nodes_then_policies_that_nobody_enforces(
    state: Path, free_port: int
) -> None:
    alice = Person("user-alice", state / "cluster" / "people" / "alice.kubeconfig")
    bob = Person("user-bob", state / "cluster" / "people" / "bob.kubeconfig")
    admin = Person("default", state / "cluster" / "admin.kubeconfig")

    run(admin, "kubectl", "cordon", "cahier-worker2")
    fourth = Stage(find_lab("tp4"), alice, bob)
    fourth.run(fourth.lab.about.setup.commands)
    fourth.apply(fourth.lab.files("solution"))
    run(admin, "kubectl", "uncordon", "cahier-worker2")
    # what follows runs on another node than the base
    run(admin, "kubectl", "cordon", "cahier-worker")
    for lab, options in (("tp2", ()), ("tp5", ("--collegue", "user-alice"))):
        stage = Stage(find_lab(lab), bob, alice, local_port=free_port)
        try:
            stage.apply(stage.lab.files("solution"))
            stage.run(stage.lab.about.solution.commands)
            verdict = verify(bob, lab, "--port", str(free_port), *options)
        finally:
            stage.close()
        assert verdict["status"] == "passed", shown(verdict)
    verdict = verify(alice, "tp4", "--collegue", "user-bob")
    assert verdict["status"] == "passed", shown(verdict)
    where = "jsonpath={range .items[*]}{.metadata.name}={.spec.nodeName} {end}"
    nodes = run(admin, "kubectl", "get", "pods", "-A", "-o", where)
    assert "postgresql-cnpg-951239-1=cahier-worker " in nodes
    assert "pg-proxy=cahier-worker2 " in nodes

    run(
        admin,
        "kubectl",
        "-n",
        "kube-system",
        "set",
        "env",
        "daemonset/kindnet",
        "ENFORCE_NETWORK_POLICY=false",
    )
    run(
        admin,
        "kubectl",
        "-n",
        "kube-system",
        "rollout",
        "status",
        "daemonset/kindnet",
        "--timeout=120s",
    )
    (
        state / "progression.json"
    ).unlink()  # where it is remembered for some minutes that they were enforced

    verdict = verify(alice, "tp4", "--collegue", "user-bob")
    assert verdict["status"] == "unverified", shown(verdict)
    reasons = said(verdict, "unverified")
    assert set(reasons) == {
        "votre_namespace_atteint_la_base",
        "le_namespace_du_collegue_atteint_la_base",
        "un_troisieme_namespace_est_refuse",
    }
    assert all(reason.startswith(NO_ENFORCEMENT) for reason in reasons.values())

    run(
        alice,
        "kubectl",
        "create",
        "configmap",
        "equipe",
        "--from-literal=membres=user-bob user-chloe",
    )
    verdict = verify(alice, "tp8", "--collegue", "user-bob")
    reasons = said(verdict, "unverified")
    assert reasons["chaque_membre_atteint_la_base"].startswith(f"{NO_ENFORCEMENT} : user-chloe"), (
        shown(verdict)
    )
    assert reasons["le_reseau_n_admet_que_l_equipe"].startswith(NO_ENFORCEMENT), shown(verdict)

    run(alice, "kubectl", "delete", "networkpolicies", "--all")
    verdict = verify(alice, "tp8", "--collegue", "user-bob")
    reasons = said(verdict, "unverified")
    assert reasons["le_reseau_n_admet_que_l_equipe"].startswith(NO_ENFORCEMENT), shown(verdict)
