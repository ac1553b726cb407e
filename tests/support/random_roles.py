"""Random roles, bindings and requests, and what the checks deduce from them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from checks.diagnosis.rights.rbac import Request, aggregated, covers, granted
from checks.objects.labels import LabelSelector
from checks.objects.parts import read
from checks.objects.rights import Binding, BindingObject, Role, binding_of

REQUESTS = 10  # in each world
Item = dict[str, Any]

HOMES = ("user-alice", "user-bob")
ACCOUNT = "system:serviceaccount:{}:default"
USERS: Mapping[str, Sequence[str]] = {
    "oidc-bob": ("equipe", "system:authenticated"),
    "oidc-zoe": ("system:authenticated",),
    "cahier-inconnu": (),
    **{
        ACCOUNT.format(home): (
            "system:serviceaccounts",
            f"system:serviceaccounts:{home}",
            "system:authenticated",
        )
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
            rule["nonResourceURLs"] = self.some(
                [*PATHS, "*", "/healthz/*", "/api*", "/apis/**", "/metrics/"]
            )
        if chance() < 0.05:
            rule.pop(pick(sorted(rule)))
        return rule

    def roles(self, kind: str) -> Iterator[Item]:
        for index in range(self.random.randint(1, 3)):
            about: Item = {"name": f"role-{index}"}
            if self.random.random() < 0.8:
                about["labels"] = self.random.choice(LABELS)
            item = {
                "kind": kind,
                "metadata": about,
                "rules": self.some([self.rule() for _ in range(5)], 5),
            }
            if kind == "ClusterRole" and self.random.random() < 0.3:
                aggregation: Item = {"clusterRoleSelectors": self.some(SELECTORS)}
                item["aggregationRule"] = self.random.choice([aggregation] * 8 + [{}, None])
            yield item

    def bindings(self, kind: str) -> Iterator[Item]:
        for index in range(self.random.randint(1, 5)):
            role = {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": self.random.choice(["ClusterRole", "ClusterRole", "Role"]),
                "name": f"role-{self.random.randint(0, 3)}",
            }
            about = {"name": f"binding-{index}"}
            yield {
                "kind": kind,
                "metadata": about,
                "roleRef": role,
                "subjects": self.some(SUBJECTS, 6),
            }

    def asked(self) -> Asked:
        user = self.random.choice([*USERS])
        return Asked(user, USERS[user], self.random.choice([*HOMES, ""]), self.request())

    def request(self) -> Request:
        pick = self.random.choice
        verb = pick(VERBS)
        if self.random.random() < 0.2:
            return Request(verb, path=pick([*PATHS, "/"]))
        subresource = pick(["", "", "", *SUBRESOURCES])
        return Request(verb, pick(["", *GROUPS]), pick(RESOURCES), subresource, pick(["", *NAMES]))


@dataclass(frozen=True)
class Asked:
    """Who asks for what, in a namespace or ("") in none."""

    user: str
    groups: Sequence[str]
    namespace: str
    request: Request


@dataclass(frozen=True)
class World:
    """Objects as the API gives them, and who asks for what, where."""

    roles: Mapping[str, Sequence[Item]]
    """Of each namespace."""
    bindings: Mapping[str, Sequence[Item]]
    cluster_roles: Sequence[Item]
    cluster_bindings: Sequence[Item]
    requests: Sequence[Asked]

    def items(self) -> Iterator[Item]:
        """All objects, as they are given to the API server."""
        for item in (
            *self.cluster_roles,
            *(role for some in self.roles.values() for role in some),
            *(given for some in self.bindings.values() for given in some),
            *self.cluster_bindings,
        ):
            yield {"apiVersion": "rbac.authorization.k8s.io/v1", **item}

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
                {
                    "User": one.user,
                    "Groups": one.groups,
                    "Namespace": one.namespace,
                    **asdict(one.request),
                }
                for one in self.requests
            ],
        }

    def answers(self) -> Sequence[Sequence[Binding]]:
        """The bindings that allow each request."""
        every_one = [read(one, Role) for one in self.cluster_roles]
        cluster_roles = {one.name: aggregated(one, every_one) for one in every_one}
        found = []
        for asked in self.requests:
            # whose roles and bindings then say nothing
            home = asked.namespace or next(iter(self.roles))
            roles = {one.name: one.rules for one in (read(x, Role) for x in self.roles[home])}
            given = (*self.cluster_bindings, *self.bindings[home])
            bindings = [binding_of(read(one, BindingObject)) for one in given]
            held = granted(
                asked.user, asked.groups, bindings, roles, cluster_roles, asked.namespace
            )
            found.append([one.binding for one in held if covers(one.rule, asked.request)])
        return found


def drawn(seed: int) -> World:
    draw = Draw(seed)
    return World(
        {home: list(draw.roles("Role")) for home in HOMES},
        {home: list(draw.bindings("RoleBinding")) for home in HOMES},
        list(draw.roles("ClusterRole")),
        list(draw.bindings("ClusterRoleBinding")),
        [draw.asked() for _ in range(REQUESTS)],
    )


def real(world: World, mark: str, namespace: str) -> World:
    """The same for a real API server: what is in one namespace, and valid, with nobody else's
    names."""
    text = json.dumps(asdict(world))
    for word in (
        "oidc-",
        "cahier-inconnu",
        "equipe",
        "system:authenticated",
        "role-",
        "binding-",
        "a",
        "b",
    ):
        ends = "" if word.endswith("-") else '"'
        text = text.replace(f'"{word}{ends}', f'"{mark}-{word}{ends}')
    found = json.loads(text.replace(HOMES[0], namespace).replace(HOMES[1], f"{mark}-ailleurs"))
    for role in (*found["roles"][namespace], *found["cluster_roles"]):
        role["rules"] = list(_valid(role))
        if any(
            read(one, LabelSelector).selects({})
            for one in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
        ):
            del role["aggregationRule"]  # it would take roles of others
    for one in (*found["bindings"][namespace], *found["cluster_bindings"]):
        one["subjects"] = [
            subject for subject in one["subjects"] or () if subject["kind"] != "Robot"
        ]
    for one in found["requests"]:
        one["request"] = Request(**one["request"])
        if one["request"].path or one["namespace"] != namespace:
            one["namespace"] = ""
    return World(
        {namespace: found["roles"][namespace]},
        {namespace: found["bindings"][namespace]},
        found["cluster_roles"],
        found["cluster_bindings"],
        [Asked(**one) for one in found["requests"]],
    )


def _valid(role: Item) -> Iterator[Item]:
    """Its rules, each about resources or about other URLs, and complete."""
    for rule in role["rules"] or ():
        if all(rule.get(key) for key in ("apiGroups", "resources", "verbs")):
            yield {key: value for key, value in rule.items() if key != "nonResourceURLs"}
        if role["kind"] == "ClusterRole" and rule.get("nonResourceURLs") and rule.get("verbs"):
            yield {key: rule[key] for key in ("nonResourceURLs", "verbs")}


def contradictions(worlds: Iterable[World], verdicts: Sequence[Sequence[Item]]) -> Iterator[str]:
    """Each request of which we say otherwise than the authorizer, or see another binding behind its
    answer."""
    for world, said in zip(worlds, verdicts, strict=True):
        for request, ours, theirs in zip(world.requests, world.answers(), said, strict=True):
            if bool(ours) != theirs["allowed"] or (
                ours and not any(is_named(one, theirs["reason"]) for one in ours)
            ):
                yield f"{request}: {ours}, {theirs}, in {world}"


def is_named(by: Binding, reason: str) -> bool:
    return bool(re.search(rf'{by.kind} "{by.name}["/].* of {by.role_kind} "{by.role}"', reason))
