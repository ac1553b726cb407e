"""Probes try paths for real, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from checks.access.discovery import served
from checks.access.kubernetes_api import Api
from checks.facts import PROBE_LABEL
from checks.sources import probes
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person

pytestmark = pytest.mark.cluster


@pytest.fixture
def learner(new_person: Callable[..., Person]) -> LiveCluster:
    return LiveCluster(LocalMachine(), kubeconfig_path=str(new_person("p").kubeconfig))


def left(cluster: LiveCluster) -> list[str]:
    """Names of all pods and policies of ours that are there and not on their way out."""
    found = []
    for path in ("/api/v1/namespaces/{}/pods", "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"):
        items = cluster.api.request("GET", path.format(cluster.namespace), query={"labelSelector": PROBE_LABEL})
        found += [one["metadata"] for one in items["items"]]
    return [one["name"] for one in found if "deletionTimestamp" not in one]


def test_the_local_cluster_serves_no_other_kind_of_network_policy(learner: LiveCluster) -> None:
    assert "NetworkPolicy" in {one.kind for one in served(learner.api)}
    assert not list(learner.other_policies())


def test_the_local_cluster_is_seen_to_enforce_policies(learner: LiveCluster) -> None:
    assert probes.enforces_policies(learner.api, learner.namespace)
    assert left(learner) == []


@pytest.mark.parametrize(("enforced", "tries"), [(True, 1), (False, 2)])
def test_a_cluster_that_enforces_is_not_tried_again_at_once(
    learner: LiveCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, enforced: bool, tries: int
) -> None:
    asked: list[str] = []

    def control(api: Api, namespace: str) -> bool:
        asked.append(namespace)
        return enforced

    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path))
    monkeypatch.setattr("checks.sources.live_cluster.enforces_policies", control)
    for _ in range(2):
        again = LiveCluster(LocalMachine(), kubeconfig_path=learner.credentials.source)
        assert again.enforces_policies is enforced
    assert len(asked) == tries


def test_a_probe_reaches_a_server_and_says_why_it_does_not(learner: LiveCluster) -> None:
    there, nobody = "kubernetes.default.svc.cluster.local:443", "kubernetes.default.svc.cluster.local:444"
    with learner.probe([there, nobody]) as probe:
        assert learner.pods() == [], "a probe is not the learner's work"
        with probe.connect(there) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"HTTP" in connection.recv(100), "a TLS server says that this is not TLS"
        with probe.connect(nobody) as connection:
            assert connection.recv(1) == b"", "closed without a word"
        assert probe.said(nobody)
    assert left(learner) == []


def test_nothing_is_left_when_a_check_breaks(learner: LiveCluster) -> None:
    with pytest.raises(KeyboardInterrupt), learner.probe(["kubernetes.default:443"]):
        raise KeyboardInterrupt
    assert left(learner) == []


def test_what_a_killed_run_left_is_swept_by_the_next_one(
    learner: LiveCluster, admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "cahier-sonde-orpheline", "labels": {PROBE_LABEL: "oui"}},
        "spec": {"containers": [{"name": "p", "image": "alpine/socat:1.7.4.4", "args": ["-V"]}]},
    }
    admin.request("POST", f"/api/v1/namespaces/{learner.namespace}/pods", orphan)
    with learner.probe(["kubernetes.default:443"]):
        assert "cahier-sonde-orpheline" in left(learner), "too young: it may be another run's"
    monkeypatch.setattr(probes, "_LIFE", -60)
    probes._sweep(learner.api, learner.namespace)
    assert left(learner) == []
