"""kube-router as another enforcer of NetworkPolicies: what is made, and what a cluster is given."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

if os.name == "nt":
    pytest.skip("the engine needs Linux", allow_module_level=True)

from engine import build, compiler, enforcer_image, lab_images, node_image, operator_images


def container() -> dict[str, Any]:
    *_, workload = yaml.safe_load_all(enforcer_image.manifest())
    assert workload["kind"] == "DaemonSet"
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def test_the_image_that_is_made_is_the_one_that_the_pod_runs() -> None:
    assert f"{container()['image']}:latest" == f"docker.io/{enforcer_image.NAME}"
    assert re.fullmatch(r"kube-router v\d+\.\d+\.\d+", enforcer_image.program())


def test_it_decides_of_policies_and_leaves_the_rest_of_the_network_alone() -> None:
    asked = dict(word.removeprefix("--run-").split("=") for word in container()["args"])
    assert asked == {"firewall": "true", "router": "false", "service-proxy": "false"}


def test_the_engine_is_not_made_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of it makes its image again, and nothing else."""
    keys = [one.key for one in (build, node_image, lab_images, operator_images)]
    before, image = [key() for key in keys], enforcer_image._image()
    monkeypatch.setattr(enforcer_image, "MODULE", enforcer_image.MODULE / "go.mod")
    assert [key() for key in keys] == before
    assert enforcer_image._image().configuration != image.configuration
    assert all(enforcer_image.NAME not in one.names for one in lab_images.IMAGES)


def test_the_image_holds_the_program_and_what_it_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks for `iptables` and the others by these names, which Debian gives as it installs."""
    asked: list[tuple[str, str]] = []

    def made(_: compiler.Compiler, package: str, target: Path, flags: str) -> None:
        asked.append((package, flags))
        target.touch()

    monkeypatch.setattr(compiler.Compiler, "build", made)
    for folder in ("usr/sbin", "usr/local/bin"):
        (tmp_path / folder).mkdir(parents=True)
    image = enforcer_image._image()
    image.finish(tmp_path)
    assert {path.name for path in (tmp_path / "usr/sbin").iterdir()} == {
        "iptables",
        "iptables-save",
        "iptables-restore",
    }
    assert image.configuration["Entrypoint"] == ["/usr/local/bin/kube-router"]
    assert (tmp_path / "usr/local/bin/kube-router").exists()
    ((package, flags),) = asked
    version = enforcer_image.program().split()[-1]
    assert flags.endswith(
        f"{package.removesuffix('/cmd/kube-router')}/pkg/version.Version={version}"
    )
