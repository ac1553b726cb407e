"""What only an operator does to a base, and what a person then reads."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checks.access.kubernetes_api import Api
from checks.lab import find_lab
from checks.stage import Person, Stage
from tests.conftest import people, unused_port
from tests.support.verdicts import repaired, run, said, shown, verify
from tests.support.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

BASE = "enquete-emploi"
CLUSTERS = "/apis/postgresql.cnpg.io/v1/namespaces/{}/clusters"


class Operated:
    """A person's base, as the platform's administrators see it too."""

    def __init__(self, admin: Api, owner: Person) -> None:
        self.admin, self.owner = admin, owner

    @property
    def path(self) -> str:
        return f"{CLUSTERS.format(self.owner.namespace)}/{BASE}"

    @property
    def cluster(self) -> dict[str, Any]:
        return self.admin.request("GET", self.path)

    @property
    def phase(self) -> str:
        return str(self.cluster["status"]["phase"])

    def change(self, of: str = "", **content: Any) -> None:
        self.admin.request(
            "PATCH", self.path + of, content, content_type="application/merge-patch+json"
        )

    def healthy(self) -> bool:
        return self.phase == "Cluster in healthy state"

    def look(self) -> None:
        """Have the operator look at the base, as whatever happens to it does."""
        self.change(metadata={"annotations": {"essai/vu": str(time.time())}})


@contextlib.contextmanager
def tunnel(base: Operated, port: int) -> Iterator[Stage]:
    """A stage of lab 3 whose tunnel is open."""
    stage = Stage(find_lab("tp3"), base.owner, database=BASE, local_port=port)
    try:
        stage.run([f"kubectl port-forward pod/{BASE}-1 {port}:5432 &"])
        yield stage
    finally:
        stage.close()


@pytest.fixture(scope="module")
def base(operator: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """One for all tests of this file, each of which leaves it as it found it."""
    admin = Api(str(operator))
    with people(admin, operator, tmp_path_factory) as new_person:
        owner = new_person()
        run(owner, "cahier", "catalogue", "lancer", "postgresql", "--nom", BASE)
        yield Operated(admin, owner)


def test_what_the_form_closes_stays_open_until_it_is_closed_for_good(base: Operated) -> None:
    """The chart's policy selects the pods of a release that is called like the chart."""
    assert "par l’opérateur CloudNativePG" in run(base.owner, "cahier", "cluster", "etat")
    assert "aucune" in run(base.owner, "cahier", "catalogue", "lister")
    closed = run(base.owner, "cahier", "catalogue", "fermer", BASE)
    assert "l’opérateur" in closed
    listed = run(base.owner, "cahier", "catalogue", "lister")
    assert "aucune" not in listed
    assert until(base.healthy), "the operator is let in"


def test_a_policy_that_shuts_the_operator_out_leaves_the_base_to_its_clients(
    base: Operated, free_port: int
) -> None:
    place = f"/apis/networking.k8s.io/v1/namespaces/{base.owner.namespace}/networkpolicies/{BASE}"
    policy = base.admin.request("GET", place)
    own = [rule for rule in policy["spec"]["ingress"] if "ports" not in rule]
    base.admin.request(
        "PATCH", place, {"spec": {"ingress": own}}, content_type="application/merge-patch+json"
    )

    def is_lost() -> bool:
        base.look()
        return not base.healthy()

    # what it had opened before stays open, until it has not been used for a while
    assert until(is_lost, seconds=240, pause=45)
    with tunnel(base, free_port):
        verdict = verify(base.owner, "tp3", "--port", str(free_port))
    assert verdict["status"] == "passed", shown(verdict)
    run(base.owner, "cahier", "catalogue", "fermer", BASE)
    base.look()
    assert until(base.healthy)


def test_the_password_of_its_secret_is_put_back_in_the_base(base: Operated) -> None:
    """The operator reconciles `R-user`; what is printed makes the three agree for good."""
    place = f"/api/v1/namespaces/{base.owner.namespace}/secrets/{BASE}-user"
    changed = base64.b64encode(b"un-autre-mot-de-passe").decode()
    base.admin.request(
        "PATCH",
        place,
        {"data": {"password": changed}},
        content_type="application/merge-patch+json",
    )
    base.look()
    port = unused_port()
    with tunnel(base, port) as stage:
        refused = "le_compte_du_secret_ouvre_une_session"

        def is_refused() -> bool:
            return refused in said(verify(base.owner, "tp3", "--port", str(port)), "failed")

        assert until(is_refused)
        verdict = repaired(stage, "tp3", "--port", str(port))
        assert verdict["status"] == "passed", shown(verdict)
        base.look()
        assert until(lambda: _reconciled(base))
        verdict = verify(base.owner, "tp3", "--port", str(port))
        assert verdict["status"] == "passed", shown(verdict)


def _reconciled(base: Operated) -> bool:
    """Whether the operator has given the base the password that the Secret has now."""
    place = f"/api/v1/namespaces/{base.owner.namespace}/secrets/{BASE}-user"
    version = base.admin.request("GET", place)["metadata"]["resourceVersion"]
    known = base.cluster["status"]["managedRolesStatus"]["passwordStatus"]
    return bool(known[base.owner.namespace]["resourceVersion"] == version)


def test_a_base_in_pause_is_told_and_comes_back(base: Operated, free_port: int) -> None:
    hibernation = "cnpg.io/hibernation"
    base.change(metadata={"annotations": {hibernation: "on"}})
    pod = f"/api/v1/namespaces/{base.owner.namespace}/pods/{BASE}-1"
    assert until(lambda: base.admin.find(pod) is None, seconds=90)
    verdict = verify(base.owner, "tp3", "--port", str(free_port))
    lesson = next(one for one in verdict["checks"] if one["status"] == "failed")
    assert lesson["id"] == "la_base_est_prete", shown(verdict)
    assert "en pause" in lesson["cause"]
    assert not lesson["fix_commands"], "nobody but the platform wakes it up"
    base.change(metadata={"annotations": {hibernation: "off"}})
    assert until(base.healthy, seconds=120)


def test_after_a_switchover_the_base_is_where_the_service_leads(
    base: Operated, free_port: int
) -> None:
    base.change(spec={"instances": 2})
    assert until(lambda: base.cluster["status"].get("readyInstances") == 2, seconds=180)
    with tunnel(base, free_port) as stage:
        base.change("/status", status={"targetPrimary": f"{BASE}-2"})
        assert until(lambda: base.cluster["status"]["currentPrimary"] == f"{BASE}-2", seconds=120)
        assert until(base.healthy, seconds=120)
        listed = run(base.owner, "cahier", "catalogue", "lister")
        assert listed.count(BASE) >= 1
        verdict = verify(base.owner, "tp3", "--port", str(free_port))
        assert verdict["status"] == "failed", shown(verdict)
        first = next(iter(said(verdict, "failed").items()))
        assert first[0] == "le_tunnel_mene_a_la_base", shown(verdict)
        assert f"{BASE}-2" in json.dumps(verdict, ensure_ascii=False)
        verdict = repaired(stage, "tp3", "--port", str(free_port))
        assert verdict["status"] == "passed", shown(verdict)


def test_nothing_is_left_of_a_base_that_is_stopped(base: Operated) -> None:
    run(base.owner, "cahier", "catalogue", "arreter", BASE)
    kinds = "pods,services,secrets,persistentvolumeclaims,networkpolicies,rolebindings,roles"

    def left() -> str:
        return run(base.owner, "kubectl", "get", kinds, "-o", "name")

    assert until(lambda: BASE not in left(), seconds=60), left()
