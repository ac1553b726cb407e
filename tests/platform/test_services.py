"""What keeps the local cluster's Services alive."""

from __future__ import annotations

import json

import pytest

from checks.access.kubernetes_api import Api
from checks.errors import Unverifiable

pytestmark = pytest.mark.cluster


def test_kube_proxy_recognises_its_own_rules(admin: Api) -> None:
    """It reads its table again once an hour, and deletes what it does not recognise (protocols by
    number)."""
    pods = admin.request(
        "GET", "/api/v1/namespaces/kube-system/pods", query={"labelSelector": "k8s-app=kube-proxy"}
    )
    name = pods["items"][0]["metadata"]["name"]
    command = ["nft", "--json", "list", "map", "ip", "kube-proxy", "service-ips"]
    try:
        listed = json.loads(admin.execute("kube-system", name, command))
    except Unverifiable:
        pytest.skip("THIS CLUSTER'S KUBE-PROXY DOES NOT USE NFTABLES: nothing to recognise")
    elements = [
        element for item in listed["nftables"] for element in item.get("map", {}).get("elem", ())
    ]
    assert elements, "kube-dns and kubernetes at least"
    assert {key["concat"][1] for key, _ in elements} <= {"tcp", "udp"}
