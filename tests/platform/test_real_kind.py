"""What the real kind makes of our configuration, up to the first container: no image and no network
is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from checks.local_sspcloud import creation
from checks.local_sspcloud import engine as engines
from checks.local_sspcloud.engine import Engine

# An engine that has the image, and refuses the first container: kind has then accepted the
# configuration.
ENGINE = """#!/bin/sh
case "$1 $2" in
"-v "*) echo "$VERSION" ;;
"--version "*) echo "$VERSION" ;;
"info "*) case "$*" in *json*) echo "$INFO" ;; *) echo overlay2 ;; esac ;;
"network inspect") echo '[{"Id":"a","Name":"kind","Containers":{}}]' ;;
"volume create") echo v ;;
"run "*) echo "$*" >> "$RUNS"; echo "stop here" >&2; exit 125 ;;
esac
"""
DOCKER = {
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "MemoryLimit": True,
    "PidsLimit": True,
    "CPUShares": True,
}
ROOTLESS = {
    **DOCKER,
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"],
}
PODMAN = {
    "host": {"cgroupVersion": "v2", "cgroupControllers": ["cpu", "memory", "pids"], "security": {}}
}
VERSIONS = {"docker": "Docker version 28.3.1, build 38b7060", "podman": "podman version 5.4.2"}


@pytest.fixture(scope="module")
def real_kind(admin_kubeconfig: Path) -> Path:
    """The kind that made the cluster of this run."""
    private = engines.private_running()
    found = private.kind() if private else Path(shutil.which("kind") or "")
    assert found.is_file()
    return found


@pytest.mark.cluster
@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize(
    ("program", "info", "networking"),
    [
        ("docker", DOCKER, {}),
        ("docker", ROOTLESS, {}),
        (
            "docker",
            DOCKER,
            {
                "apiServerAddress": "198.18.77.10",
                "apiServerPort": 6443,
                "kubeProxyMode": "nftables",
            },
        ),
        ("podman", PODMAN, {}),
    ],
    ids=["docker", "docker-rootless", "private-engine", "podman"],
)
def test_kind_accepts_the_configuration(
    real_kind: Path,
    tmp_path: Path,
    program: str,
    info: object,
    networking: dict[str, object],
    nodes: int,
) -> None:
    (tmp_path / program).write_text(ENGINE)
    (tmp_path / program).chmod(0o755)
    configuration = tmp_path / "kind.yaml"
    configuration.write_text(
        creation.configuration(Engine(program, program, {}, networking=networking), nodes)
    )
    said = subprocess.run(
        [
            real_kind,
            "create",
            "cluster",
            "--config",
            configuration,
            "--kubeconfig",
            tmp_path / "kubeconfig",
        ],
        env={
            "PATH": f"{tmp_path}{os.pathsep}/usr/bin:/bin",
            "HOME": str(tmp_path),
            "KIND_EXPERIMENTAL_PROVIDER": program,
            "VERSION": VERSIONS[program],
            "INFO": json.dumps(info),
            "RUNS": str(tmp_path / "runs"),
        },
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert 'Creating cluster "cahier"' in said
    assert f"Preparing nodes {'📦 ' * nodes}" in said, said
    assert "stop here" in said
    wanted = {"cahier-control-plane", "cahier-worker", "cahier-worker2"}
    names = {line.split()[2] for line in (tmp_path / "runs").read_text().splitlines()}
    assert names <= wanted


@pytest.mark.cluster
def test_kind_refuses_a_configuration_that_is_none(real_kind: Path, tmp_path: Path) -> None:
    (tmp_path / "kind.yaml").write_text(
        creation.configuration(Engine("docker", "docker", {}), 1) + "nœuds: 3\n"
    )
    done = subprocess.run(
        [real_kind, "create", "cluster", "--config", tmp_path / "kind.yaml"],
        env={"PATH": "/nowhere", "KIND_EXPERIMENTAL_PROVIDER": "docker"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "nœuds" in done.stderr
