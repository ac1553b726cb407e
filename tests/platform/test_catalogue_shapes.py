"""The labs on what the platform's own charts and operator make, where the local catalogue makes
something else.

https://github.com/InseeFrLab/helm-charts-databases/tree/main/charts/postgresql-cnpg
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from checks.lab import find_lab
from checks.local_sspcloud.services.postgresql.plain import DATABASE
from checks.stage import Person, Stage
from tests.support.verdicts import repaired, run, said, shown, verify

pytestmark = pytest.mark.cluster

CHART = "postgresql-cnpg"
"""The name of the chart, which its own policy takes for that of the release."""
USUAL = "postgresql-cnpg-951239"
EDITOR = "vscode-python-123456"


def launch(person: Person, name: str, *options: str) -> None:
    run(person, "cahier", "catalogue", "lancer", "postgresql", "--nom", name, *options)


def as_the_chart_writes_it(person: Person, release: str) -> None:
    """Give the policy of a release the selector that the chart's template has."""
    spec = {"spec": {"podSelector": {"matchLabels": {"cnpg.io/cluster": CHART}}}}
    run(
        person, "kubectl", "patch", "networkpolicy", release, "--type=merge", "-p", json.dumps(spec)
    )


def solved(stage: Stage) -> Stage:
    """The lab's own solution, applied."""
    stage.apply(stage.lab.files("solution"))
    stage.run(stage.lab.about.solution.commands)
    return stage


# -- the policy of the chart, which chooses no pod -------------------------------------------------


def test_a_database_that_its_policy_does_not_close_is_closed_by_the_printed_remedy(
    new_person: Callable[..., Person], stages: Callable[..., Stage]
) -> None:
    alice, bob = new_person("a"), new_person("b")
    launch(alice, USUAL)
    as_the_chart_writes_it(alice, USUAL)
    # another service has a policy of its own, which is not at fault
    run(alice, "kubectl", "run", "api", "--image=busybox:1.36", "--command", "--", "sleep", "7200")
    other = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "api"},
        "spec": {"podSelector": {"matchLabels": {"run": "api"}}, "policyTypes": ["Ingress"]},
    }
    solution = {"api.yaml": json.dumps(other)}
    pair = ("--collegue", bob.namespace)

    fourth = stages("tp4", alice, bob)
    fourth.apply(solution)
    first = said(verify(alice, "tp4", *pair), "failed")
    assert list(first) == ["un_troisieme_namespace_est_refuse"], "all come in, the colleague too"
    assert f"« {USUAL} » le manque" in first["un_troisieme_namespace_est_refuse"]
    assert repaired(fourth, "tp4", *pair)["status"] == "passed"

    as_the_chart_writes_it(alice, USUAL)
    run(alice, "kubectl", "delete", "networkpolicy", "ouverture-collegue")
    eighth = solved(stages("tp8", alice, bob))
    verdict = verify(alice, "tp8", *pair)
    assert list(said(verdict, "failed")) == ["le_reseau_n_admet_que_l_equipe"], shown(verdict)
    finding = said(verdict, "failed")["le_reseau_n_admet_que_l_equipe"]
    assert f"« {USUAL} » le manque" in finding
    assert f"cnpg.io/cluster={CHART}," in finding
    verdict = repaired(eighth, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)

    run(alice, "kubectl", "delete", "networkpolicy", USUAL)
    verdict = verify(alice, "tp8", *pair)
    finding = said(verdict, "failed")["le_reseau_n_admet_que_l_equipe"]
    assert "le manque" not in finding, "a policy that serves another pod was not meant for the base"
    finding = said(verify(alice, "tp4", *pair), "failed")["un_troisieme_namespace_est_refuse"]
    assert "« api »" not in finding
    assert f"aucune NetworkPolicy de {alice.namespace} ne s’applique" in finding


# -- a release that is called like its chart -------------------------------------------------------


def test_a_release_called_like_its_chart_is_shared_as_any_other(
    new_person: Callable[..., Person], stages: Callable[..., Stage], free_port: int
) -> None:
    alice, bob = new_person("a"), new_person("b")
    pair = ("--collegue", bob.namespace)
    launch(alice, CHART)
    launch(alice, f"{CHART}-7", "--ouvert")
    run(alice, "cahier", "catalogue", "fermer", f"{CHART}-7")
    as_the_chart_writes_it(alice, f"{CHART}-7")

    def row(name: str) -> list[str]:
        listed = run(alice, "cahier", "catalogue", "lister").splitlines()
        return next(line.split() for line in listed if line.split()[:1] == [name])

    both = [f"{CHART},", f"{CHART}-7"]
    assert row(CHART)[3:5] == both, "two policies choose its pod"
    assert row(f"{CHART}-7")[3] == "aucune"

    third = stages("tp3", alice, local_port=free_port, database=CHART)
    third.run([f"kubectl port-forward pod/{CHART}-1 5432:5432 &"])
    verdict = verify(alice, "tp3", "--port", str(free_port), *pair)
    assert verdict["status"] == "passed", shown(verdict)

    fourth = stages("tp4", alice, bob, database=CHART)
    solved(fourth)
    verdict = verify(alice, "tp4", *pair)
    assert verdict["status"] == "passed", shown(verdict)
    wrong = fourth.lab.files("solution")["ouverture.yaml"].replace(USUAL, f"{CHART}-1")
    fourth.apply({"ouverture.yaml": wrong})
    finding = said(verify(alice, "tp4", *pair), "failed")
    assert any(f"cnpg.io/cluster={CHART}-1," in one for one in finding.values()), finding
    verdict = repaired(fourth, "tp4", *pair)
    assert verdict["status"] == "passed", shown(verdict)
    run(alice, "kubectl", "delete", "networkpolicy", "ouverture-collegue")

    sixth = solved(stages("tp6", alice, bob, database=CHART))
    verdict = verify(alice, "tp6", *pair)
    assert verdict["status"] == "passed", shown(verdict)
    account = f"--serviceaccount={alice.namespace}:{EDITOR}"
    run(alice, "kubectl", "create", "rolebinding", EDITOR, "--clusterrole=view", account)
    sixth.run(["kubectl delete rolebinding tunnel-vers-la-base"])
    refused = said(verify(alice, "tp6", *pair), "failed")["votre_collegue_peut_ouvrir_le_tunnel"]
    assert EDITOR not in refused, "what a service binds for itself is meant for nobody"
    verdict = repaired(sixth, "tp6", *pair)
    assert verdict["status"] == "passed", shown(verdict)
    run(alice, "kubectl", "delete", "role,rolebinding", "tunnel-vers-la-base")

    solved(stages("tp8", alice, bob, database=CHART))
    verdict = verify(alice, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)


def test_the_policy_of_another_release_is_what_closes_it(
    new_person: Callable[..., Person], stages: Callable[..., Stage]
) -> None:
    """Its own box is not ticked; that of another release is, and chooses its pod."""
    alice, bob = new_person("a"), new_person("b")
    pair = ("--collegue", bob.namespace)
    launch(alice, CHART, "--ouvert")
    launch(alice, f"{CHART}-7")
    as_the_chart_writes_it(alice, f"{CHART}-7")

    opened = run(alice, "cahier", "catalogue", "ouvrir", CHART)
    assert "rien n’a été changé" in opened
    assert f"n’y laissent entrer que qui elles admettent : {CHART}-7." in opened
    fourth = solved(stages("tp4", alice, bob, database=CHART))
    verdict = verify(alice, "tp4", *pair)
    assert verdict["status"] == "passed", shown(verdict)

    run(alice, "kubectl", "delete", "networkpolicy", "ouverture-collegue")
    moved = run(alice, "cahier", "catalogue", "fermer", f"{CHART}-7")
    assert f"La base {CHART}-7 est fermée" in moved
    assert f"choisissait aussi le pod {CHART}-1" in moved
    assert f"cahier catalogue fermer {CHART}" in moved
    as_the_chart_writes_it(alice, f"{CHART}-7")
    removed = run(alice, "cahier", "catalogue", "ouvrir", f"{CHART}-7")
    assert "ne choisissait pas le pod de la base" in removed
    assert f"choisissait aussi le pod {CHART}-1" in removed
    finding = said(verify(alice, "tp4", *pair), "failed")["un_troisieme_namespace_est_refuse"]
    assert f"aucune NetworkPolicy dans {alice.namespace}" in finding
    verdict = repaired(fourth, "tp4", *pair)
    assert verdict["status"] == "passed", shown(verdict)

    run(alice, "cahier", "catalogue", "fermer", CHART)
    run(alice, "cahier", "catalogue", "fermer", f"{CHART}-7")
    as_the_chart_writes_it(alice, f"{CHART}-7")
    still = run(alice, "cahier", "catalogue", "ouvrir", CHART)
    assert f"La NetworkPolicy {CHART} est retirée." in still
    assert "est ouverte" not in still, "another one closes it"


# -- a form without the box that closes the base ---------------------------------------------------

GUIDE = Path(__file__).parents[2] / "docs/premiers-pas/sspcloud.md"
SECTION = "### Fermer ou ouvrir la base sans le formulaire"


def test_what_the_form_does_not_offer_is_done_by_the_commands_of_the_guide(
    new_person: Callable[..., Person], stages: Callable[..., Stage], free_port: int
) -> None:
    alice, bob = new_person("a"), new_person("b")
    launch(alice, USUAL, "--ouvert")  # as an instance may have it, whatever its owner would like
    section = GUIDE.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n#")[0]
    close, opened, removed = re.findall(rf"`((?:cahier|kubectl) [^`]*{USUAL})`", section)

    def policies() -> str:
        return run(alice, "kubectl", "get", "networkpolicy", "-o", "name")

    for opening in (opened, removed):
        run(alice, *close.split())
        assert f"networkpolicy.networking.k8s.io/{USUAL}" in policies()
        run(alice, *opening.split())
        assert USUAL not in policies()

    pair = ("--collegue", bob.namespace)
    fourth = stages("tp4", alice, bob)
    verdict = verify(alice, "tp4", *pair)
    assert list(said(verdict, "failed")) == ["un_troisieme_namespace_est_refuse"], shown(verdict)
    run(alice, *close.split())
    fourth.apply(fourth.lab.files("solution"))
    verdict = verify(alice, "tp4", *pair)
    assert verdict["status"] == "passed", shown(verdict)
    fourth.run(["kubectl delete networkpolicy ouverture-collegue"])

    theirs = ("--collegue", alice.namespace, "--port", str(free_port))
    fifth = solved(stages("tp5", bob, alice, local_port=free_port))
    finding = said(verify(bob, "tp5", *theirs), "failed")["la_base_repond_a_travers_le_proxy"]
    assert finding
    run(alice, *opened.split())
    verdict = repaired(fifth, "tp5", *theirs)
    assert verdict["status"] == "passed", shown(verdict)

    eighth = solved(stages("tp8", alice, bob))
    verdict = verify(alice, "tp8", *pair)
    assert list(said(verdict, "failed")) == ["le_reseau_n_admet_que_l_equipe"], shown(verdict)
    verdict = repaired(eighth, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)


# -- the variables of one's own base ---------------------------------------------------------------


def test_the_variables_of_one_s_own_base_change_no_verdict(
    new_person: Callable[..., Person],
    stages: Callable[..., Stage],
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A service that is launched where a base can be discovered has them in every terminal."""
    bob, alice = new_person("b"), new_person("a")
    launch(bob, f"{CHART}-7")
    launch(alice, USUAL, "--ouvert")
    made = json.loads(run(bob, "kubectl", "get", "secret", f"{CHART}-7", "-o", "json"))["data"]
    own = {name: base64.b64decode(made[name]).decode() for name in made}
    monkeypatch.setenv("PGHOST", f"{CHART}-7-rw")
    monkeypatch.setenv("PGPORT", "5432")
    monkeypatch.setenv("PGDATABASE", DATABASE)
    for variable, key in (("USER", "username"), ("PASSWORD", "password")):
        monkeypatch.setenv(f"PG{variable}", own[key])

    port, pair = ("--port", str(free_port)), ("--collegue", alice.namespace)
    third = stages("tp3", bob, alice, local_port=free_port, database=f"{CHART}-7")
    third.run([f"kubectl port-forward pod/{CHART}-7-1 5432:5432 &"])
    verdict = verify(bob, "tp3", *port, *pair)
    assert verdict["status"] == "passed", shown(verdict)
    third.close()

    fifth = solved(stages("tp5", bob, alice, local_port=free_port))
    fifth.run(["kubectl port-forward pod/pg-proxy 5432:5432 &"])
    verdict = verify(bob, "tp5", *port, *pair)
    assert verdict["status"] == "passed", shown(verdict)
    fifth.close()
    fifth.run(["kubectl delete pod pg-proxy --now"])
    proxy = fifth.lab.files("solution")["proxy.yaml"]
    fifth.apply({"proxy.yaml": re.sub(rf"{USUAL}-rw[.\w-]*", f"{CHART}-7-rw", proxy)})
    finding = said(verify(bob, "tp5", *port, *pair), "failed")
    assert "le_proxy_vise_la_base_du_collegue" in finding
    verdict = repaired(fifth, "tp5", *port, *pair)
    assert verdict["status"] == "passed", shown(verdict)
    fifth.close()
    fifth.run(["cahier nettoyer tp5"])

    eighth = solved(stages("tp8", bob, alice, database=f"{CHART}-7"))
    eighth.run(['kubectl create configmap mes-variables --from-literal=PGPASSWORD="$PGPASSWORD"'])
    verdict = verify(bob, "tp8", *pair)
    assert list(said(verdict, "failed")) == ["aucun_mot_de_passe_n_est_ecrit_en_clair"], shown(
        verdict
    )
    verdict = repaired(eighth, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)


# -- what a database is discovered by --------------------------------------------------------------


def discoverable(person: Person, release: str) -> None:
    """Make what the chart makes where « discovery » is on, as it is where nothing is chosen, and
    what a service launched afterwards copies from it."""
    found = json.loads(run(person, "kubectl", "get", "secret", release, "-o", "json"))["data"]

    def secret(name: str, of: str, data: dict[str, str], **annotations: str) -> dict[str, Any]:
        metadata = {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": of, **annotations},
        }
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}

    host, database = (
        base64.b64encode(one.encode()).decode() for one in (f"{release}-rw", DATABASE)
    )
    made = secret(
        f"discoverable-{release}",
        release,
        {
            "postgres-service": host,
            "postgres-password": found["password"],
            "password": found["password"],
            "postgres-username": found["username"],
            "postgres-database": database,
            "postgres-port": "5432",  # the chart does not encode it
        },
        **{"onyxia/discovery": "postgres"},
    )
    copied = {
        "PGHOST": host,
        "PGPORT": base64.b64encode(b"5432").decode(),
        "PGDATABASE": database,
        "PGUSER": found["username"],
        "PGPASSWORD": found["password"],
    }
    for item in (made, secret(f"{EDITOR}-secretpostgresql", EDITOR, copied)):
        stage = Stage(find_lab("tp8"), person)
        stage.apply({"secret.yaml": json.dumps(item)})


def test_what_a_database_is_discovered_by_is_no_leak_of_the_learner_s_but_to_whom_it_is_given(
    new_person: Callable[..., Person], stages: Callable[..., Stage], free_port: int
) -> None:
    alice, bob = new_person("a"), new_person("b")
    pair = ("--collegue", bob.namespace)
    launch(alice, USUAL)
    discoverable(alice, USUAL)
    third = stages("tp3", alice, bob, local_port=free_port)
    third.run([f"kubectl port-forward pod/{USUAL}-1 5432:5432 &"])
    third_pair = ("--port", str(free_port), *pair)
    given_only_to_whom_it_should(third, "personne_d_autre_ne_lit_le_mot_de_passe", third_pair)

    sixth = solved(stages("tp6", alice, bob))
    given_only_to_whom_it_should(sixth, "votre_collegue_ne_lit_aucun_secret", pair)

    sixth.run(["cahier nettoyer tp6"])
    eighth = solved(stages("tp8", alice, bob))
    given_only_to_whom_it_should(eighth, "personne_ne_lit_les_secrets_de_la_base", pair)


def given_only_to_whom_it_should(stage: Stage, check: str, options: Sequence[str]) -> None:
    """The lab is right with the platform's Secrets there; a Role that gives one away is told, and
    withdrawn."""
    lab, who = stage.lab.short_name, stage.learner
    verdict = verify(who, lab, *options)
    assert verdict["status"] == "passed", shown(verdict)
    for secret in (f"discoverable-{USUAL}", f"{EDITOR}-secretpostgresql"):
        stage.run(
            [
                f"kubectl create role lire --verb=get --resource=secrets --resource-name={secret}",
                "kubectl create rolebinding lire --role=lire --user=oidc-bob",
            ]
        )
        verdict = verify(who, lab, *options)
        assert list(said(verdict, "failed")) == [check], shown(verdict)
        assert f"lire le Secret {secret}" in said(verdict, "failed")[check]
        verdict = repaired(stage, lab, *options)
        assert verdict["status"] == "passed", shown(verdict)
        stage.run(["kubectl delete role,rolebinding lire --ignore-not-found"])


def test_the_configuration_that_a_service_writes_in_clear_is_told_and_mended(
    new_person: Callable[..., Person], stages: Callable[..., Stage]
) -> None:
    """pgAdmin's chart writes a password file in a ConfigMap from what it discovers."""
    alice, bob = new_person("a"), new_person("b")
    pair = ("--collegue", bob.namespace)
    launch(alice, USUAL)
    discoverable(alice, USUAL)
    eighth = solved(stages("tp8", alice, bob))
    eighth.run(
        [
            "kubectl create configmap pgadmin-123456 --from-literal=servers.json={} "
            f"--from-literal=pgpass.conf={USUAL}-rw:5432:defaultdb:user-alice:"
            f"$(kubectl get secret {USUAL} -o go-template='{{{{.data.password | base64decode}}}}')",
            "kubectl label configmap pgadmin-123456 app.kubernetes.io/managed-by=Helm "
            "app.kubernetes.io/instance=pgadmin-123456",
        ]
    )
    verdict = verify(alice, "tp8", *pair)
    finding = said(verdict, "failed")["aucun_mot_de_passe_n_est_ecrit_en_clair"]
    assert "ConfigMap « pgadmin-123456 », clé « pgpass.conf »" in finding
    cause = next(one["cause"] for one in verdict["checks"] if one["status"] == "failed")
    assert "« discovery »" in cause, "what a service made comes back with it"
    verdict = repaired(eighth, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)


# -- accounts that the operator makes --------------------------------------------------------------

OPERATOR_S = """\
CREATE ROLE streaming_replica LOGIN REPLICATION;
CREATE ROLE cnpg_pooler_pgbouncer LOGIN;
CREATE ROLE cnpg_metrics_exporter LOGIN PASSWORD NULL; GRANT pg_monitor TO cnpg_metrics_exporter;
CREATE ROLE cnpg_of_tomorrow LOGIN CREATEDB;"""
RULES = """\
local all cnpg_metrics_exporter peer
hostssl postgres streaming_replica all cert
hostssl replication streaming_replica all cert
hostssl all cnpg_pooler_pgbouncer all cert
hostssl all cnpg_of_tomorrow all cert"""
"""As the operator writes them, before the rule for all."""


def test_the_operator_s_accounts_are_not_the_team_s(
    new_person: Callable[..., Person], stages: Callable[..., Stage]
) -> None:
    alice, bob = new_person("a"), new_person("b")
    pair = ("--collegue", bob.namespace)
    launch(alice, USUAL)
    eighth = stages("tp8", alice, bob)

    def sql(text: str) -> None:
        run(alice, "kubectl", "exec", f"{USUAL}-1", "--", "psql", "-qU", "postgres", "-c", text)

    def account() -> str:
        verdict = verify(alice, "tp8", *pair)
        return said(verdict, "failed").get("l_equipe_a_son_propre_compte", "")

    eighth.apply(eighth.lab.files("solution"))
    for statement in OPERATOR_S.splitlines():
        sql(statement)
    assert "n’a pas de mot de passe" in account(), "nothing tells that they are not a person's"
    hba = "cd $PGDATA && printf '%s\\n' \"$1\" | cat - pg_hba.conf > new && mv new pg_hba.conf"
    run(alice, "kubectl", "exec", f"{USUAL}-1", "--", "sh", "-c", hba, "sh", RULES)
    assert "n’a pas d’autre compte que ceux de la plateforme" in account()

    sql("CREATE ROLE equipe LOGIN")
    assert "le compte « equipe » n’a pas de mot de passe" in account()
    sql("GRANT cnpg_of_tomorrow TO equipe")
    assert "« equipe » est membre de « cnpg_of_tomorrow », un compte de la plateforme" in account()
    verdict = repaired(eighth, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)
