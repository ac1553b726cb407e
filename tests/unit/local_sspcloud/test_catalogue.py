"""The catalogue: what a release is made of, and that it works as the platform's does."""

from __future__ import annotations

import base64
import re
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pg8000.native
import pytest

from checks.access.kubernetes_api import Api
from checks.errors import CahierError, Refused, UsageError
from checks.local_sspcloud import catalogue, services
from checks.local_sspcloud.account import give_password
from checks.local_sspcloud.services.description import Order
from checks.local_sspcloud.services.postgresql import plain
from checks.objects.labels import LabelSelector
from checks.objects.parts import read
from checks.objects.policies import NetworkPolicy
from checks.stage import Person
from tests.support.catalogue import everything

NAME = "postgresql-cnpg-951239"
POSTGRESQL = services.find("postgresql")


def manifests(opened: bool = False) -> dict[str, Any]:
    made = POSTGRESQL.manifests(Order("user-alice", NAME, opened, "user-alice", "defaultdb"))
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in made}


def test_names_are_the_platform_s() -> None:
    assert list(manifests()) == [
        f"Secret/{NAME}",
        f"Secret/{NAME}-user",
        f"Secret/{NAME}-superuser",
        f"ConfigMap/{NAME}-initdb",
        f"Service/{NAME}-rw",
        f"NetworkPolicy/{NAME}",
        f"Pod/{NAME}-1",
    ]
    assert f"NetworkPolicy/{NAME}" not in manifests(opened=True)


def test_labels_are_the_platform_s() -> None:
    for item in manifests().values():
        assert item["metadata"]["labels"].items() >= plain._labels(NAME).items()
    assert manifests()[f"Pod/{NAME}-1"]["metadata"]["labels"] == {
        "cnpg.io/cluster": NAME,
        "cnpg.io/instanceName": f"{NAME}-1",
        "cnpg.io/podRole": "instance",
        "cnpg.io/instanceRole": "primary",
        "app.kubernetes.io/name": "postgresql",
        "app.kubernetes.io/instance": NAME,
        "app.kubernetes.io/component": "database",
        "app.kubernetes.io/managed-by": "cloudnative-pg",
    }


def test_service_and_policy_select_the_pod() -> None:
    made = manifests()
    labels = made[f"Pod/{NAME}-1"]["metadata"]["labels"]
    assert made[f"Service/{NAME}-rw"]["spec"]["selector"].items() <= labels.items()
    policy = read(made[f"NetworkPolicy/{NAME}"], NetworkPolicy)
    assert policy.spec.pod_selector.selects(labels)


def test_the_superuser_has_the_same_password_as_on_the_platform() -> None:
    made = manifests()
    user, superuser = (
        made[f"Secret/{NAME}"]["stringData"],
        made[f"Secret/{NAME}-superuser"]["stringData"],
    )
    assert (user["username"], superuser["username"]) == ("user-alice", "postgres")
    assert (
        user["password"]
        == superuser["password"]
        != manifests()[f"Secret/{NAME}"]["stringData"]["password"]
    )


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"cnpg.io/cluster": NAME}}, True),
        # the real chart's mistake
        (
            {"matchLabels": {"cnpg.io/cluster": "postgresql-cnpg"}},
            False,
        ),
        ({"matchExpressions": [{"key": "cnpg.io/podRole", "operator": "Exists"}]}, True),
        (
            {
                "matchExpressions": [
                    {"key": "cnpg.io/podRole", "operator": "NotIn", "values": ["instance"]}
                ]
            },
            False,
        ),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["mon-api"]}]}, False),
    ],
)
def test_which_policies_select_the_pod(selector: dict[str, Any], expected: bool) -> None:
    labels = manifests()[f"Pod/{NAME}-1"]["metadata"]["labels"]
    assert read(selector, LabelSelector).selects(labels) is expected


@pytest.mark.parametrize("name", ["Ma-Base", "1base", "base_", "base-", "b" * 51])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="nom possible"):
        catalogue.launch(None, POSTGRESQL, "user-alice", name)  # type: ignore[arg-type]


@dataclass
class Listed:
    """Answers with these pods alone."""

    pods: Sequence[Mapping[str, Any]]

    def objects(self, kind: str, *_: object) -> Sequence[Mapping[str, Any]]:
        return self.pods if kind == "Pod" else ()

    def each(self, *_: object) -> Sequence[NetworkPolicy]:
        return ()


def pod(name: str, **roles: str) -> dict[str, Any]:
    labels = plain._labels(NAME) | {f"cnpg.io/{key}": value for key, value in roles.items()}
    metadata = {"name": name, "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"}
    ready = [{"type": "Ready", "status": "True"}]
    return {"metadata": metadata, "spec": {"containers": []}, "status": {"conditions": ready}}


def test_a_release_is_its_primary_whatever_other_pods_it_has() -> None:
    preparing = pod(f"{NAME}-1-initdb-x7k2p", jobRole="initdb")
    replica = pod(f"{NAME}-1", podRole="instance", instanceRole="replica")
    primary = pod(f"{NAME}-2", podRole="instance", instanceRole="primary")

    def listed(*pods: Mapping[str, Any]) -> catalogue.Release:
        api = cast(Api, Listed(pods))
        (found,) = catalogue.releases(api, "user-alice")
        return found

    for pods in ((primary, replica, preparing), (preparing, replica, primary)):
        assert listed(*pods).pod == f"{NAME}-2"
    assert (listed(preparing).state, listed(preparing).ready) == ("se prépare", False)


# -- on the cluster --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def person(new_resident: Callable[..., Person]) -> Person:
    return new_resident("cat")


@pytest.fixture(scope="module")
def api(person: Person) -> Api:
    return Api(str(person.kubeconfig))


@pytest.fixture(scope="module")
def release(api: Api, person: Person) -> catalogue.Release:
    return catalogue.launch(api, POSTGRESQL, person.namespace)


def password(api: Api, release: catalogue.Release) -> str:
    secret = api.request("GET", f"/api/v1/namespaces/{release.namespace}/secrets/{release.name}")
    return base64.b64decode(secret["data"]["password"]).decode()


def query(
    api: Api,
    release: catalogue.Release,
    user: str,
    word: str,
    sql: str,
    database: str = "defaultdb",
    encrypted: ssl.SSLContext | bool = False,
) -> Any:
    with api.forward(release.namespace, release.pod, 5432) as tunnel:
        connection = pg8000.native.Connection(
            user, password=word, database=database, sock=tunnel, ssl_context=encrypted
        )
        try:
            return connection.run(sql)
        finally:
            connection.close()


@pytest.mark.cluster
def test_it_is_ready_under_a_default_name(release: catalogue.Release, person: Person) -> None:
    assert re.fullmatch(r"postgresql-cnpg-\d{6}", release.name)
    assert release.ready
    assert release.policies == [release.name]
    assert release.host == f"{release.name}-rw.{person.namespace}.svc.cluster.local"


@pytest.mark.cluster
def test_its_user_owns_its_database_and_nothing_more(api: Api, release: catalogue.Release) -> None:
    word, user = password(api, release), release.namespace
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'defaultdb'"
    assert query(api, release, user, word, owner) == [[user]]
    mine = "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
    assert query(api, release, user, word, mine) == [[False, False, False]]
    assert query(api, release, user, word, "create table essai (n int); select 1") is not None
    assert query(api, release, "postgres", word, mine)[0][0] is True


@pytest.mark.cluster
def test_a_wrong_password_is_refused_through_a_forward(
    api: Api, release: catalogue.Release
) -> None:
    with pytest.raises(pg8000.native.DatabaseError, match="28P01"):
        query(api, release, release.namespace, "faux", "select 1")


@pytest.mark.cluster
def test_passwords_are_scram(api: Api, release: catalogue.Release) -> None:
    rules = query(
        api, release, "postgres", password(api, release),
        "select distinct auth_method from pg_hba_file_rules where type <> 'local'", "postgres",
    )  # fmt: skip
    assert rules == [["scram-sha-256"]]


@pytest.mark.cluster
def test_tls_is_offered_under_its_own_authority_and_not_demanded(
    api: Api, release: catalogue.Release
) -> None:
    word, user = password(api, release), release.namespace
    version = "select version from pg_stat_ssl where pid = pg_backend_pid()"
    assert query(api, release, user, word, version) == [[None]]
    its_authority = "select pg_read_file('ca.crt')"
    [[read]] = query(api, release, "postgres", word, its_authority, "postgres")
    context = ssl.create_default_context(cadata=read)  # knows no other authority
    context.check_hostname = False  # the driver takes the pod for localhost
    assert query(api, release, user, word, version, encrypted=context) == [["TLSv1.3"]]


@pytest.mark.cluster
def test_the_same_name_again_changes_nothing(api: Api, release: catalogue.Release) -> None:
    with pytest.raises(UsageError, match="existe déjà"):
        catalogue.launch(api, POSTGRESQL, release.namespace, release.name)
    assert [one.ready for one in catalogue.releases(api, release.namespace)] == [True]


@pytest.mark.cluster
def test_stopping_removes_all_of_it_and_nothing_else(new_person: Callable[..., Person]) -> None:
    person = new_person("stop")
    api, namespace = Api(str(person.kubeconfig)), person.namespace
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b-initdb"}, "data": {}}
    api.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", kept)
    with pytest.raises(UsageError, match="existe déjà"):
        catalogue.launch(api, POSTGRESQL, namespace, "b")
    before = everything(api, namespace)
    first = catalogue.launch(api, POSTGRESQL, namespace, "une-base", opened=True)
    assert first.policies == []
    catalogue.stop(api, namespace, "une-base")
    assert everything(api, namespace) == before
    with pytest.raises(UsageError, match="Aucun service"):
        catalogue.stop(api, namespace, "une-base")
    with pytest.raises(UsageError):
        catalogue.stop(api, namespace, "b")
    assert everything(api, namespace) == before


@pytest.mark.cluster
def test_the_older_model_is_a_database_like_the_other(new_person: Callable[..., Person]) -> None:
    person = new_person("ancien")
    api, namespace = Api(str(person.kubeconfig)), person.namespace
    before = everything(api, namespace)
    older = catalogue.launch(api, services.find("postgresql-ancien"), namespace)
    assert re.fullmatch(r"postgresql-\d{6}", older.name)
    assert older.host == f"{older.name}.{namespace}.svc.cluster.local"
    assert (older.pod, older.policies) == (f"{older.name}-0", [older.name])
    word = password(api, older)
    mine = "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
    assert query(api, older, namespace, word, mine) == [[False, False, False]]
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'defaultdb'"
    assert query(api, older, namespace, word, owner) == [[namespace]]
    assert query(api, older, "postgres", word, mine)[0][0] is True
    said = give_password(api, namespace, older.name, "equipe")
    assert "compte-equipe" in said[0]
    path = f"/api/v1/namespaces/{namespace}/secrets/compte-equipe"
    given = base64.b64decode(api.request("GET", path)["data"]["password"]).decode()
    assert query(api, older, "equipe", given, "select 1") == [[1]]
    api.remove(path)
    catalogue.stop(api, namespace, older.name)
    assert everything(api, namespace) == before


@pytest.mark.cluster
def test_what_a_killed_launch_had_made_is_no_hindrance(
    new_person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last answer is not heard: an interruption takes away what it had made too, a kill leaves
    it to the next."""
    someone = new_person()
    api, request = Api(str(someone.kubeconfig)), Api.request

    def cut(self: Api, method: str, path: str, *rest: Any, **options: Any) -> dict[str, Any]:
        answer = request(self, method, path, *rest, **options)
        if path.endswith("/configmaps"):
            raise KeyboardInterrupt
        return answer

    def left() -> list[str]:
        return [
            path
            for path in POSTGRESQL.parts(someone.namespace, "base")
            if api.find(path) is not None
        ]

    with monkeypatch.context() as cutting:
        cutting.setattr(Api, "request", cut)
        with pytest.raises(KeyboardInterrupt):
            catalogue.launch(api, POSTGRESQL, someone.namespace, "base")
        assert left() == []
        cutting.setattr(Api, "remove", lambda *_: False)
        with pytest.raises(KeyboardInterrupt):
            catalogue.launch(api, POSTGRESQL, someone.namespace, "base")
    assert len(left()) == 4
    assert catalogue.launch(api, POSTGRESQL, someone.namespace, "base").ready


@pytest.mark.cluster
def test_over_the_quota_nothing_is_left(admin: Api, new_person: Callable[..., Person]) -> None:
    person = new_person("quota")
    api, namespace = Api(str(person.kubeconfig)), person.namespace
    quota = {"spec": {"hard": {"pods": "0"}}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/onyxia-quota"
    admin.request("PATCH", path, quota, content_type="application/merge-patch+json")
    before = everything(api, namespace)
    with pytest.raises(CahierError, match="quota"):
        catalogue.launch(api, POSTGRESQL, namespace)
    assert everything(api, namespace) == before


@pytest.mark.cluster
def test_a_colleague_cannot_launch_here(new_person: Callable[..., Person], person: Person) -> None:
    api = Api(str(new_person("autre").kubeconfig))
    with pytest.raises(Refused) as caught:
        catalogue.launch(api, POSTGRESQL, person.namespace)
    assert caught.value.status == 403


@pytest.mark.cluster
def test_the_list_reads_well_piped(release: catalogue.Release, person: Person) -> None:
    done = subprocess.run(
        ["cahier", "catalogue", "lister", "--kubeconfig", str(person.kubeconfig)],
        capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    assert release.name in done.stdout
    assert "prêt" in done.stdout
    assert "\x1b" not in done.stdout
