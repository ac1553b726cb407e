"""What the checks deduce from roles and bindings is what the API server's own authorizer allows, on random ones."""

from __future__ import annotations

import collections
import itertools
import json
import os
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from checks.diagnosis.rbac import Binding, Request, aggregated, binding, covers, granted, rules
from cluster import build
from tests import oracles

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]  # its program is compiled after the cluster's

WORLDS = int(os.environ.get("CAHIER_EXEMPLES", "500"))
REQUESTS = 10  # in each world
Item = dict[str, Any]

HOMES = ("user-alice", "user-bob")
ACCOUNT = "system:serviceaccount:{}:default"
USERS: Mapping[str, Sequence[str]] = {
    "oidc-bob": ("equipe", "system:authenticated"),
    "oidc-zoe": ("system:authenticated",),
    "cahier-inconnu": (),
    **{
        ACCOUNT.format(home): ("system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated")
        for home in (*HOMES, "")
    },
}
SUBJECTS: Sequence[Item] = (
    *({"kind": "User", "name": name} for name in USERS),
    *({"kind": "Group", "name": name} for name in ("equipe", "system:authenticated", "oidc-bob")),
    {"kind": "Group", "name": "system:serviceaccounts:user-bob"},
    {"kind": "User", "name": "equipe"},
    {"kind": "ServiceAccount", "name": "default"},
    {"kind": "ServiceAccount", "name": "default", "namespace": "user-bob"},
    {"kind": "ServiceAccount", "name": "oidc-bob", "namespace": None},
    {"kind": "Robot", "name": "oidc-bob"},
)
GROUPS = ("", "apps")
RESOURCES = ("pods", "secrets")
SUBRESOURCES = ("log", "portforward")
VERBS = ("get", "list", "create")
NAMES = ("base-1", "base-2")
PATHS = ("/metrics", "/healthz/etcd", "/apis/apps/v1")
LABELS: Sequence[Mapping[str, str]] = ({"a": "oui"}, {"a": "non"}, {"b": "oui"}, {})
SELECTORS: Sequence[Item] = (
    {},
    {"matchLabels": {"a": "oui"}},
    {"matchLabels": {"a": "oui", "b": "oui"}},
    {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["oui"]}]},
    {"matchExpressions": [{"key": "b", "operator": "Exists"}], "matchLabels": None},
)


class Draw:
    """Random roles, bindings and requests: few words, so that they meet."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def some(self, choices: Sequence[Any], most: int = 2) -> Any:
        """A few of them; now and then none, in each way to write it."""
        if self.random.random() < 0.06:
            return self.random.choice([None, []])
        return self.random.sample(choices, self.random.randint(1, min(most, len(choices))))

    def rule(self) -> Item:
        pick, chance = self.random.choice, self.random.random
        resources = [
            *RESOURCES,
            *(f"{pick(RESOURCES)}/{sub}" for sub in SUBRESOURCES),
            *(f"*/{sub}" for sub in SUBRESOURCES),
            *("*", "pods/*", "*/*", "pods/", "/log"),
        ]
        rule: Item = {
            "apiGroups": self.some([*GROUPS, "", "*"]),
            "resources": self.some(resources, 3),
            "verbs": self.some([*VERBS, "*"], 3),
        }
        if chance() < 0.3:
            rule["resourceNames"] = self.some([*NAMES, "*", ""])
        if chance() < 0.7:
            rule["nonResourceURLs"] = self.some([*PATHS, "*", "/healthz/*", "/api*", "/apis/**", "/metrics/"])
        if chance() < 0.05:
            rule.pop(pick(sorted(rule)))
        return rule

    def roles(self, kind: str) -> Iterator[Item]:
        for index in range(self.random.randint(1, 3)):
            about: Item = {"name": f"role-{index}"}
            if self.random.random() < 0.8:
                about["labels"] = self.random.choice(LABELS)
            item = {"kind": kind, "metadata": about, "rules": self.some([self.rule() for _ in range(5)], 5)}
            if kind == "ClusterRole" and self.random.random() < 0.3:
                aggregation: Item = {"clusterRoleSelectors": self.some(SELECTORS)}
                item["aggregationRule"] = self.random.choice([aggregation] * 8 + [{}, None])
            yield item

    def bindings(self, kind: str) -> Iterator[Item]:
        for index in range(self.random.randint(1, 5)):
            role = {
                "kind": self.random.choice(["ClusterRole", "ClusterRole", "Role"]),
                "name": f"role-{self.random.randint(0, 3)}",
            }
            about = {"name": f"binding-{index}"}
            yield {"kind": kind, "metadata": about, "roleRef": role, "subjects": self.some(SUBJECTS, 6)}

    def request(self) -> Request:
        pick = self.random.choice
        verb = pick(VERBS)
        if self.random.random() < 0.2:
            return Request(verb, path=pick([*PATHS, "/"]))
        subresource = pick(["", "", "", *SUBRESOURCES])
        return Request(verb, pick(["", *GROUPS]), pick(RESOURCES), subresource, pick(["", *NAMES]))


@dataclass(frozen=True)
class World:
    """Objects as the API gives them, and who asks for what, where."""

    roles: Mapping[str, Sequence[Item]]
    """Of each namespace."""
    bindings: Mapping[str, Sequence[Item]]
    cluster_roles: Sequence[Item]
    cluster_bindings: Sequence[Item]
    requests: Sequence[tuple[str, str, Request]]
    """User, namespace ("" for none), what is asked."""

    def question(self) -> Item:
        """For the program."""

        def there(items: Mapping[str, Sequence[Item]]) -> list[Item]:
            return [
                {**item, "metadata": {**item["metadata"], "namespace": home}}
                for home, some in items.items()
                for item in some
            ]

        return {
            "Roles": there(self.roles),
            "RoleBindings": there(self.bindings),
            "ClusterRoles": self.cluster_roles,
            "ClusterRoleBindings": self.cluster_bindings,
            "Requests": [
                {"User": user, "Groups": USERS[user], "Namespace": namespace, **asdict(asked)}
                for user, namespace, asked in self.requests
            ],
        }

    def answers(self) -> Sequence[Sequence[Binding]]:
        """The bindings that allow each request."""
        cluster_roles = {one["metadata"]["name"]: aggregated(one, self.cluster_roles) for one in self.cluster_roles}
        found = []
        for user, namespace, asked in self.requests:
            home = namespace or HOMES[0]  # whose roles and bindings then say nothing
            roles = {one["metadata"]["name"]: rules(one) for one in self.roles[home]}
            bindings = [binding(one) for one in (*self.cluster_bindings, *self.bindings[home])]
            held = granted(user, USERS[user], bindings, roles, cluster_roles, namespace)
            found.append([one.binding for one in held if covers(one.rule, asked)])
        return found


def drawn(seed: int) -> World:
    draw = Draw(seed)
    return World(
        {home: list(draw.roles("Role")) for home in HOMES},
        {home: list(draw.bindings("RoleBinding")) for home in HOMES},
        list(draw.roles("ClusterRole")),
        list(draw.bindings("ClusterRoleBinding")),
        [(draw.random.choice([*USERS]), draw.random.choice([*HOMES, ""]), draw.request()) for _ in range(REQUESTS)],
    )


def contradictions(worlds: Iterable[World], verdicts: Sequence[Sequence[Item]]) -> Iterator[str]:
    """Each request of which we say otherwise than the authorizer, or see another binding behind its answer."""
    for world, said in zip(worlds, verdicts, strict=True):
        for request, ours, theirs in zip(world.requests, world.answers(), said, strict=True):
            if bool(ours) != theirs["allowed"] or (ours and not is_named(ours[0], theirs["reason"])):
                yield f"{request} of {world}: {ours}, {theirs}"


def is_named(by: Binding, reason: str) -> bool:
    return bool(re.search(rf'{by.kind} "{by.name}["/].* of {by.role_kind} "{by.role}"', reason))


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
        (("path" if asked.path else "resource", bool(namespace)), theirs["allowed"])
        for world, said in zip(worlds, verdicts, strict=True)
        for (_, namespace, asked), theirs in zip(world.requests, said, strict=True)
    )
    print(f"{len(worlds)} worlds, {sorts.total()} requests: {dict(sorts)}")
    for sort in {sort for sort, _ in sorts}:
        allowed, refused = sorts[sort, True], sorts[sort, False]
        assert 0.05 < allowed / (allowed + refused) < 0.95, f"one answer would do: {sort}"


@pytest.mark.parametrize(
    "word",
    [
        *("apiGroups", "resources", "resourceNames", "nonResourceURLs", "namespace", "subjects", "rules"),
        *("aggregationRule", "labels", "matchLabels", "matchExpressions"),
        *("*", "*/log", "get", "/api*", "/apis/**", "/healthz/*"),
    ],
)
def test_a_reading_that_overlooks_a_word_is_caught(
    word: str, worlds: Sequence[World], verdicts: Sequence[Sequence[Item]]
) -> None:
    parts = ("roles", "bindings", "cluster_roles", "cluster_bindings")
    read = (replace(one, **{part: oracles.without(getattr(one, part), word) for part in parts}) for one in worlds)
    assert next(contradictions(read, verdicts), None)


def test_kubernetes_own_code_is_of_the_local_cluster_s_version() -> None:
    """A `replace` of a module holds for that module only: this one repeats the cluster's."""
    ours, engine = (Path(folder, "go.mod").read_text() for folder in (oracles.SOURCES, build.MODULE))
    replaced = re.findall(r"^\tk8s.io/\S+ => .*$", engine, re.MULTILINE)
    assert replaced
    assert re.findall(r"^\tk8s.io/\S+ => .*$", ours, re.MULTILINE) == replaced
