"""The versions of Kubernetes that a node can be made of."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import build, compiler, node_image, paths, private_engine, processes
from engine.archives import Image
from engine.problems import EngineProblem

if os.name == "nt":
    pytest.skip("the engine needs Linux", allow_module_level=True)


@pytest.mark.parametrize("version", [one for one in build.versions() if one != paths.KUBERNETES])
def test_all_parts_of_kubernetes_are_of_the_version_that_the_folder_names(version: str) -> None:
    text = (build.OTHERS / version / "go.mod").read_text(encoding="utf-8")
    assert f"k8s.io/kubernetes {version}\n" in text
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) (\S+)$", text, re.MULTILINE)
    assert len(replaced) > 30
    assert {(old, where) for old, new, where in replaced} == {
        (old, version.replace("v1.", "v0.", 1)) for old, _, _ in replaced
    }


def test_another_version_has_nothing_of_ours_compiled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CAHIER_KUBERNETES", raising=False)
    ours, image, kubernetes = build.key(), paths.node_image(), build.kubernetes_key()
    assert kubernetes == ours
    keys = set()
    for version in build.versions():
        monkeypatch.setenv("CAHIER_KUBERNETES", version)
        assert build.key() == ours
        assert (paths.node_image() == image) is (version == paths.KUBERNETES)
        keys.add(build.kubernetes_key())
    assert len(keys) == len(build.versions()) >= 3


def test_a_version_that_the_engine_cannot_make_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAHIER_KUBERNETES", "v1.3.0")
    monkeypatch.setattr(private_engine, "unsupported", lambda: None)
    assert not build.is_built()
    with pytest.raises(EngineProblem, match=r"v1\.3\.0") as told:
        private_engine.start(lambda step, seconds: pytest.fail(step))
    assert all(version in told.value.remedy for version in build.versions())


def test_a_program_is_compiled_with_the_requirements_of_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Sequence[str | Path]] = []
    monkeypatch.setattr(processes, "run", lambda command, **_: ran.append(command))
    for module_file in (None, tmp_path / "v1.2.3" / "go.mod"):
        compiler.Compiler(tmp_path, "", module_file).build(".", tmp_path / "program")
    option = f"-modfile={tmp_path / 'v1.2.3' / 'go.mod'}"
    assert [option in command for command in ran] == [False, True]


def images(programs: Path, kubernetes: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Image]:
    """Those of a node whose kubeadm asks for some, by name."""
    asked = "kube-apiserver:v1.2.3 kube-proxy:v1.2.3 coredns/coredns:v1.1 pause:3.9 etcd:3.1-0"
    for file in (programs / "node" / "cluster", kubernetes, programs / "bin" / "busybox"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"program {file}", encoding="utf-8")
    kubeadm = kubernetes.with_name("kubeadm")
    kubeadm.write_text(f"#!/bin/sh\nprintf 'here/%s\\n' {asked}\n", encoding="utf-8")
    kubeadm.chmod(0o755)
    monkeypatch.setattr(node_image, "_firewall", lambda base: {"/usr/sbin/nft": b"nft"})
    made: Any = node_image._images(programs, programs, kubernetes, programs)
    return {image.names[0]: image for image in made}


def test_a_node_has_the_images_that_its_kubeadm_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At our version, of one program; at another one, etcd, CoreDNS and the pod network stay."""
    network = "docker.io/kindest/kindnetd:cahier"
    server, proxy = "here/kube-apiserver:v1.2.3", "here/kube-proxy:v1.2.3"
    always = ("here/etcd:3.1-0", "here/coredns/coredns:v1.1", network)
    programs = tmp_path / "programs"
    ours = programs / "node" / "cluster"
    for kubernetes in (ours, tmp_path / "other" / "kubernetes"):
        made = images(programs, kubernetes, monkeypatch)
        assert set(made) == {server, proxy, *always, "registry.k8s.io/pause:3.10"}
        assert made[server].configuration["Entrypoint"] == ["/usr/local/bin/kube-apiserver"]
        assert made[server].layers[0] is made[proxy].layers[0]
        assert [len(made[name].layers) for name in (server, proxy, network)] == [1, 2, 2]
        assert len({made[name].layers[0].digest for name in always}) == 1
        one_program = made[server].layers[0].digest == made[always[0]].layers[0].digest
        assert one_program is (kubernetes == ours)
