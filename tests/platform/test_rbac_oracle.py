"""What the checks deduce from roles and bindings is what the API server's own authorizer allows, on
random ones."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.errors import Refused
from checks.stage import Person
from engine import build
from tests.platform import oracles
from tests.support.random_roles import Asked, Item, World, contradictions, drawn, real

# its program is compiled after the cluster's
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1800),
]

WORLDS = int(os.environ.get("CAHIER_EXEMPLES", "500"))
REAL_WORLDS = 6
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def worlds() -> Sequence[World]:
    """The same ones at each run in CI; new ones elsewhere."""
    first = 0 if "CI" in os.environ else random.randrange(10**9)
    return [drawn(first + index) for index in range(WORLDS)]


@pytest.fixture(scope="module")
def verdicts(oracle_programs: Path, worlds: Sequence[World]) -> Sequence[Sequence[Item]]:
    said = oracles.answers(oracle_programs / "rbac", (world.question() for world in worlds))
    return [json.loads(line) for line in said]


def test_random_roles_grant_what_the_authorizer_allows(
    worlds: Sequence[World], verdicts: Sequence[Sequence[Item]]
) -> None:
    assert not list(itertools.islice(contradictions(worlds, verdicts), 3))
    sorts = collections.Counter(
        (("path" if asked.request.path else "resource", bool(asked.namespace)), theirs["allowed"])
        for world, said in zip(worlds, verdicts, strict=True)
        for asked, theirs in zip(world.requests, said, strict=True)
    )
    print(f"{len(worlds)} worlds, {sorts.total()} requests: {dict(sorts)}")
    for sort in {sort for sort, _ in sorts}:
        allowed, refused = sorts[sort, True], sorts[sort, False]
        assert 0.05 < allowed / (allowed + refused) < 0.95, f"one answer would do: {sort}"


@pytest.mark.parametrize(
    "word",
    [
        *(
            "apiGroups",
            "resources",
            "resourceNames",
            "nonResourceURLs",
            "namespace",
            "subjects",
            "rules",
        ),
        *("aggregationRule", "labels", "matchLabels", "matchExpressions"),
        *("*", "*/log", "get", "/api*", "/apis/**", "/healthz/*"),
    ],
)
def test_a_reading_that_overlooks_a_word_is_caught(
    word: str, worlds: Sequence[World], verdicts: Sequence[Sequence[Item]]
) -> None:
    parts = ("roles", "bindings", "cluster_roles", "cluster_bindings")
    read = (
        replace(one, **{part: oracles.without(getattr(one, part), word) for part in parts})
        for one in worlds
    )
    assert next(contradictions(read, verdicts), None)


def paths(namespace: str) -> Mapping[str, str]:
    return {
        "Role": f"{RBAC}/namespaces/{namespace}/roles",
        "RoleBinding": f"{RBAC}/namespaces/{namespace}/rolebindings",
        "ClusterRole": f"{RBAC}/clusterroles",
        "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    }


@pytest.fixture
def held(admin: Api, new_person: Callable[..., Person]) -> Iterator[World]:
    """A few random worlds as the API server keeps them, with all else that is in the cluster."""
    home = new_person("r").namespace
    first = 0 if "CI" in os.environ else random.randrange(10**9)
    worlds = [
        real(drawn(first + index), f"essai-{uuid.uuid4().hex[:6]}", home)
        for index in range(REAL_WORLDS)
    ]
    made = []
    try:
        for item in (item for world in worlds for item in world.items()):
            with contextlib.suppress(Refused):  # what is not valid is not there
                admin.request("POST", paths(home)[item["kind"]], item)
                made.append(f"{paths(home)[item['kind']]}/{item['metadata']['name']}")
        there = {kind: admin.request("GET", path)["items"] for kind, path in paths(home).items()}
        for kind, items in there.items():
            for item in items:
                item["kind"] = kind  # which a list does not say
        yield World(
            {home: there["Role"]},
            {home: there["RoleBinding"]},
            there["ClusterRole"],
            there["ClusterRoleBinding"],
            [asked for world in worlds for asked in world.requests],
        )
    finally:
        for path in made:
            admin.remove(path)


def reviewed(admin: Api, asked: Asked) -> Item:
    """The API server's own answer."""
    what = asdict(asked.request)
    path = what.pop("path")
    about = (
        {"nonResourceAttributes": {"path": path, "verb": what["verb"]}}
        if path
        else {"resourceAttributes": {**what, "namespace": asked.namespace}}
    )
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": asked.user, "groups": asked.groups, **about},
    }
    status = admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)[
        "status"
    ]
    return {"allowed": status["allowed"], "reason": status.get("reason", "")}


def test_a_few_random_roles_grant_what_the_real_api_server_allows(admin: Api, held: World) -> None:
    """With its own defaults, and its own controller for aggregated ClusterRoles."""
    deadline = time.monotonic() + 30  # it learns of each kind a moment after it took it
    while True:
        said = [reviewed(admin, asked) for asked in held.requests]
        wrong = list(contradictions([held], [said]))
        if not wrong or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert not wrong[:3]
    allowed = sum(one["allowed"] for one in said)
    print(f"{len(said)} requests, {allowed} allowed")
    assert 0 < allowed < len(said), "one answer would do"


def test_kubernetes_own_code_is_of_the_local_sspcloud_s_version() -> None:
    """A `replace` of a module holds for that module only: this one repeats the cluster's."""
    ours, engine = (
        Path(folder, "go.mod").read_text() for folder in (oracles.SOURCES, build.MODULE)
    )
    replaced = re.findall(r"^\tk8s.io/\S+ => .*$", engine, re.MULTILINE)
    assert replaced
    assert re.findall(r"^\tk8s.io/\S+ => .*$", ours, re.MULTILINE) == replaced
