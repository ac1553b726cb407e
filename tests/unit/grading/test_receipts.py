"""When a receipt holds, told without a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from checks.facts import Pod
from checks.lab import Lab, all_labs, find_lab
from checks.objects.parts import Metadata
from checks.objects.pods import (
    ContainerState,
    ContainerStatus,
    PodObject,
    PodSpec,
    PodStatus,
    Running,
)
from checks.sources import receipts
from checks.sources.receipts import Place, Reading, Receipt, silence
from checks.verdict import CheckResult, Status

LAB = "tp2_port_forward"
WORD = "0123456789abcdef"
WRITTEN = datetime(2026, 11, 25, 9, 40, tzinfo=UTC)
RECEIPT = Receipt(
    lab=LAB,
    namespace="user-alice",
    namespace_uid="n1",
    checks={"un_tunnel": Status.PASSED, "autre": Status.FAILED},
    pods={"mon-api-1": "p1"},
    word=WORD,
    heard_by="mon-api-1",
)


def found(
    receipt: Receipt | str = RECEIPT, *managers: str, operation: str = "Apply"
) -> Mapping[str, Any]:
    """The ConfigMap as the API server gives it, its key owned by `managers`."""
    text = receipt if isinstance(receipt, str) else msgspec.json.encode(receipt).decode()
    owned: Mapping[str, Any] = {"f:data": {f"f:{receipts.key(LAB)}": {}}}
    return {
        "metadata": {
            "name": receipts.NAME,
            "labels": {receipts.LABEL: "oui"},
            "managedFields": [
                {
                    "manager": name,
                    "operation": operation,
                    "time": "2026-11-25T09:40:00Z",
                    "fieldsV1": owned,
                }
                for name in managers or (receipts.manager(LAB),)
            ],
        },
        "data": {receipts.key(LAB): text},
    }


def pod(
    uid: str = "p1", *, created: datetime = WRITTEN - timedelta(hours=1), started: str = ""
) -> Pod:
    state = ContainerState(running=Running(started or "2026-11-25T08:40:00Z"))
    status = PodStatus(container_statuses=(ContainerStatus("api", state=state),))
    given = PodObject(Metadata("mon-api-1"), PodSpec(()), status)
    return Pod(
        "mon-api-1", "user-alice", uid, {}, "Running", True, False, "", (), created, given=given
    )


def told(
    config_map: Mapping[str, Any] | None,
    *,
    uid: str = "n1",
    now: Pod | None = None,
    heard: bool = True,
    check: str = "un_tunnel",
) -> CheckResult:
    asked = CheckResult(
        id=check,
        title="Titre.",
        status=Status.UNVERIFIED,
        points=0,
        points_max=2,
        finding="Pas d’ici.",
    )
    policies = {"ouverture": "u1/2"}
    place = Place(
        "user-alice",
        uid,
        [now or pod()],
        lambda: policies,
        lambda pod, word, since: heard and word == WORD,
    )
    reading = Reading(LAB, lambda: config_map, lambda: place)
    result = reading.settle(asked)
    assert reading.counted == (WRITTEN if result.status is Status.PASSED else None)
    return result


def test_one_that_holds_counts() -> None:
    result = told(found())
    assert (result.status, result.points) == (Status.PASSED, 2)
    assert result.finding.startswith("D’après le reçu laissé par « cahier verifier » le 25/11/2026")


def test_policies_that_have_not_changed() -> None:
    same = msgspec.structs.replace(RECEIPT, policies={"ouverture": "u1/2"})
    assert told(found(same)).status is Status.PASSED


def test_none_leaves_it_open() -> None:
    assert told(None).finding == "Pas d’ici."
    other = found()
    assert told({**other, "data": {}}).finding == "Pas d’ici."


def test_one_that_cannot_be_held_against_its_namespace_is_not_doubted() -> None:
    assert told(found(), uid="").finding.startswith(
        "S’il existe un reçu, il n’a pas pu être examiné."
    )


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (told(found(), uid="n2"), "d’un autre namespace de même nom"),
        (
            told(found(msgspec.structs.replace(RECEIPT, namespace="user-bob"))),
            "d’un autre namespace, user-bob",
        ),
        (
            told(found(msgspec.structs.replace(RECEIPT, lab="tp3_base_de_donnees"))),
            "celui d’un autre TP",
        ),
        (told(found("{")), "n’est pas lisible"),
        (told(found(RECEIPT, "kubectl-edit", operation="Update")), "« kubectl-edit »"),
        (
            told(found(RECEIPT, receipts.manager(LAB), operation="Update")),
            "pas par « cahier verifier »",
        ),
        (told(found(RECEIPT, receipts.manager(LAB), "curl")), "« curl »"),
        (told({**found(), "metadata": {"name": receipts.NAME}}), "ne dit pas qui l’a écrit"),
        (told(found(), now=pod("p2")), "a été remplacé depuis"),
        (
            told(found(), now=pod(created=WRITTEN + timedelta(seconds=5))),
            "plus ancien que le pod mon-api-1",
        ),
        (told(found(), heard=False), "ne garde pas trace de la connexion dont il parle."),
        (told(found(), heard=False, now=pod(started="2026-11-25T10:00:00Z")), "a redémarré depuis"),
        (
            told(found(msgspec.structs.replace(RECEIPT, heard_by="autre"))),
            "n’est pas de ceux qui ont été vérifiés",
        ),
        (
            told(found(msgspec.structs.replace(RECEIPT, policies={}))),
            "supprimées depuis : ouverture",
        ),
        (
            told(found(msgspec.structs.replace(RECEIPT, policies={"ouverture": "u1/1"}))),
            "depuis : ouverture",
        ),
        (told(found(), check="autre"), "ne dit pas que c’était juste"),
        (
            told(found(msgspec.structs.replace(RECEIPT, word="ready"))),
            "n’est pas de ceux que tire « cahier verifier »",
        ),
    ],
)
def test_one_that_does_not_hold_is_told(result: CheckResult, words: str) -> None:
    assert result.status is Status.UNVERIFIED
    assert words in result.finding
    assert result.cause == "Pas d’ici."


def of_a_lab(
    name: str, check: str, *, word: str = WORD, heard_by: str = "", elsewhere: str = ""
) -> CheckResult:
    """What a receipt of that lab settles of a check; `elsewhere`: why the colleague's database
    heard nothing."""
    lab = find_lab(name)
    receipt = msgspec.structs.replace(
        RECEIPT,
        lab=lab.name,
        checks={one.id: Status.PASSED for one in lab.checks},
        word=word,
        heard_by=heard_by,
    )
    text = msgspec.json.encode(receipt).decode()
    owned: Mapping[str, Any] = {"f:data": {f"f:{receipts.key(lab.name)}": {}}}
    entry = {
        "manager": receipts.manager(lab.name),
        "operation": "Apply",
        "time": "2026-11-25T09:40:00Z",
        "fieldsV1": owned,
    }
    config_map = {
        "metadata": {"managedFields": [entry]},
        "data": {receipts.key(lab.name): text},
    }
    place = Place(
        "user-alice",
        "n1",
        [pod()],
        dict,
        lambda pod, word, since: word == WORD,
        lambda word, written: elsewhere,
    )
    asked = CheckResult(
        id=check, title="Titre.", status=Status.UNVERIFIED, points=0, points_max=2, finding="Non."
    )
    return Reading(lab.name, lambda: config_map, lambda: place).settle(asked)


def test_what_passes_through_a_tunnel_to_postgresql_must_have_been_heard() -> None:
    told_of = of_a_lab("tp3", "le_tunnel_mene_a_la_base")
    assert told_of.status is Status.UNVERIFIED
    assert "ne dit pas quel pod a entendu le mot" in told_of.finding
    heard = of_a_lab("tp3", "le_tunnel_mene_a_la_base", heard_by="mon-api-1")
    assert heard.status is Status.PASSED


def test_what_needs_no_tunnel_needs_no_word() -> None:
    assert of_a_lab("tp3", "postgresql_repond_dans_le_pod", word="").status is Status.PASSED
    assert of_a_lab("tp5", "un_tunnel_ecoute_sur_votre_poste", word="").status is Status.PASSED


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("tp5", "la_base_repond_a_travers_le_proxy"),
        ("tp7", "chaque_pod_mene_au_serveur_du_collegue"),
    ],
)
def test_what_leads_to_the_colleague_must_have_been_heard_there(name: str, check: str) -> None:
    assert of_a_lab(name, check).status is Status.PASSED
    silent = of_a_lab(name, check, elsewhere="la base n’a rien entendu")
    assert (silent.status, silent.finding) == (
        Status.UNVERIFIED,
        "Un reçu existe, mais il n’est pas retenu : la base n’a rien entendu.",
    )
    assert of_a_lab(name, check, word="").status is Status.UNVERIFIED


def test_a_database_that_has_not_heard_tells_why() -> None:
    labels = {"cnpg.io/cluster": "base"}
    serving = replace(pod(), labels=labels)

    def why(*pods: Pod, heard: bool = False) -> str:
        return silence("user-bob", pods, lambda pod, word, since: heard, WORD, WRITTEN)

    assert why(serving, heard=True) == ""
    assert why(serving).endswith("ne garde pas trace de la connexion dont il parle")
    restarted = replace(pod(started="2026-11-25T10:00:00Z"), labels=labels)
    assert why(restarted).endswith("elle a redémarré depuis")
    assert why(pod(), heard=True).endswith("n’existe plus"), "another program's log proves nothing"
    newer = replace(pod(created=WRITTEN + timedelta(hours=1)), labels=labels)
    assert why(newer, heard=True).endswith("n’existe plus")


@pytest.mark.parametrize("lab", list(all_labs()), ids=lambda lab: lab.short_name)
def test_the_checks_that_rest_on_a_word_are_of_the_lab(lab: Lab) -> None:
    assert {*lab.about.heard} <= {check.id for check in lab.checks}
    assert bool(lab.about.heard) >= (lab.about.heard_by == "colleague")
