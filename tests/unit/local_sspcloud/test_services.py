"""The catalogue knows its services by their folders: one more is launched without anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checks.access.kubernetes_api import Api
from checks.cli.application import app
from checks.errors import UsageError
from checks.local_sspcloud import services
from checks.local_sspcloud.services.description import INSTANCE, NAME, Order, Service
from checks.objects.labels import LabelSelector
from checks.objects.parts import read
from checks.stage import Person
from tests.support.catalogue import everything

ONE_MORE = Path(__file__).parent / "one_more_service"
PACKAGE = Path(services.__file__).parent
OTHERS = [
    path
    for folder in ("checks/local_sspcloud", "checks/cli")
    for path in (PACKAGE.parents[2] / folder).rglob("*.py")
    if PACKAGE not in path.parents or path.parent == PACKAGE
]


@pytest.mark.parametrize("service", services.every(), ids=services.names())
def test_a_release_is_known_by_what_it_is_made_of(service: Service) -> None:
    name = service.new_name()
    made = service.manifests(Order("user-alice", name, False, "user-alice", service.database))
    pods = {item["kind"]: item for item in made if item["kind"] in ("Pod", "StatefulSet")}
    (server,) = pods.values()
    assert server is made[-1], "what runs the server comes last"
    labels = server["spec"].get("template", server)["metadata"]["labels"]
    assert services.of(labels) == (service, name)
    assert labels[NAME] == service.label
    (policy,) = [item for item in made if item["kind"] == "NetworkPolicy"]
    assert policy["metadata"]["name"] == service.policy(name)
    assert policy["spec"]["podSelector"]["matchLabels"] == service.chosen(name)
    for item in made:
        assert item["metadata"]["labels"][INSTANCE] == name
        if item["kind"] == "Service":
            assert read({"matchLabels": item["spec"]["selector"]}, LabelSelector).selects(labels)
    hosts = [item["metadata"]["name"] for item in made if item["kind"] == "Service"]
    assert service.short_host(name).rpartition(".")[2] in hosts
    secret, key = service.credentials(name)
    (held,) = [item for item in made if item["metadata"]["name"] == secret and "stringData" in item]
    assert len(held["stringData"][key]) == 20
    assert service.keeps_secret(name, secret)
    parts = service.parts("user-alice", name)
    assert len(parts) == len(made) == len(set(parts))


def test_what_no_service_made_belongs_to_none() -> None:
    assert services.of({NAME: "vscode-python", INSTANCE: "vscode-python-123456"}) is None
    assert services.of({}) is None


def test_a_service_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(UsageError) as caught:
        services.find("oracle")
    assert all(name in caught.value.remedy for name in services.names())


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_no_other_file_knows_a_service_s_labels(path: Path) -> None:
    """The help gives an example of a name, which is a learner's."""
    text = re.sub(r"postgresql-cnpg", "", path.read_text(encoding="utf-8"))
    assert "cnpg" not in text


@pytest.fixture
def one_more(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(ONE_MORE)])
    return services.find("horloge")


@pytest.mark.cluster
def test_one_more_service_is_launched_from_its_folder_alone(
    one_more: Service, new_person: Callable[..., Person]
) -> None:
    person = new_person("h")
    api, own = Api(str(person.kubeconfig)), person.namespace
    before = everything(api, own)

    def cahier(*words: str, code: int = 0) -> str:
        done = CliRunner(env={"COLUMNS": "400"}).invoke(
            app, ["catalogue", *words, "--kubeconfig", str(person.kubeconfig)]
        )
        refused = isinstance(done.exception, UsageError)
        assert refused if code else done.exit_code == 0, done.output
        return done.output + str(done.exception or "")

    def policies() -> list[dict[str, Any]]:
        path = f"/apis/networking.k8s.io/v1/namespaces/{own}/networkpolicies"
        found: list[dict[str, Any]] = api.request("GET", path)["items"]
        return [one["spec"] for one in found if one["metadata"]["name"] == "cadran"]

    launched = cahier("lancer", "horloge")
    assert "horloge-1 est prêt" in launched
    assert f"cadran.{own}.svc.cluster.local" in launched
    assert "kubectl get secret cadran" in launched
    assert "{.data.clef}" in launched
    (closed,) = policies()
    assert "horloge-1" in cahier("lister")
    assert "est ouverte : la NetworkPolicy cadran" in cahier("ouvrir", "horloge-1")
    assert policies() == []
    assert "est fermée" in cahier("fermer", "horloge-1")
    assert policies() == [closed]
    assert "est déjà là" in cahier("lancer", "horloge", "--nom", "horloge-1")
    assert "c’est une base Horloge" in cahier("lancer", "postgresql", "--nom", "horloge-1", code=2)
    kept = everything(api, own)
    assert "un compte Horloge" in cahier("compte", "horloge-1", "alice", code=2)
    assert everything(api, own) == kept, "no password is drawn that nobody takes"
    assert "il ne reste rien" in cahier("arreter", "horloge-1")
    assert everything(api, own) == before
