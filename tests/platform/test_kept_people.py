"""Who is kept from one case of the corpus for the next has nothing of the first left, and whoever
has leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from checks.access.kubernetes_api import Api
from checks.lab import find_lab
from checks.stage import Person, Stage
from tests.support.kept_people import Beginning, KeptPeople
from tests.support.namespace_content import NamespaceContent

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

BEGINNING = Beginning(("cahier catalogue lancer postgresql --nom enquete",))
PSQL = "kubectl exec enquete-1 -- psql -q -U postgres -d defaultdb -c"


@pytest.fixture
def kept(admin: Api, new_person: Callable[..., Person]) -> KeptPeople:
    return KeptPeople(admin, new_person)


@pytest.fixture
def stage(kept: KeptPeople) -> Iterator[Stage]:
    """Somebody with a base."""
    stage = Stage(find_lab("tp3"), kept.new())
    BEGINNING.play(stage)
    kept.set_up(stage.learner)
    yield stage
    stage.close()


def test_what_was_added_is_taken_away(kept: KeptPeople, stage: Stage) -> None:
    first = stage.learner.kubeconfig.read_text(encoding="utf-8")
    stage.run(
        [
            "kubectl create deployment essai --image=busybox:1.36 -- sleep 600",
            "kubectl create configmap essai",
            f"{PSQL} 'CREATE ROLE equipe; CREATE SCHEMA equipe AUTHORIZATION equipe; "
            "GRANT CONNECT ON DATABASE defaultdb TO equipe'",
            f"{PSQL} 'CREATE DATABASE \"Autre\" OWNER equipe'",
            "kubectl config set-context --current --namespace=default",
        ]
    )
    kept.give_back(stage.learner, BEGINNING)
    assert kept.take(Beginning(("cahier catalogue lancer mongodb --nom enquete",))) is None
    assert kept.take(BEGINNING) == stage.learner
    assert stage.learner.kubeconfig.read_text(encoding="utf-8") == first
    assert kept.take(BEGINNING) is None


def test_nothing_that_a_case_changes_is_overlooked(
    kept: KeptPeople, stage: Stage, admin: Api
) -> None:
    content, namespace = NamespaceContent(admin), stage.learner.namespace
    before = content.objects(namespace), content.bases(namespace)
    for command in (
        "kubectl label pod enquete-1 vue=oui",
        "kubectl exec enquete-1 -- sh -c 'echo hostnossl all all all reject "
        ">> $PGDATA/pg_hba.conf'",
        f"{PSQL} 'CREATE TABLE public.lignes (une int)'",
        f"{PSQL} \"ALTER ROLE postgres PASSWORD 'un-autre'\"",
    ):
        stage.run([command])
        now = content.objects(namespace), content.bases(namespace)
        assert now != before, command
        before = now
    stage.run(["kubectl delete pod enquete-1 --now"])
    kept.give_back(stage.learner, BEGINNING)
    assert kept.take(BEGINNING) is None, "a base that is gone does not come back"
    space = admin.find(f"/api/v1/namespaces/{namespace}")
    assert space is None or space["status"]["phase"] == "Terminating"
