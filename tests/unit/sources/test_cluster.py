"""What a cluster keeps of the answers that a round of checks has already had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from checks.capabilities import Cluster
from checks.sources import live_cluster
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine


@pytest.fixture
def cluster(tmp_path: Path) -> LiveCluster:
    named = {"name": "nowhere"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{**named, "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{**named, "user": {"token": "none"}}],
        "contexts": [
            {
                **named,
                "context": {"cluster": "nowhere", "user": "nowhere", "namespace": "user-alice"},
            }
        ],
        "current-context": "nowhere",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return LiveCluster(LocalMachine(), kubeconfig_path=str(path))


def test_an_answer_is_kept_until_refresh(cluster: LiveCluster) -> None:
    asked: list[str] = []

    def ask(one: Cluster) -> int:
        asked.append(one.namespace)
        return len(asked)

    assert [cluster.once(ask), cluster.once(ask)] == [1, 1]
    cluster.refresh()
    assert cluster.once(ask) == 2
    assert asked == ["user-alice", "user-alice"]


def test_what_went_wrong_is_asked_again(cluster: LiveCluster) -> None:
    answers = iter([ValueError("not yet"), "at last"])

    def ask(_: Cluster) -> str:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return str(answer)

    with pytest.raises(ValueError, match="not yet"):
        cluster.once(ask)
    assert cluster.once(ask) == "at last"


def test_what_is_broken_on_purpose_is_broken_once_for_each_version(cluster: LiveCluster) -> None:
    broken: list[str] = []

    def experiment(one: Cluster) -> None:
        broken.append(one.namespace)
        one.refresh()  # to see what comes of it

    for version in ("a", "a", "b", "a"):
        cluster.try_once(version, experiment)
        cluster.refresh()
    assert len(broken) == 2


def test_what_broke_and_did_not_heal_is_tried_again(cluster: LiveCluster) -> None:
    tried: list[str] = []

    def experiment(one: Cluster) -> None:
        tried.append(one.namespace)
        if len(tried) == 1:
            raise LookupError

    with pytest.raises(LookupError):
        cluster.try_once("a", experiment)
    cluster.try_once("a", experiment)
    cluster.try_once("a", experiment)
    assert len(tried) == 2


def test_what_somebody_sees_is_kept_until_refresh_and_their_connections_until_a_new_access(
    cluster: LiveCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_cluster, "people_folder", lambda: tmp_path)
    access = tmp_path / "bob.kubeconfig"
    access.write_bytes((tmp_path / "kubeconfig").read_bytes())
    first = cluster.as_owner("user-bob")
    assert first is not None
    assert cluster.as_owner("user-bob") is first
    beside = cluster.as_owner("user-bob", "user-alice")
    assert beside is not None
    assert (beside.namespace, beside.api) == ("user-alice", first.api)

    cluster.refresh()
    second = cluster.as_owner("user-bob")
    assert second is not None
    assert second is not first
    assert second.api is first.api

    os.utime(access, (0, 0))
    cluster.refresh()
    third = cluster.as_owner("user-bob")
    assert third is not None
    assert third.api is not first.api
