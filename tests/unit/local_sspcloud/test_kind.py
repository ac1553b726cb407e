"""The life of the cluster, with stand-ins for kind and the engine: what is run, written down and
removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from checks import places
from checks.errors import AccessError, CahierError, UsageError
from checks.local_sspcloud import creation, kind, records, running
from checks.local_sspcloud import engine as engines
from checks.local_sspcloud.engine import Engine
from checks.local_sspcloud.progress import Tell, silent
from checks.lock import at_once

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

# A container is a file; `kind create` makes one, says what kind says, and ends as KIND_ENDS tells
# it.
KIND = """
echo "kind $*" >> "$LOG"
case "$1 $2" in
"create cluster")
  echo 'Creating cluster "cahier" ...'
  echo ' • Ensuring node image (kindest/node:v1.36.1) 🖼  ...'
  echo ' ✓ Ensuring node image (kindest/node:v1.36.1) 🖼'
  echo ' • Preparing nodes 📦   ...'
  touch "$CONTAINERS/cahier-control-plane"
  [ -z "$KIND_SAYS" ] || { echo "$KIND_SAYS"; exit 1; }
  [ -z "$KIND_HANGS" ] || exec sleep 60
  echo "made" > "$8" ;;
"delete cluster") rm -f "$CONTAINERS"/* ;;
"get kubeconfig") echo found ;;
"version"*) echo "kind v0.33.0" ;;
esac
"""
DOCKER = """
echo "docker $*" >> "$LOG"
case "$1" in
info) echo 27.3 ;;
ps) for file in "$CONTAINERS"/*; do
  [ -e "$file" ] || continue
  printf '%s\\t%s\\n' "${file##*/}" "$(cat "$file" | grep . || echo 'Up 2 minutes')"; done ;;
start) : > "$CONTAINERS/$2" ;;
rm) rm -f "$CONTAINERS"/* ;;
esac
"""


class Fake:
    """An engine and a kind made of shell scripts, and what they were asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.containers, self.log = folder / "containers", folder / "log"
        self.containers.mkdir()
        self.log.touch()
        for name, script in (("kind", KIND), ("docker", DOCKER)):
            (folder / name).write_text(f"#!/bin/sh\n{script}")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin:/bin")
        monkeypatch.setenv("CONTAINERS", str(self.containers))
        monkeypatch.setenv("LOG", str(self.log))
        monkeypatch.setenv("CAHIER_ETAT", str(folder / "state"))
        for variable in (
            "KIND_SAYS",
            "KIND_HANGS",
            "CAHIER_IMAGE_NOEUD",
            "KIND_EXPERIMENTAL_PROVIDER",
        ):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr(engines, "_private_module", lambda: None)
        self.ready = True
        monkeypatch.setattr(running, "in_order", lambda count: self._in_order(count))
        monkeypatch.setattr(kind, "_REVIVE_SECONDS", 0.3)
        monkeypatch.setattr(creation, "_READY_SECONDS", 1.0)

    def _in_order(self, count: int) -> bool:
        up = [file for file in self.containers.iterdir() if not file.read_text()]
        return self.ready and len(up) == count and places.admin_kubeconfig().is_file()

    def container(self, name: str, status: str = "") -> None:
        """A container; status "" means that it runs."""
        (self.containers / name).write_text(status)

    @property
    def ran(self) -> list[str]:
        """The commands but the questions."""
        lines = self.log.read_text().splitlines()
        return [
            " ".join(line.split()[:3])
            for line in lines
            if not line.startswith(("docker info", "docker ps", "kind version"))
        ]

    def forget_commands(self) -> None:
        self.log.write_text("")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(tmp_path, monkeypatch)


def test_configuration_names_the_cluster_and_raises_the_number_of_pods() -> None:
    config = yaml.safe_load(creation.configuration(Engine("docker", "docker", {}), 3))
    assert config["name"] == "cahier"
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    assert "networking" not in config
    patch = yaml.safe_load(config["kubeadmConfigPatches"][0])
    assert (patch["kind"], patch["maxPods"], patch["failCgroupV1"]) == (
        "KubeletConfiguration",
        250,
        False,
    )


def test_configuration_carries_the_engine_s_networking() -> None:
    networking = {"apiServerAddress": "198.18.77.10", "apiServerPort": 6443}
    config = yaml.safe_load(
        creation.configuration(Engine("private", "docker", {}, networking=networking), 1)
    )
    assert config["networking"] == networking


def test_configuration_has_the_api_server_accept_the_issuer_s_tokens() -> None:
    config = yaml.safe_load(creation.configuration(Engine("docker", "docker", {}), 1))
    patch = yaml.safe_load(config["kubeadmConfigPatches"][1])
    assert "apiVersion" not in patch  # kind then brings it to the form of each Kubernetes
    assert patch["kind"] == "ClusterConfiguration"
    options = patch["apiServer"]["extraArgs"]
    assert (options["oidc-username-prefix"], options["oidc-groups-prefix"]) == ("oidc-", "oidc-")
    assert options["oidc-issuer-url"].startswith("https://localhost:6443/")


def test_a_cluster_made_otherwise_is_told(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not creation.is_outdated()
    kind.create(silent)
    assert not creation.is_outdated()
    monkeypatch.setattr(creation, "MAX_PODS", 110)
    assert creation.is_outdated()


def test_a_cluster_that_nobody_remembers_may_have_been_made_otherwise(fake: Fake) -> None:
    fake.container("cahier-control-plane")
    kind.create(silent)
    assert creation.is_outdated()


def test_a_node_image_of_the_private_engine_made_anew_is_told(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "before"
    monkeypatch.setattr(engines, "node_image_key", lambda engine, image: key)
    kind.create(silent)
    assert not creation.is_outdated()
    key = "after"
    assert creation.is_outdated()


def test_create_makes_shows_and_writes_down(fake: Fake) -> None:
    shown: list[str] = []

    @contextmanager
    def progress(step: str, estimate_seconds: float, /) -> Iterator[Tell]:
        shown.append(step)
        yield shown.append

    assert kind.create(progress) == places.admin_kubeconfig()
    assert fake.ran == ["kind create cluster"]
    assert shown[:2] == ["Image du nœud (à télécharger la première fois)", "Préparation du nœud"]
    record = json.loads((places.folder() / "cluster.json").read_text())
    assert (record["complete"], record["engine"], record["image"]) == (
        True,
        "docker",
        "kindest/node:v1.36.1",
    )


def test_twice_asks_neither_kind_nor_the_engine(fake: Fake) -> None:
    kind.create(silent)
    fake.forget_commands()
    kind.create(silent)
    assert fake.log.read_text() == ""


def test_image_from_the_option_then_the_variable(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAHIER_IMAGE_NOEUD", "campus/node:1")
    kind.create(silent)
    assert "--image campus/node:1" in fake.log.read_text()
    with pytest.raises(UsageError, match="campus/node:1"):
        kind.create(silent, image="autre/node:2")
    kind.delete(silent)
    fake.forget_commands()
    kind.create(silent, image="autre/node:2")
    assert "--image autre/node:2" in fake.log.read_text()


def test_another_number_of_nodes_is_refused(fake: Fake) -> None:
    kind.create(silent)
    with pytest.raises(UsageError, match="1 nœud"):
        kind.create(silent, nodes=3)


def test_an_unfinished_cluster_is_made_anew(fake: Fake) -> None:
    kind.create(silent)
    records.save(records.Record("docker", 1))
    fake.forget_commands()
    kind.create(silent)
    assert fake.ran == ["kind delete cluster", "kind create cluster"]


def test_a_stopped_node_is_started_again(fake: Fake) -> None:
    kind.create(silent)
    fake.container("cahier-control-plane", "Exited (137) 2 hours ago")
    fake.forget_commands()
    kind.create(silent)
    assert fake.ran == ["docker start cahier-control-plane", "kind get kubeconfig"]


def test_a_node_that_does_not_come_back_is_replaced(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind.create(silent)
    fake.container("cahier-control-plane", "Exited (1)")
    monkeypatch.setattr(kind, "_revived", lambda *_: False)
    fake.forget_commands()
    kind.create(silent)
    assert fake.ran == ["kind delete cluster", "kind create cluster"]


def test_several_nodes_one_of_them_stopped_are_replaced(fake: Fake) -> None:
    fake.container("cahier-control-plane")
    fake.container("cahier-worker", "Exited (137)")
    kind.create(silent)
    assert fake.ran == ["kind delete cluster", "kind create cluster"]


def test_a_cluster_whose_files_are_lost_is_taken_over(fake: Fake) -> None:
    fake.container("cahier-control-plane")
    kind.create(silent)
    assert fake.ran == ["kind get kubeconfig"]
    fake.forget_commands()
    kind.create(silent)
    assert fake.ran == []


def test_a_failure_of_an_unknown_kind_is_shown_as_it_is_and_leaves_nothing(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIND_SAYS", "ERROR: failed to create cluster: quelque chose d’autre")
    with pytest.raises(CahierError, match="quelque chose d’autre") as caught:
        kind.create(silent)
    assert caught.value.remedy
    assert list(fake.containers.iterdir()) == []
    assert {path.name for path in places.folder().iterdir()} <= {"lock", "kind.log"}


def test_a_cluster_that_is_made_forgets_the_failure_before(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIND_SAYS", "ERROR: failed to create cluster: quelque chose d’autre")
    with pytest.raises(CahierError):
        kind.create(silent)
    assert creation.last_failure(Engine("docker", "docker", {})) is not None
    monkeypatch.delenv("KIND_SAYS")
    kind.create(silent)
    assert creation.last_failure(Engine("docker", "docker", {})) is None


def test_a_cluster_that_is_never_ready_is_removed(fake: Fake) -> None:
    fake.ready = False
    with pytest.raises(CahierError, match="pas prêt"):
        kind.create(silent)
    assert list(fake.containers.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(fake: Fake, number: signal.Signals) -> None:
    code = (
        "from checks.local_sspcloud import engine, kind, progress\n"
        "engine._private_module = lambda: None\n"
        "kind.create(progress.silent)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "KIND_HANGS": "yes"},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not list(fake.containers.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(20) != 0
    assert list(fake.containers.iterdir()) == []
    assert {path.name for path in places.folder().iterdir()} <= {"lock", "kind.log"}


def test_killed_it_is_made_anew(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.container("cahier-control-plane")
    records.save(records.Record("docker", 1))
    kind.create(silent)
    assert fake.ran == ["kind delete cluster", "kind create cluster"]


def test_two_at_once_wait_for_each_other(fake: Fake) -> None:
    threads = [threading.Thread(target=kind.create, args=(silent,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.ran == ["kind create cluster"]


def test_waiting_for_another_command_is_shown(fake: Fake) -> None:
    shown: list[str] = []
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with at_once(places.folder() / "lock", AssertionError()):
            held.set()
            over.wait(10)

    @contextmanager
    def progress(step: str, estimate_seconds: float, /) -> Iterator[Tell]:
        shown.append(step)
        over.set()
        yield shown.append

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    kind.delete(progress)
    thread.join()
    assert "attente" in shown[0]


def test_delete_is_idempotent_and_removes_everything(fake: Fake) -> None:
    kind.create(silent)
    places.write_private(places.people_folder() / "alice.kubeconfig", "x")
    assert kind.delete(silent)
    assert {path.name for path in places.folder().iterdir()} == {"lock"}
    assert not kind.delete(silent)


def test_delete_without_kind_removes_the_containers(fake: Fake, tmp_path: Path) -> None:
    fake.container("cahier-control-plane")
    (tmp_path / "kind").unlink()
    assert kind.delete(silent)
    assert fake.ran == ["docker rm --force"]


def test_delete_says_when_the_engine_is_away(fake: Fake, tmp_path: Path) -> None:
    kind.create(silent)
    (tmp_path / "docker").unlink()
    with pytest.raises(CahierError, match="ne répond pas"):
        kind.delete(silent)
    assert places.admin_kubeconfig().exists()


def test_state_without_cluster(fake: Fake) -> None:
    with pytest.raises(AccessError, match="n’existe pas") as caught:
        kind.state()
    assert "cahier cluster creer" in caught.value.remedy


def test_kubeconfigs_are_for_their_owner_only(fake: Fake) -> None:
    places.write_private(places.people_folder() / "alice.kubeconfig", "x")
    assert (places.people_folder() / "alice.kubeconfig").stat().st_mode & 0o777 == 0o600
    assert places.people_folder().stat().st_mode & 0o077 == 0
