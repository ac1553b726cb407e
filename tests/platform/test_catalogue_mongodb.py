"""MongoDB of the catalogue, spoken to as its users do: with its own driver, through a pod."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from checks.access.kubernetes_api import Api, collection
from checks.local_sspcloud import engine as engines
from checks.local_sspcloud import services
from checks.local_sspcloud.services.description import Order
from checks.stage import Person
from tests.conftest import unused_port
from tests.support.catalogue import everything
from tests.support.verdicts import run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]  # the server may be compiled first

HOST = "mongodb-0.mongodb-headless"
RELAY = "relais"
LATE_MILLISECONDS = 3000
"""A policy lets packets fall: nobody answers."""


@pytest.fixture(scope="module")
def owner(new_resident: Callable[..., Person]) -> Person:
    """Somebody with a MongoDB."""
    person = new_resident("m")
    said = cahier(person, "lancer", "mongodb")
    assert "est prêt" in said
    assert f"mongodb://{person.namespace}@{HOST}:27017/defaultdb" in said
    return person


def cahier(person: Person, *words: str, code: int = 0) -> str:
    return run(person, "cahier", "catalogue", *words, code=code)


def release(person: Person) -> str:
    found = re.search(r"^mongodb-\d{6}", cahier(person, "lister"), re.MULTILINE)
    assert found is not None
    return found[0]


def held(person: Person, secret: str = "mongodb") -> dict[str, str]:
    """What a Secret holds."""
    read = json.loads(run(person, "kubectl", "get", "secret", secret, "-o", "json"))["data"]
    return {key: base64.b64decode(value).decode() for key, value in read.items()}


@contextlib.contextmanager
def forwarded(person: Person, pod: str) -> Iterator[int]:
    """A local port that leads to MongoDB's port of a pod."""
    port = unused_port()
    command = ["kubectl", "port-forward", f"pod/{pod}", f"{port}:27017"]
    with subprocess.Popen(
        command, env=dict(person.environment), stdout=subprocess.PIPE, text=True
    ) as tunnel:
        assert tunnel.stdout is not None
        assert "Forwarding" in tunnel.stdout.readline()
        try:
            yield port
        finally:
            tunnel.terminate()


@pytest.fixture(scope="module")
def relays(new_resident: Callable[..., Person], owner: Person) -> dict[str, Person]:
    """A pod that leads to the server by its name: in its own namespace, and in another one."""
    people = {"own": owner, "other": new_resident("v")}
    target = {"own": HOST, "other": f"{HOST}.{owner.namespace}.svc.cluster.local"}
    for who, person in people.items():
        run(
            person,
            *("kubectl", "run", RELAY, "--image=alpine/socat:1.7.4.4", "--restart=Never", "--"),
            *("TCP-LISTEN:27017,fork,reuseaddr", f"TCP:{target[who]}:27017"),
        )
    for person in people.values():
        run(person, "kubectl", "wait", "--for=condition=Ready", f"pod/{RELAY}", "--timeout=60s")
    return people


@contextlib.contextmanager
def client(
    person: Person, user: str, password: str, database: str, pod: str = RELAY
) -> Iterator[MongoClient[dict[str, Any]]]:
    """A driver that reaches the server through a pod of this person."""
    with (
        forwarded(person, pod) as port,
        MongoClient[dict[str, Any]](
            "127.0.0.1",
            port,
            username=user,
            password=password,
            authSource=database,
            directConnection=True,  # the server names itself as only the cluster's pods know it
            serverSelectionTimeoutMS=LATE_MILLISECONDS,
            connectTimeoutMS=LATE_MILLISECONDS,
            socketTimeoutMS=LATE_MILLISECONDS,
        ) as found,
    ):
        yield found


def answers(person: Person, owner: Person) -> bool:
    """Whether the server answers somebody's relay."""
    password = held(owner)["mongodb-passwords"]
    with client(person, owner.namespace, password, "defaultdb") as reached:
        try:
            reached["defaultdb"].command("ping")
        except ConnectionFailure:
            return False
        return True


def test_its_account_works_from_a_pod_by_the_headless_name(
    owner: Person, relays: dict[str, Person]
) -> None:
    passwords = held(owner)
    assert set(passwords) == {
        "mongodb-root-password",
        "mongodb-passwords",
        "mongodb-replica-set-key",
    }
    word, user = passwords["mongodb-passwords"], owner.namespace
    with client(owner, user, word, "defaultdb") as own:
        notes = own["defaultdb"]["notes"]
        notes.insert_one({"titre": "TP", "note": 17})
        assert [one["note"] for one in notes.find({"titre": "TP"})] == [17]
        said = own["admin"].command("hello")
        assert said["setName"] == "rs0"
        assert said["hosts"] == [f"{HOST}.{user}.svc.cluster.local:27017"]
    with client(owner, "root", passwords["mongodb-root-password"], "admin") as root:
        assert root["defaultdb"]["notes"].count_documents({}) == 1
    for wrong in ((user, "faux", "defaultdb"), (user, word, "admin"), ("eve", word, "defaultdb")):
        with client(owner, *wrong) as refused, pytest.raises(OperationFailure) as caught:
            refused["defaultdb"]["notes"].count_documents({})
        assert caught.value.code == 18, "AuthenticationFailed"
    with (
        forwarded(owner, RELAY) as port,
        MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as nobody,
    ):
        with pytest.raises(OperationFailure) as caught:
            nobody["defaultdb"]["notes"].count_documents({})
        assert caught.value.code == 13, "Unauthorized"


def test_what_its_server_is_is_told(owner: Person) -> None:
    read = run(owner, "kubectl", "get", "pod", "mongodb-0", "-o", "json")
    said = json.loads(read)["metadata"].get("annotations", {}).get("cahier-kubernetes/serveur", "")
    stands_in = engines.private_running() is not None
    assert bool(re.fullmatch(r"FerretDB [\d.]+, qui parle le protocole de MongoDB", said)) == (
        stands_in
    )
    assert (f"{release(owner)} : {said}." in cahier(owner, "lister")) == stands_in


def test_another_namespace_is_kept_out_until_it_is_opened(
    owner: Person, relays: dict[str, Person]
) -> None:
    name = release(owner)
    assert answers(relays["own"], owner)
    assert not answers(relays["other"], owner)
    assert "est ouverte : la NetworkPolicy mongodb" in cahier(owner, "ouvrir", name)
    assert answers(relays["other"], owner)
    assert "est fermée" in cahier(owner, "fermer", name)
    assert not answers(relays["other"], owner)
    assert "est fermée" in cahier(owner, "fermer", name, "--seulement", relays["other"].namespace)
    assert answers(relays["other"], owner)
    cahier(owner, "fermer", name)
    assert not answers(relays["other"], owner)
    assert answers(relays["own"], owner)


def test_a_namespace_has_one(owner: Person) -> None:
    name = release(owner)
    before = everything(Api(str(owner.kubeconfig)), owner.namespace)
    for words in ((), ("--nom", "une-autre")):
        said = cahier(owner, "lancer", "mongodb", *words, code=2)
        assert f"a déjà une base MongoDB : « {name} »" in said
        assert f"cahier catalogue arreter {name}" in said
    assert "c’est une base MongoDB" in cahier(owner, "lancer", "postgresql", "--nom", name, code=2)
    run(owner, "kubectl", "delete", "pod", "mongodb-0", "--now")
    assert "est déjà là" in cahier(owner, "lancer", "mongodb", "--nom", name)
    assert "prêt" in cahier(owner, "lister")
    assert everything(Api(str(owner.kubeconfig)), owner.namespace) == before


def test_an_account_gets_a_password_that_is_kept(owner: Person, relays: dict[str, Person]) -> None:
    name, user = release(owner), owner.namespace
    if engines.private_running() is None:
        assert "un compte MongoDB" in cahier(owner, "compte", name, "equipe", code=2)
        return

    def enters(account: str, password: str, database: str = "defaultdb") -> bool:
        with client(owner, account, password, database) as reached:
            try:
                reached["defaultdb"]["notes"].count_documents({})
            except OperationFailure:
                return False
            return True

    given = []
    for _ in range(2):
        assert "gardé dans le Secret compte-equipe" in cahier(owner, "compte", name, "equipe")
        given.append(held(owner, "compte-equipe")["password"])
    assert [enters("equipe", one) for one in given] == [False, True]
    assert not enters("equipe", given[1], "admin")
    before = held(owner)["mongodb-passwords"]
    assert "mongodb l’a maintenant aussi" in cahier(owner, "compte", name, user)
    changed = held(owner)["mongodb-passwords"]
    assert [enters(user, one) for one in (before, changed)] == [False, True]
    assert enters("root", held(owner)["mongodb-root-password"], "admin")
    cahier(owner, "compte", name, "root", "--secret", "mongodb")
    assert enters("root", changed, "admin")
    assert held(owner)["mongodb-root-password"] == changed
    run(owner, "kubectl", "delete", "pod", "mongodb-0", "--now")
    cahier(owner, "lancer", "mongodb", "--nom", name)
    assert enters(user, changed), "the pod that is made again knows it"
    assert enters("root", changed, "admin")


def test_stopping_leaves_nothing(new_person: Callable[..., Person]) -> None:
    person = new_person("s")
    api, namespace = Api(str(person.kubeconfig)), person.namespace
    before = everything(api, namespace)
    secrets = collection("Secret", namespace)
    order = Order(namespace, "mongodb-111111", False, namespace, "defaultdb")
    begun = services.find("mongodb").manifests(order)[0]
    own = {**begun, "metadata": {"name": "mongodb", "namespace": namespace}}
    api.request("POST", secrets, own)
    assert "existe déjà" in cahier(person, "lancer", "mongodb", code=2)
    api.remove(f"{secrets}/mongodb")
    api.request("POST", secrets, begun)  # a launch that was killed had made it
    opened = cahier(person, "lancer", "mongodb", "--nom", "ma-base", "--ouvert")
    assert "Aucune NetworkPolicy" in opened
    assert not [one for one in everything(api, namespace) if "networkpolicies" in one]
    kept = {  # what Helm keeps of a release of the platform's
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "sh.helm.release.v1.ma-base.v1",
            "labels": {"owner": "helm", "name": "ma-base"},
        },
    }
    api.request("POST", secrets, kept)
    assert "page « Mes services »" in cahier(person, "arreter", "ma-base", code=2)
    assert api.find(f"{collection('Pod', namespace)}/mongodb-0") is not None
    api.remove(f"{secrets}/sh.helm.release.v1.ma-base.v1")
    run(person, "kubectl", "delete", "statefulset", "mongodb")
    assert "StatefulSet mongodb manquait" in cahier(
        person, "lancer", "mongodb", "--nom", "ma-base", "--ouvert"
    )
    assert "il ne reste rien" in cahier(person, "arreter", "ma-base")
    assert everything(api, namespace) == before


def test_over_the_quota_nothing_is_left(admin: Api, new_person: Callable[..., Person]) -> None:
    """A StatefulSet would be taken, and its pod refused where nobody hears it."""
    person = new_person("q")
    api, namespace = Api(str(person.kubeconfig)), person.namespace
    quota = {"spec": {"hard": {"pods": "0"}}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/onyxia-quota"
    admin.request("PATCH", path, quota, content_type="application/merge-patch+json")
    before = everything(api, namespace)
    assert f"Le quota de {namespace}" in cahier(person, "lancer", "mongodb", code=3)
    assert everything(api, namespace) == before
