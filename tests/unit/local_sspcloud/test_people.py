"""The people of the small SSPCloud: their files, and what the cluster lets them do."""

from __future__ import annotations

import base64
import stat
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from checks.access.kubernetes_api import Api
from checks.errors import AccessError, Refused, UsageError
from checks.local_sspcloud import people, teacher
from checks.places import LEARNERS, admin_kubeconfig, write_private
from checks.stage import Person

NOW = datetime.now(UTC)
SERVER, AUTHORITY = "https://127.0.0.1:6443", base64.b64encode(b"one authority").decode()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path))
    return tmp_path


def certificate(days: float) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oidc-alice")])
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    )
    built = (
        built.serial_number(1)
        .not_valid_before(NOW - timedelta(days=9))
        .not_valid_after(NOW + timedelta(days=days))
    )
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


def kubeconfig(days: float = 5, server: str = SERVER, authority: str = AUTHORITY) -> str:
    return people.render("alice", "user-alice", server, authority, certificate(days), "a2V5")


def test_a_kubeconfig_carries_the_namespace() -> None:
    content = yaml.safe_load(kubeconfig())
    assert content["current-context"] == "cahier-alice"
    assert content["contexts"] == [
        {
            "name": "cahier-alice",
            "context": {"cluster": "cahier", "user": "oidc-alice", "namespace": "user-alice"},
        }
    ]


@pytest.mark.parametrize(
    ("text", "current"),
    [
        (kubeconfig(), True),
        (kubeconfig(days=0.5 / 24), False),  # ends within the hour
        (kubeconfig(days=-1), False),
        # the cluster was made anew
        (
            kubeconfig(authority=base64.b64encode(b"another").decode()),
            False,
        ),
        (kubeconfig(server="https://127.0.0.1:7443"), False),
        ("not: a kubeconfig", False),
        ("{", False),
    ],
)
def test_when_a_kubeconfig_is_renewed(state: Path, text: str, current: bool) -> None:
    file = people.kubeconfig_path("alice")
    write_private(file, text)
    write_private(admin_kubeconfig(), kubeconfig(days=300))
    assert people._is_current(file, people._read_cluster(admin_kubeconfig())) is current


def test_a_usable_kubeconfig_is_given_without_asking_the_cluster(state: Path) -> None:
    write_private(admin_kubeconfig(), kubeconfig(days=300))
    write_private(people.kubeconfig_path("alice"), kubeconfig())
    assert people.usable_kubeconfig("alice") == people.kubeconfig_path("alice")
    assert people.usable_kubeconfig("admin") == admin_kubeconfig()


def test_a_stranger_is_told_who_there_is(state: Path) -> None:
    write_private(admin_kubeconfig(), kubeconfig())
    with pytest.raises(UsageError, match="dora") as caught:
        people.usable_kubeconfig("dora")
    assert "alice, bob, chloe, prof" in caught.value.remedy


def test_without_cluster_the_remedy_is_to_make_it(state: Path) -> None:
    with pytest.raises(AccessError) as caught:
        people.usable_kubeconfig("alice")
    assert "cahier cluster creer" in caught.value.remedy


@pytest.mark.parametrize("name", ["Alice", "a_b", "-a", "", "prof", "admin", "a" * 41])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        people.create_person(None, Path(), name)  # type: ignore[arg-type]


def test_the_teacher_never_reads_secrets_nor_writes() -> None:
    role = yaml.safe_load(teacher.cluster_role())
    assert role["metadata"]["name"] == "cahier-enseignant"
    for rule in role["rules"]:
        assert not {"secrets", "*"} & {*rule["resources"], *rule["verbs"]}
        asked = set(rule["verbs"]) - {"get", "list", "watch"}
        assert not asked or rule["resources"] == ["localsubjectaccessreviews"]


def test_what_each_person_gives_is_the_same_without_what_is_the_cluster_s() -> None:
    role, binding = yaml.safe_load_all(teacher.manifest("oidc-prof"))
    assert (role["kind"], binding["kind"]) == ("Role", "RoleBinding")
    assert binding["subjects"][0]["name"] == "oidc-prof"
    given = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {one for one in given if one[1] not in ("get", "list", "watch")} == {
        ("localsubjectaccessreviews", "create")
    }
    of_the_cluster = {"clusterroles", "clusterrolebindings"}
    assert {resource for resource, _ in given}.isdisjoint({"secrets", "*", *of_the_cluster})
    assert ("namespaces", "list") not in given
    with pytest.raises(UsageError, match="est un namespace"):
        teacher.manifest("user-prof")


# -- on the cluster --------------------------------------------------------------------------------


@pytest.mark.cluster
def test_a_person_is_who_the_platform_would_make(
    admin: Api, new_person: Callable[..., Person]
) -> None:
    person = new_person()
    name = person.namespace.removeprefix("user-")
    own = Api(str(person.kubeconfig))
    assert own.who_am_i() == f"oidc-{name}"
    assert own.credentials.namespace == person.namespace
    assert own.credentials.expires is not None
    assert timedelta(days=6) < own.credentials.expires - NOW < timedelta(days=8)
    space = admin.request("GET", f"/api/v1/namespaces/{person.namespace}")
    assert space["metadata"]["labels"]["onyxia_owner"] == name
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{person.namespace}/rolebindings"
    binding = own.request("GET", f"{bindings}/full_control_namespace")
    assert binding["metadata"]["labels"]["createdby"] == "onyxia"
    assert binding["roleRef"]["name"] == "admin"
    quota = own.request("GET", f"/api/v1/namespaces/{person.namespace}/resourcequotas/onyxia-quota")
    assert set(quota["spec"]["hard"]) == {"pods", "requests.storage", "persistentvolumeclaims"}
    own.request("GET", f"/api/v1/namespaces/{person.namespace}/serviceaccounts/default")
    if sys.platform != "win32":
        assert stat.S_IMODE(people.kubeconfig_path(name).stat().st_mode) == 0o600


@pytest.mark.cluster
def test_a_colleague_s_namespace_is_closed(new_person: Callable[..., Person]) -> None:
    one, other = new_person(), new_person()
    with pytest.raises(Refused) as caught:
        Api(str(one.kubeconfig)).request("GET", f"/api/v1/namespaces/{other.namespace}/pods")
    assert caught.value.status == 403


@pytest.mark.cluster
def test_ensure_people_is_fast_the_second_time(
    admin: Api, admin_kubeconfig: Path, state: Path
) -> None:
    people.ensure_people(admin, admin_kubeconfig)
    before = {
        name: people.kubeconfig_path(name).read_text() for name in (*LEARNERS, people.TEACHER)
    }
    begun = time.monotonic()
    people.ensure_people(admin, admin_kubeconfig)
    assert time.monotonic() - begun < 10  # 0.15 s on an idle machine
    assert before == {name: people.kubeconfig_path(name).read_text() for name in before}


@pytest.mark.cluster
def test_the_teacher_reads_what_grading_needs_and_no_more(
    admin: Api, admin_kubeconfig: Path, state: Path, new_person: Callable[..., Person]
) -> None:
    namespace = new_person().namespace
    teacher = Api(str(people.create_teacher(admin, admin_kubeconfig)))
    assert teacher.credentials.namespace == "default"
    teacher.request("GET", f"/api/v1/namespaces/{namespace}/pods")
    teacher.request("GET", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles")
    for method, path in (
        ("GET", f"/api/v1/namespaces/{namespace}/secrets"),
        ("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt"),
    ):
        with pytest.raises(Refused) as caught:
            teacher.request(method, path)
        assert caught.value.status == 403


@pytest.mark.cluster
def test_a_person_removed_can_be_made_again(
    admin: Api, admin_kubeconfig: Path, state: Path
) -> None:
    name = f"r{time.time_ns() % 10**8}"
    people.create_person(admin, admin_kubeconfig, name)
    people.remove_person(admin, name)
    assert not people.kubeconfig_path(name).exists()
    try:
        again = people.create_person(admin, admin_kubeconfig, name)
        assert Api(str(again)).who_am_i() == f"oidc-{name}"
    finally:
        people.remove_person(admin, name)
    people.remove_person(admin, name)  # twice is harmless
