"""Who reaches a database: opened, closed, closed to all but some, whatever other policies say."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from checks.access.kubernetes_api import Api, collection
from checks.stage import Person
from tests.support.verdicts import run

NAME = "ma-base"
NAMED = "kubernetes.io/metadata.name"
EVERYBODY: Mapping[str, Any] = {"namespaceSelector": {}}
OWN: Mapping[str, Any] = {"podSelector": {}}


def called(namespace: str) -> Mapping[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAMED: namespace}}}


@pytest.mark.cluster
def test_a_database_is_opened_and_closed_and_what_changed_is_said(
    new_person: Callable[..., Person],
) -> None:
    person = new_person("porte")
    api, namespace = Api(str(person.kubeconfig)), person.namespace
    path = collection("NetworkPolicy", namespace)

    def cahier(*words: str) -> str:
        return run(person, "cahier", "catalogue", *words)

    def policies() -> dict[str, Any]:
        return {one["metadata"]["name"]: one["spec"] for one in api.request("GET", path)["items"]}

    cahier("lancer", "postgresql", "--nom", NAME)
    closed = policies()
    assert "déjà fermée" in cahier("fermer", NAME)
    assert "est ouverte" in cahier("lancer", "postgresql", "--nom", NAME, "--ouvert")
    assert policies() == {}
    assert "rien n’a été changé" in cahier("ouvrir", NAME)
    assert "est fermée" in cahier("lancer", "postgresql", "--nom", NAME)
    assert policies() == closed

    wide = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [EVERYBODY, OWN]}]}
    item = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "large"},
        "spec": wide,
    }
    api.request("POST", path, item)
    assert "« large » y laisse encore entrer d’autres namespaces" in cahier("fermer", NAME)
    assert policies()["large"] == wide, "one’s own policies are touched only when it is asked"
    assert "« large »" in cahier("fermer", NAME, "--seulement", "user-bob")
    assert policies()["large"]["ingress"] == [{"from": [OWN]}]
    assert policies()[NAME]["ingress"] == [{"from": [OWN, called("user-bob")]}]

    programs = {
        **called("kube-system"),
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "cloudnative-pg"}},
    }
    metrics = {"from": [], "ports": [{"port": 8000, "protocol": "TCP"}]}
    mixed = [{"from": [called("user-eve"), programs]}, metrics]
    change = {"spec": {"ingress": mixed}}
    for name in (NAME, "large"):
        api.request("PATCH", f"{path}/{name}", change, content_type="application/merge-patch+json")
    cahier("fermer", NAME, "--seulement", "user-bob")
    assert policies()["large"]["ingress"] == [{"from": [programs]}, {"ports": metrics["ports"]}]
    own = [{"from": [OWN, called("user-bob")]}]
    assert policies()[NAME]["ingress"] == [*policies()["large"]["ingress"], *own], (
        "an operator is not shut out"
    )

    subprocess.run(
        ["kubectl", "delete", "pod", f"{NAME}-1", "--now"], env=dict(person.environment), check=True
    )
    assert f"Pod {NAME}-1 manquait" in cahier("lancer", "postgresql", "--nom", NAME)
    assert "Aucun service" in run(person, "cahier", "catalogue", "fermer", "inconnue", code=2)
