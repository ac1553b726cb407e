"""tp4 where nobody's access is at hand, as on the platform: what cannot be read is not decided, and
never passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from checks.diagnosis.connections.services import Address
from checks.diagnosis.databases.catalogue import Database
from checks.diagnosis.policies.decision import decide
from checks.diagnosis.policies.reachability import Attempt
from checks.errors import Unverifiable
from checks.exchange.postgres import PostgresServer
from checks.facts import Access, Colleague, Pod, PolicyKind
from checks.lab import find_lab
from checks.lesson import told
from checks.objects.parts import read
from checks.objects.policies import NetworkPolicy
from checks.objects.services import EndpointSlice
from checks.verdict import Diagnostic
from labs.tp4_autre_namespace import as_read, judged_base, kept_out
from labs.tp4_autre_namespace.judged_base import Seen, Subject, peer

NAME = "kubernetes.io/metadata.name"
CHECKS = {check.id: check.function for check in find_lab("tp4").checks}
RELEASE = "postgresql-cnpg-42"
BASE = Pod(
    name=f"{RELEASE}-1",
    namespace="user-nora",
    uid="u",
    labels={"cnpg.io/cluster": RELEASE},
    phase="Running",
    ready=True,
    deleting=False,
    ip="10.1.0.7",
    containers=(),
    created=datetime.now(UTC),
)


def by_name(*names: str, **more: Any) -> dict[str, Any]:
    return {
        "namespaceSelector": {
            "matchExpressions": [{"key": NAME, "operator": "In", "values": list(names)}]
        },
        **more,
    }


def policy(
    name: str, *entries: Mapping[str, Any], ports: Sequence[Mapping[str, Any]] = ()
) -> NetworkPolicy:
    spec = {
        "podSelector": {"matchLabels": {"cnpg.io/cluster": RELEASE}},
        "policyTypes": ["Ingress"],
    }
    rule = {"from": list(entries), **({"ports": list(ports)} if ports else {})}
    whole = {"metadata": {"name": name}, "spec": {**spec, "ingress": [rule]}}
    return read(whole, NetworkPolicy)


KARIM = by_name("user-karim")
OPERATOR = by_name(
    "cnpg-system", podSelector={"matchLabels": {"app.kubernetes.io/name": "cloudnative-pg"}}
)
CATALOGUE = policy(RELEASE, {"podSelector": {}})


def verdict(
    monkeypatch: pytest.MonkeyPatch,
    check: str,
    *entries: Mapping[str, Any],
    others: Sequence[PolicyKind] = (),
) -> str | Diagnostic:
    """What the check says of a policy of these entries: "passed", "unverified: …", or what it
    found."""
    known = [CATALOGUE, policy("porte", *entries, ports=[{"port": 5432}])]
    cluster: Any = SimpleNamespace(
        namespace="user-nora",
        colleague=Colleague("user-karim", "oidc-karim"),
        network_policies=lambda: known,
        pods=lambda labels=None: [BASE],
        may=lambda *asked, **named: Access(False),
        outsiders=lambda: (),
        as_owner=lambda owner, at="": None,
        once=lambda ask: ask(cluster),
        other_policies=lambda: iter(others),
    )
    address = Address(f"{RELEASE}-rw", "user-nora", 5432)
    decisions = [
        decide(known, BASE, peer(name), 5432)
        for name in ("user-nora", "user-karim", "user-inconnu")
    ]
    subject = Subject(Database(RELEASE, BASE, preparing=False), BASE, address, *decisions)
    own = Attempt(PostgresServer("empreinte"), "", "10.1.0.8")
    for module in (as_read, judged_base):
        monkeypatch.setattr(module, "seen", lambda _: Seen(subject, own, None, None, ""))
    try:
        found = told(CHECKS[check](cluster), cluster)
    except Unverifiable as reason:
        return f"unverified: {reason.message}"
    return found or "passed"


COLLEAGUE, THIRD = "le_namespace_du_collegue_atteint_la_base", "un_troisieme_namespace_est_refuse"
HALVES = [{"ipBlock": {"cidr": "0.0.0.0/1"}}, {"ipBlock": {"cidr": "128.0.0.0/1"}}]
CLEARED = {
    "namespaceSelector": {
        "matchLabels": {NAME: "user-karim"},
        "matchExpressions": [{"key": "niveau", "operator": "NotIn", "values": ["secret"]}],
    }
}


@pytest.mark.parametrize(
    ("check", "entries", "said"),
    [
        (COLLEAGUE, [KARIM], "passed"),
        (THIRD, [KARIM], "passed"),
        (THIRD, [KARIM, OPERATOR], "passed"),
        (THIRD, [KARIM, {"ipBlock": {"cidr": "::/0"}}], "passed"),
        (THIRD, [KARIM, *HALVES], "unverified: "),
        (THIRD, [KARIM, {"ipBlock": {"cidr": "0.0.0.0/0"}}], "unverified: "),
        (THIRD, [KARIM, {"namespaceSelector": {"matchLabels": {"team": "data"}}}], "unverified: "),
        (COLLEAGUE, [CLEARED], "unverified: "),
        (THIRD, [CLEARED], "passed"),
    ],
)
def test_what_is_read_without_a_connection(
    check: str, entries: list[Mapping[str, Any]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verdict(monkeypatch, check, *entries)
    assert isinstance(found, str)
    assert found.startswith(said)


@pytest.mark.parametrize("check", [COLLEAGUE, THIRD])
@pytest.mark.parametrize("names", [("user-karim",), ("user-karim", "user-zoe")])
def test_where_another_kind_of_policy_may_decide_nothing_is_read(
    check: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verdict(
        monkeypatch, check, by_name(*names), others=[PolicyKind("CiliumNetworkPolicy", ("porte",))]
    )
    assert isinstance(found, str)
    assert found.startswith("unverified: ")
    assert "CiliumNetworkPolicy" in found


def test_whole_namespaces_of_the_administrators_are_named_and_the_remedy_keeps_the_operator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = verdict(
        monkeypatch, THIRD, by_name("user-karim", "kube-system", "supervision"), OPERATOR
    )
    assert isinstance(found, Diagnostic)
    assert "« kube-system » et « supervision »" in found.finding
    assert "cnpg-system" in found.finding
    (remedy,) = found.commands  # which keeps the operator: tests/platform/test_catalogue_network.py
    assert (
        remedy == f"cahier catalogue fermer {RELEASE} --seulement user-karim --namespace user-nora"
    )


def test_an_error_of_postgresql_proves_that_the_path_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = PostgresServer(None, "pg_hba.conf rejects connection, no encryption")
    reached = Attempt(refused, "", "10.1.0.9")
    assert reached.entered
    slice_ = {
        "metadata": {
            "name": f"{RELEASE}-rw-x",
            "labels": {"kubernetes.io/service-name": f"{RELEASE}-rw"},
        },
        "endpoints": [{"addresses": [BASE.ip], "targetRef": {"uid": BASE.uid}}],
    }
    cluster: Any = SimpleNamespace(
        namespace="user-nora", endpoint_slices=lambda: [msgspec.convert(slice_, EndpointSlice)]
    )
    monkeypatch.setattr(kept_out, "server_in", lambda *_: refused)
    address = Address(f"{RELEASE}-rw", "user-nora", 5432)
    subject: Any = SimpleNamespace(pod=BASE, address=address)
    assert kept_out.another_server(cluster, subject, reached) is None
    slice_["endpoints"] = [
        *slice_["endpoints"],
        {"addresses": ["10.1.0.20"], "targetRef": {"uid": "other"}},
    ]
    with pytest.raises(Unverifiable):
        kept_out.another_server(cluster, subject, reached)
