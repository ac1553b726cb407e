"""What the API server serves in a namespace: every resource and subresource, with its verbs."""

from __future__ import annotations

from collections.abc import Iterator

from checks.access.kubernetes_api import Api
from checks.errors import Unverifiable
from checks.facts import ApiResource

_LIST = "APIGroupDiscoveryList"
_ACCEPT = ",".join(f"application/json;g=apidiscovery.k8s.io;v={version};as={_LIST}" for version in ("v2", "v2beta1"))


def namespaced_resources(api: Api) -> Iterator[ApiResource]:
    """Resources of all groups, as their preferred version has them. Raises Unverifiable and as `Api.request`."""
    for path in ("/api", "/apis"):
        answer = api.request("GET", path, accept=f"{_ACCEPT},application/json")
        if answer.get("kind") != _LIST:  # a server older than 1.26
            raise Unverifiable("Ce serveur d’API ne donne pas d’un coup la liste de ses ressources.")
        for group in answer.get("items") or ():
            name = (group.get("metadata") or {}).get("name") or ""
            for version in (group.get("versions") or ())[:1]:
                for one in version.get("resources") or ():
                    if one.get("scope") == "Namespaced":
                        yield ApiResource(name, one["resource"], tuple(one.get("verbs") or ()))
                        for sub in one.get("subresources") or ():
                            served = f"{one['resource']}/{sub['subresource']}"
                            yield ApiResource(name, served, tuple(sub.get("verbs") or ()))
