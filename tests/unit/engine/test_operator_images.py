"""What the operator's images are made from, and what a cluster is given."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from checks.local_sspcloud.services.postgresql import operated, operator

if os.name == "nt":
    pytest.skip("the engine needs Linux", allow_module_level=True)

from engine import operator_images

STORAGE = """\
package nodeimage

const storageProvisionerImage = "docker.io/kindest/local-path-provisioner:v1"
const storageHelperImage = "docker.io/kindest/local-path-helper:v2"

const defaultStorageManifest = `
kind: Deployment
image: ` + storageProvisionerImage + `
---
helper: |
  image: ` + storageHelperImage + `
`
"""


def test_the_version_that_is_compiled_is_the_one_that_is_pulled_elsewhere() -> None:
    written = (operator_images.MODULE / "go.mod").read_text()
    assert re.search(r"cloudnative-pg v(\S+)", written)[1] == operator.VERSION  # type: ignore[index]
    assert f"cnpg-{operator.VERSION}.yaml" in operator.PUBLISHED


def test_the_instances_image_has_one_name() -> None:
    assert operated.OPERAND.endswith(f"/{operator_images.OPERAND}")
    tag = operator_images.OPERAND.rpartition(":")[2]
    assert tag.startswith(f"{operated.MAJOR}-"), "the operator reads the major version there"


def test_kind_s_manifest_is_read_from_its_source(tmp_path: Path) -> None:
    source = tmp_path / "pkg/build/nodeimage/const_storage.go"
    source.parent.mkdir(parents=True)
    source.write_text(STORAGE, encoding="utf-8")
    manifest = operator_images._storage_manifest(tmp_path)
    assert "image: docker.io/kindest/local-path-provisioner:v1\n" in manifest
    assert operator_images._image_names(manifest) == [
        "kindest/local-path-helper:v2",
        "kindest/local-path-provisioner:v1",
    ]


def test_a_manifest_s_images_are_those_of_the_registry() -> None:
    manifest = 'image: ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0\n  image:\n   type: "x"\n'
    assert operator_images._image_names(manifest) == ["cloudnative-pg/cloudnative-pg:1.30.0"]
