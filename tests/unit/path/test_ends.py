"""What the words of `cahier chemin` mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checks.errors import UsageError
from checks.exchange.spoken import Protocol
from checks.path.ends import (
    End,
    Host,
    Inside,
    LocalPort,
    Named,
    Somebody,
    Wanted,
    Workplace,
    pair,
    read,
)
from checks.path.outcome import json_schema
from tests.support.named import cluster

HTTP, HTTPS = Wanted(Protocol.HTTP), Wanted(Protocol.HTTPS)
POSTGRES = Wanted(Protocol.POSTGRESQL)
SCHEMA = Path(__file__).parents[3] / "docs" / "path.schema.json"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("localhost:5432", LocalPort(5432)),
        ("127.0.0.1:80", LocalPort(80, address="127.0.0.1")),
        ("[::1]:80", LocalPort(80, address="::1")),
        ("http://[::1]:80/x", LocalPort(80, wanted=HTTP, address="::1")),
        (":8000", LocalPort(8000)),
        ("8000", LocalPort(8000)),
        ("http://localhost:8000/docs", LocalPort(8000, wanted=HTTP)),
        ("localhost", Workplace()),
        ("pod/api", Named("pod", "api", "user-alice")),
        ("po/api:http", Named("pod", "api", "user-alice", "http")),
        ("svc/base:5432", Named("service", "base", "user-alice", "5432")),
        ("svc/base.user-bob:5432", Named("service", "base", "user-bob", "5432")),
        ("svc/base.user-bob.svc.cluster.local:5432", Named("service", "base", "user-bob", "5432")),
        ("deployments.apps/api:80", Named("deployment", "api", "user-alice", "80")),
        ("sts/base", Named("statefulset", "base", "user-alice")),
        ("base-rw.user-bob:5432", Host("base-rw.user-bob", "5432")),
        ("base.user-bob.svc.cluster.local.:5432", Host("base.user-bob.svc.cluster.local.", "5432")),
        ("10.96.0.1:443", Host("10.96.0.1", "443")),
        ("postgresql://moi@base.user-bob:5433/x", Host("base.user-bob", "5433", POSTGRES)),
        (
            "postgres://base.user-bob/x?connect_timeout=3&sslmode=require",
            Host("base.user-bob", "5432", Wanted(Protocol.POSTGRESQL, "require")),
        ),
        ("https://exemple.fr/x", Host("exemple.fr", "443", HTTPS)),
        ("http://exemple.fr", Host("exemple.fr", "80", HTTP)),
        ("ssh://exemple.fr", Host("exemple.fr", "22")),
        ("rien-de-tel:80", Host("rien-de-tel", "80")),
        ("sa/robot", Somebody("system:serviceaccount:user-alice:robot")),
        ("utilisateur/oidc-bob", Somebody("oidc-bob")),
        ("system:serviceaccount:a:b", Somebody("system:serviceaccount:a:b")),
    ],
)
def test_a_word_means_an_end(word: str, meant: End) -> None:
    assert read(cluster(), word) == meant


def test_a_service_of_the_platform_shows_a_port_of_its_own() -> None:
    address = "https://user-alice-vscode.exemple.fr/proxy/8000/"
    assert read(cluster(), address) == LocalPort(8000, address)


@pytest.mark.parametrize(
    ("word", "meant"), [("oidc-bob", "oidc-bob"), ("user-bob", "oidc-bob"), ("sa/x", None)]
)
def test_somebody_is_called_like_us_or_owns_a_namespace_called_like_ours(
    word: str, meant: str | None
) -> None:
    found = read(cluster(), word, as_source=True)
    assert isinstance(found, Somebody)
    assert meant is None or found.user == meant


def test_a_bare_name_is_the_object_that_bears_it() -> None:
    assert read(cluster(Pod=["api"]), "api") == Named("pod", "api", "user-alice")
    assert read(cluster(Service=["api"]), "api:80") == Named("service", "api", "user-alice", "80")


def test_a_name_that_several_objects_bear_is_refused_with_the_candidates() -> None:
    with pytest.raises(UsageError) as refused:
        read(cluster(Pod=["api"], Service=["api"]), "api:80")
    assert "pod/api:80, service/api:80" in refused.value.remedy


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "b", "c"], "deux bouts"),
        (["localhost:99999"], "65535"),
        (["secret/api"], "pod, un Service"),
        (["http://[::1"], "n’est pas une adresse"),
        (["protocole-inconnu://x/y"], "ne dit pas son port"),
        (["é à"], "rien de connu"),
        (["postgresql://base.user-bob/x?sslmode=requis"], "sslmode de PostgreSQL"),
        (["localhost"], "port de votre poste"),
        (["utilisateur/oidc-bob"], "est une personne"),
        (["inconnu", "svc/api:80"], "n’est pas une personne"),
    ],
)
def test_what_means_nothing_is_told_with_a_remedy(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        pair(cluster(), words)
    assert said in refused.value.message
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("https://exemple.fr/x?jeton=secret", "https://exemple.fr:443"),
        ("http://localhost:8000/docs", "http://localhost:8000"),
        ("postgres://moi:secret@base/x?sslmode=require", "postgresql://base:5432/?sslmode=require"),
    ],
)
def test_an_address_is_told_without_what_it_hides(word: str, said: str) -> None:
    assert str(read(cluster(), word)) == said
    assert str(read(cluster(), said)) == said


def test_the_other_end_is_understood() -> None:
    assert pair(cluster(), ["svc/api:80"])[0] == Inside("user-alice")
    assert pair(cluster(), ["localhost:80"])[0] == Workplace()


def test_the_published_schema_is_the_current_one() -> None:
    current = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == current
