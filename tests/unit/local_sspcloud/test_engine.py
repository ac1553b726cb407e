"""Which engine is chosen, with programs on the PATH that answer as real ones do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from checks.errors import CahierError
from checks.local_sspcloud import engine
from checks.local_sspcloud.progress import Tell, silent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

STOPPED = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon "
    "running?"
)
Install = Callable[[str, str], Path]

ANSWERS = "echo 27.3.1"
CAT = shutil.which("cat", path=os.defpath)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a shell script on a PATH that holds nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("KIND_EXPERIMENTAL_PROVIDER", "DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(engine, "_private_module", lambda: None)

    def put(name: str, script: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return put


def says(text: str, code: int = 1) -> str:
    return f"{CAT} >&2 <<'T'\n{text}\nT\nexit {code}"


def test_docker_that_answers_is_chosen(install: Install) -> None:
    install("docker", ANSWERS)
    install("podman", ANSWERS)
    chosen = engine.choose(silent)
    assert (chosen.name, chosen.node_image, dict(chosen.networking)) == ("docker", None, {})
    assert chosen.environment["KIND_EXPERIMENTAL_PROVIDER"] == "docker"


def test_podman_is_chosen_when_docker_is_stopped(install: Install) -> None:
    install("docker", says(STOPPED))
    install("podman", ANSWERS)
    chosen = engine.choose(silent)
    assert chosen.name == "podman"
    assert chosen.environment["KIND_EXPERIMENTAL_PROVIDER"] == "podman"


def test_the_engine_that_holds_the_cluster_comes_first(install: Install) -> None:
    install("docker", ANSWERS)
    install("podman", ANSWERS)
    assert engine.choose(silent, "podman").name == "podman"


def test_kind_s_own_choice_is_honoured(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("docker", ANSWERS)
    install("podman", says("Cannot connect to Podman."))
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    with pytest.raises(CahierError) as caught:
        engine.choose(silent)
    assert "KIND_EXPERIMENTAL_PROVIDER" in caught.value.message
    assert "Podman est installé mais n’est pas démarré" in caught.value.message


def test_a_forced_engine_that_is_absent_is_said(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "nerdctl")
    with pytest.raises(CahierError, match="nerdctl n’est pas installé"):
        engine.choose(silent)


@pytest.mark.parametrize(
    ("said", "message", "remedy"),
    [
        ("unknown flag: --format", "ne répond pas : unknown flag: --format", "Démarrez-le"),
        ("", "aucune explication", "Démarrez-le"),
    ],
)
def test_what_is_not_understood_is_shown_as_it_is(
    install: Install, said: str, message: str, remedy: str
) -> None:
    install("docker", says(said))
    with pytest.raises(CahierError) as caught:
        engine.choose(silent)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_a_wrong_docker_host_is_named(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://nulle-part:2375")
    install("docker", says("Cannot connect to the Docker daemon at tcp://nulle-part:2375."))
    with pytest.raises(CahierError, match="tcp://nulle-part:2375"):
        engine.choose(silent)


def test_a_frozen_docker_is_not_waited_for(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_PROBE_SECONDS", 0.2)
    sleep = shutil.which("sleep", path="/usr/bin:/bin")
    install("docker", f"exec {sleep} 30")
    with pytest.raises(CahierError, match="n’a rien répondu"):
        engine.choose(silent)


def test_without_any_engine_one_message_says_what_to_install(install: Install) -> None:
    with pytest.raises(CahierError) as caught:
        engine.choose(silent)
    assert "Aucun moteur de conteneurs" in caught.value.message
    assert "copie du dépôt" in caught.value.message
    assert "Installez Docker" in caught.value.remedy


class FakeProblem(Exception):
    def __init__(self, message: str, remedy: str) -> None:
        self.message, self.remedy = message, remedy


class FakePrivate:
    """Stands for cluster.private_engine: this machine may not be able to run it."""

    EngineProblem = FakeProblem
    environment: dict[str, str] = {"PATH": "/nowhere"}  # noqa: RUF012
    node_image = "cahier/node:v1"
    networking: dict[str, object] = {"apiServerPort": 6443}  # noqa: RUF012
    kind = Path("/nowhere/kind")

    def __init__(self, reason: str | None = None, problem: FakeProblem | None = None) -> None:
        self.reason, self.problem = reason, problem

    def unsupported(self) -> str | None:
        return self.reason

    def running(self) -> FakePrivate | None:
        return None

    def start(self, progress: Callable[[str, float], AbstractContextManager[None]]) -> FakePrivate:
        if self.problem:
            raise self.problem
        with progress("Démarrage", 1):
            return self


def test_the_private_engine_is_started_when_none_answers(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("docker", says(STOPPED))
    monkeypatch.setattr(engine, "_private_module", FakePrivate)
    shown: list[str] = []

    @contextmanager
    def progress(step: str, estimate_seconds: float, /) -> Iterator[Tell]:
        shown.append(step)
        yield shown.append

    chosen = engine.choose(progress)
    assert (chosen.name, chosen.node_image) == (engine.PRIVATE, "cahier/node:v1")
    assert chosen.kind() == Path("/nowhere/kind")
    assert shown == ["Démarrage"]


def test_a_problem_of_the_private_engine_keeps_its_remedy(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        engine,
        "_private_module",
        lambda: FakePrivate(problem=FakeProblem("Disque plein.", "df -h")),
    )
    with pytest.raises(CahierError, match="Disque plein") as caught:
        engine.choose(silent)
    assert caught.value.remedy == "df -h"


def test_why_the_private_engine_is_impossible_is_said(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "le moteur privé a besoin des droits de root"
    monkeypatch.setattr(engine, "_private_module", lambda: FakePrivate(reason))
    with pytest.raises(CahierError, match="droits de root"):
        engine.choose(silent)


def test_kind_is_found_and_old_ones_are_refused(install: Install) -> None:
    install("docker", ANSWERS)
    chosen = engine.choose(silent)
    with pytest.raises(CahierError, match="n’est pas installée") as caught:
        chosen.kind()
    assert "go install sigs.k8s.io/kind@v0.33.0" in caught.value.remedy
    path = install("kind", "echo kind v0.29.0 go1.24.2 linux/amd64")
    with pytest.raises(CahierError, match=r"en version 0\.29, il faut 0\.33"):
        chosen.kind()
    install("kind", "echo 'kind v0.34.0-alpha+1234 go1.26.1 linux/amd64'")
    assert chosen.kind() == path


def test_nodes_are_read_with_their_state(install: Install) -> None:
    listing = "cahier-control-plane\\tUp 6 minutes\\ncahier-worker\\tExited (137) 2 hours ago\\n"
    install("docker", f'if [ "$1" = ps ]; then printf "{listing}"; else {ANSWERS}; fi')
    nodes = engine.choose(silent).nodes()
    assert [(node.name, node.running) for node in nodes] == [
        ("cahier-control-plane", True),
        ("cahier-worker", False),
    ]


def test_a_refusal_of_the_engine_is_reported(install: Install) -> None:
    install(
        "docker",
        f'if [ "$1" = info ]; then {ANSWERS}; else echo "Error: no such thing" >&2; exit 125; fi',
    )
    with pytest.raises(CahierError, match="no such thing"):
        engine.choose(silent).nodes()
