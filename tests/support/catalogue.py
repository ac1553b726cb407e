"""What a release of the catalogue may be made of."""

from __future__ import annotations

from checks.access.kubernetes_api import Api, collection


def everything(api: Api, namespace: str) -> set[str]:
    """The paths of all the objects of a namespace that a release may consist of."""
    paths = [
        *(
            collection(kind, namespace)
            for kind in ("Pod", "Service", "Secret", "ConfigMap", "NetworkPolicy")
        ),
        f"/apis/apps/v1/namespaces/{namespace}/statefulsets",
    ]
    return {
        f"{path}/{item['metadata']['name']}"
        for path in paths
        for item in api.request("GET", path)["items"]
    }
