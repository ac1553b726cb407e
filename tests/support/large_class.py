"""A class of any size that has handed in its work, on an API server in memory."""

from __future__ import annotations

from collections.abc import Sequence

from bench.classroom import Learner as Author
from bench.classroom import objects, unstarted
from checks.grading.roster import Learner
from tests.support.watched_api import WatchedApi
from tests.support.watched_class import learners

_RBAC = "rbac.authorization.k8s.io"
OWNER_RULES = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
]


def fill(api: WatchedApi, size: int) -> Sequence[Learner]:
    """Make a class: each is the colleague of the one before."""
    cluster_role(api, "admin", OWNER_RULES)
    names = [f"p{number:04}" for number in range(size)]
    for number, name in enumerate(names):
        namespace = api.person(name)
        others = (names[(number + 1) % size], names[(number + 2) % size])
        for item in unstarted(objects(Author(number, name, *others))):
            for end in item.get("endpoints", ()):
                pod = api.objects["pods"][namespace, end["targetRef"]["name"]]
                end["targetRef"]["uid"] = pod["metadata"]["uid"]
            api.put(_plural(item["kind"]), {"spec": {}, "status": {}, **item}, namespace)
    return learners(names)


def _plural(kind: str) -> str:
    return "networkpolicies" if kind == "NetworkPolicy" else f"{kind.lower()}s"


def cluster_role(api: WatchedApi, name: str, rules: Sequence[dict[str, list[str]]]) -> None:
    """Make a ClusterRole."""
    api.put("clusterroles", {"metadata": {"name": name}, "rules": [*rules]})


def cluster_binding(api: WatchedApi, name: str, role: str, kind: str, subject: str) -> None:
    """Make a ClusterRoleBinding of a user or a group."""
    api.put(
        "clusterrolebindings",
        {
            "metadata": {"name": name},
            "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": _RBAC, "kind": kind, "name": subject}],
        },
    )
