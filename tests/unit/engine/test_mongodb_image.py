"""What stands in for MongoDB: under which name, and told what."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from checks.local_sspcloud import services
from checks.local_sspcloud.progress import silent
from checks.local_sspcloud.services.description import STAND_IN, Order

if os.name == "nt":
    pytest.skip("the engine needs Linux", allow_module_level=True)

from engine import build, lab_images, mongodb_image, node_image, operator_images, private_engine

MONGODB = services.find("mongodb")


def pod(stand_in: str = "") -> dict[str, Any]:
    order = Order("user-alice", "mongodb-951239", False, "user-alice", "defaultdb", stand_in)
    template: dict[str, Any] = MONGODB.manifests(order)[-1]["spec"]["template"]
    return template


def test_the_image_that_is_made_is_the_one_that_the_pod_runs() -> None:
    (container,) = pod()["spec"]["containers"]
    assert container["image"] == MONGODB.image == mongodb_image.NAME


def test_the_pod_says_what_its_server_is_where_another_stands_in() -> None:
    said = f"{mongodb_image.server()}, qui parle le protocole de MongoDB"
    assert re.match(r"FerretDB \d+\.\d+\.\d+,", said)
    assert pod(said)["metadata"]["annotations"] == {STAND_IN: said}
    assert pod()["metadata"]["annotations"] == {}


def test_the_server_reads_variables_that_the_pod_has() -> None:
    program = (mongodb_image.MODULE / "main.go").read_text()
    read = set(re.findall(r'(?:Getenv|listed)\("(\w+)"\)', program))
    assert len(read) == 7
    (container,) = pod()["spec"]["containers"]
    assert read <= {one["name"] for one in container["env"]}
    assert f'":{MONGODB.port}"' in program
    (mount,) = container["volumeMounts"]
    assert f'"{mount["mountPath"]}/data/"' in program


def test_an_image_of_the_labs_is_there_already() -> None:
    assert private_engine.stand_in("postgres:15-bookworm", silent) is None


def test_the_engine_is_not_made_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of it makes nothing else again."""
    keys = [one.key for one in (build, node_image, lab_images, operator_images, mongodb_image)]
    before = [key() for key in keys]
    monkeypatch.setattr(mongodb_image, "MODULE", mongodb_image.MODULE / "go.mod")
    after = [key() for key in keys]
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]
