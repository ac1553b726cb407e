"""Probes try paths for real, and leave nothing behind."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import psutil
import pytest

from checks.access.discovery import served
from checks.access.kubernetes_api import Api, collection
from checks.facts import PROBE_LABEL
from checks.objects.pods import Condition, PodObject, PodStatus
from checks.process import OWNER, mark, owner
from checks.sources import breakage, probes
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person
from tests.support.waiting import until

pytestmark = pytest.mark.cluster


@pytest.fixture
def learner(new_person: Callable[..., Person]) -> LiveCluster:
    return LiveCluster(LocalMachine(), kubeconfig_path=str(new_person("p").kubeconfig))


def left(cluster: LiveCluster) -> list[str]:
    """Names of all pods and policies of ours that are there and not on their way out."""
    found = []
    for path in (
        "/api/v1/namespaces/{}/pods",
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    ):
        items = cluster.api.request(
            "GET", path.format(cluster.namespace), query={"labelSelector": PROBE_LABEL}
        )
        found += [one["metadata"] for one in items["items"]]
    return [one["name"] for one in found if "deletionTimestamp" not in one]


def test_the_local_sspcloud_serves_no_other_kind_of_network_policy(learner: LiveCluster) -> None:
    assert "NetworkPolicy" in {one.kind for one in served(learner.api)}
    assert not list(learner.other_policies())


def test_the_local_sspcloud_is_seen_to_enforce_policies(learner: LiveCluster) -> None:
    assert probes.enforces_policies(learner.api, learner.namespace)
    assert left(learner) == []


@pytest.mark.parametrize(("enforced", "tries"), [(True, 1), (False, 2)])
def test_a_cluster_that_enforces_is_not_tried_again_at_once(
    learner: LiveCluster,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    enforced: bool,
    tries: int,
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
    there, nobody = (
        "kubernetes.default.svc.cluster.local:443",
        "kubernetes.default.svc.cluster.local:444",
    )
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


def orphan(learner: LiveCluster, name: str, owner: str) -> None:
    """A probe, and its policy, of the process with this mark."""
    pods, policies = (
        collection("Pod", learner.namespace),
        collection("NetworkPolicy", learner.namespace),
    )
    item = probes._pod(name, {"PIPE": 6001}, {})
    item["metadata"]["annotations"] = {OWNER: owner}
    uid = learner.api.make(pods, item)
    learner.api.make(policies, probes._policy(name, uid, probes._CLOSED))


def test_what_a_killed_run_left_is_swept_by_the_next_one(
    learner: LiveCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["sleep", "60"]) as alive:
        here, start = mark().partition(".")[0], f"{psutil.Process(alive.pid).create_time():.0f}"
        # a number that was given again since
        orphan(learner, "d-un-mort", f"{here}.{alive.pid}.1000000000")
        orphan(learner, "d-un-vivant", f"{here}.{alive.pid}.{start}")
        orphan(learner, "d-une-autre-machine", f"ailleurs.{alive.pid}.{start}")
        probes.sweep(learner.api, learner.namespace)
        until(lambda: {*left(learner)} == {"d-un-vivant", "d-une-autre-machine"})
        alive.kill()
    monkeypatch.setattr(probes, "_OVER", timedelta(seconds=-1))  # clocks tell whole seconds
    probes.sweep(learner.api, learner.namespace)
    until(lambda: left(learner) == [])


def test_a_probe_that_its_own_process_could_not_take_away_is_swept_too(
    learner: LiveCluster,
) -> None:
    orphan(learner, "oubliee", mark())
    probes.sweep(learner.api, learner.namespace)
    until(lambda: left(learner) == [])


def test_a_pod_that_a_killed_run_left_broken_is_replaced(learner: LiveCluster) -> None:
    dead = f"{mark().partition('.')[0]}.1.1000000000"
    pods = collection("Pod", learner.namespace)
    for name, ready in (("casse", False), ("guerie", True)):
        item = probes._pod(name, {"PIPE": 6001}, {})
        item["metadata"] = {"name": name, "annotations": {OWNER: dead}}
        learner.api.make(pods, item)
        made = learner.api.one(PodObject, f"{pods}/{name}")
        assert made is not None
        status = PodStatus(conditions=(Condition("Ready", str(ready)),))
        seen = msgspec.structs.replace(made, status=status)
        assert breakage.clear(learner.api, learner.namespace, [seen])
    (kept,) = [
        one
        for one in learner.api.each(PodObject, "Pod", pods)
        if not one.metadata.deletion_timestamp
    ]
    assert (kept.name, owner(kept.metadata.annotations)) == (
        "guerie",
        "",
    )
