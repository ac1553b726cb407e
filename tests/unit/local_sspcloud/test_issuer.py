"""The local cluster's issuer, and the script, where the cluster is not as it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from checks.errors import CahierError
from checks.local_sspcloud import connection, issuer, people, tokens
from checks.local_sspcloud.progress import silent
from checks.objects.parts import read

CLUSTER = "https://127.0.0.1:41234"


class Cluster:
    """An API server that accepts no token, and the pods that it lists."""

    def __init__(self, *pods: Mapping[str, Any]) -> None:
        self.pods = pods
        self.applied: list[str] = []

    def request(
        self, method: str, path: str, body: object = None, **_: object
    ) -> Mapping[str, Any]:
        return {"status": {}}

    def objects(self, kind: str, path: str, query: object = None) -> Sequence[Mapping[str, Any]]:
        return self.pods

    def each(self, kind: type[Any], of: str, path: str, query: object = None) -> Sequence[Any]:
        return [read(pod, kind) for pod in self.pods]

    def apply(self, path: str, item: Mapping[str, Any]) -> None:
        self.applied.append(path)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path))
    return tmp_path


def server(*options: str) -> Mapping[str, Any]:
    return {"spec": {"containers": [{"command": ["kube-apiserver", *options]}]}}


def test_an_api_server_that_expects_the_issuer() -> None:
    option = f"--oidc-issuer-url={issuer.api_server_options()['oidc-issuer-url']}"
    assert issuer.is_expected(Cluster(server("--secure-port=6443", option)))  # type: ignore[arg-type]


def test_a_cluster_of_an_older_version_is_left_as_it_is(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Cluster(server("--secure-port=6443"))
    monkeypatch.setattr(people, "usable_kubeconfig", lambda name: None)
    monkeypatch.setattr("checks.access.kubernetes_api.Api", lambda path: old)
    with pytest.raises(CahierError, match="ne savait pas donner de jeton") as caught:
        connection.connection_script("alice", 3600, silent)
    assert "cahier cluster supprimer, puis cahier cluster creer" in caught.value.remedy
    assert old.applied == []


def test_an_image_that_does_not_come_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = {"name": "emetteur", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    cluster: Any = Cluster(
        {
            "metadata": {"name": "emetteur-1"},
            "spec": {"containers": []},
            "status": {"containerStatuses": [waiting]},
        }
    )
    monkeypatch.setattr(issuer, "_READY_SECONDS", 0)
    issuer.ensure(cluster, silent)
    with pytest.raises(CahierError, match="pod emetteur-1 : ImagePullBackOff") as caught:
        issuer.wait_until_accepted(cluster, silent)
    assert "python:3.11" in caught.value.remedy


def test_the_key_stays_the_same_and_is_never_published(state: Path) -> None:
    cluster: Any = Cluster()
    issuer.ensure(cluster, silent)
    key = tokens._key_file().read_bytes()
    issuer.ensure(cluster, silent)
    assert tokens._key_file().read_bytes() == key
    published = str(list(issuer._objects(tokens.key())))
    private = tokens.key().as_dict(private=True)
    assert str(private["n"]) in published
    assert not any(str(private[part]) in published for part in ("d", "p", "q", "dp", "dq", "qi"))


def test_the_script_is_the_platform_s() -> None:
    assert connection.render(CLUSTER, "oidc-alice", "user-alice", "a.b.c").splitlines() == [
        f"kubectl config set-cluster 127.0.0.1:41234 --server={CLUSTER} "
        "--insecure-skip-tls-verify=true",
        "kubectl config set-credentials oidc-alice --token a.b.c",
        "kubectl config set-context 127.0.0.1:41234 --user=oidc-alice --cluster=127.0.0.1:41234 "
        "--namespace=user-alice",
        "kubectl config use-context 127.0.0.1:41234",
    ]
