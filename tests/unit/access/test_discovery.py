"""What a server serves is known, whatever its age: told group by group, or all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import pytest

from checks.access import answers
from checks.access.discovery import served
from checks.access.kubernetes_api import Api

_T = TypeVar("_T")


class Server:
    """Answers to what is asked of its root, as a server of one age or another."""

    server = "https://127.0.0.1"

    def __init__(self, said: Mapping[str, Mapping[str, Any]]) -> None:
        self.said = said

    def request(self, method: str, path: str, accept: str = "") -> Mapping[str, Any]:
        return self.said[path]

    def ask(self, path: str, shape: type[_T]) -> _T:
        return answers.shaped(self.said[path], shape, self.server)


def resource(name: str, scope: str, *verbs: str, below: Sequence[str] = ()) -> dict[str, Any]:
    subresources = [{"subresource": one, "verbs": ["get"]} for one in below]
    return {
        "resource": name,
        "scope": scope,
        "verbs": verbs,
        "responseKind": {"kind": name.title()},
        "subresources": subresources,
    }


def group(name: str, **versions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    of = [{"version": version, "resources": resources} for version, resources in versions.items()]
    return {"metadata": {"name": name}, "versions": of}


def plain(name: str, *verbs: str, namespaced: bool = True) -> dict[str, Any]:
    return {"name": name, "kind": name.title(), "namespaced": namespaced, "verbs": verbs}


PODS, NODES = (
    resource("pods", "Namespaced", "list", below=["log"]),
    resource("nodes", "Cluster", "list"),
)
ALL_AT_ONCE = {"kind": "APIGroupDiscoveryList"}
NEW = {
    "/api": {**ALL_AT_ONCE, "items": [group("", v1=[PODS, NODES])]},
    "/apis": {
        **ALL_AT_ONCE,
        "items": [
            group(
                "a.fr",
                v2=[resource("pods", "Namespaced")],
                v1=[PODS, resource("old", "Namespaced")],
            )
        ],
    },
}
OLD = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"groups": [{"versions": [{"groupVersion": "a.fr/v2"}, {"groupVersion": "a.fr/v1"}]}]},
    "/api/v1": {
        "resources": [
            plain("pods", "list"),
            plain("pods/log", "get"),
            plain("nodes", "list", namespaced=False),
        ]
    },
    "/apis/a.fr/v2": {"resources": [plain("pods")]},
    "/apis/a.fr/v1": {"resources": [plain("pods", "list"), plain("old")]},
}


@pytest.mark.parametrize("said", [NEW, OLD], ids=["at-once", "one-by-one"])
def test_every_resource_is_known_once_in_the_version_that_is_preferred(
    said: Mapping[str, Mapping[str, Any]],
) -> None:
    found = served(cast(Api, Server(said)))
    assert [one.path("n") for one in found] == [
        "/api/v1/namespaces/n/pods",
        "/api/v1/nodes",
        "/apis/a.fr/v2/namespaces/n/pods",
        "/apis/a.fr/v1/namespaces/n/old",
    ]
    assert [one.kind for one in found] == ["Pods", "Nodes", "Pods", "Old"]
    assert [one.dotted for one in found] == ["pods", "nodes", "pods.a.fr", "old.a.fr"]
    assert [(one.name, one.verbs) for one in found[0].subresources] == [("log", ("get",))]
    assert found[0].verbs == ("list",)
