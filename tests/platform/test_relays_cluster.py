"""Relays that a person alone cannot make, or whose server nothing shows: the exchange decides, on a
real cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from checks.lab import find_lab
from checks.stage import Person, Stage
from tests.support.verdicts import shown, verify

pytestmark = pytest.mark.cluster

LAB = find_lab("tp5")
SHORT_NAME = """
apiVersion: v1
kind: Service
metadata: {name: la-base}
spec: {ports: [{name: pg, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: la-base-1, labels: {kubernetes.io/service-name: la-base}}
addressType: IPv4
ports: [{name: pg, port: 5432}]
endpoints: [{addresses: [ADDRESS]}]
"""


def statuses(verdict: Mapping[str, Any]) -> dict[str, str]:
    return {check["id"]: check["status"] for check in verdict["checks"]}


def test_what_is_reached_decides_whatever_is_written(
    cast: Mapping[str, Person], admin_kubeconfig: Path, free_port: int
) -> None:
    alice, bob = cast["alice"], cast["bob"]
    stage = Stage(LAB, bob, alice)
    stage.run(LAB.about.setup.colleague_commands, alice)
    options = ("--collegue", alice.namespace, "--port", str(free_port))
    command = [
        "kubectl",
        "get",
        "pod",
        "postgresql-cnpg-951239-1",
        "-o",
        "jsonpath={.status.podIP}",
    ]
    address = subprocess.run(
        command, env=dict(alice.environment), capture_output=True, text=True, check=True
    ).stdout
    written = SHORT_NAME.replace("ADDRESS", address).replace(
        "metadata: {", f"metadata: {{namespace: {bob.namespace}, "
    )
    stage.apply({"service.yaml": written}, Person(bob.namespace, admin_kubeconfig))
    target = "postgresql-cnpg-951239-rw.user-alice.svc.cluster.local"
    stage.apply({"proxy.yaml": LAB.files("solution")["proxy.yaml"].replace(target, "la-base")})
    stage.run(["kubectl wait --for=condition=Ready pod/pg-proxy --timeout=60s"])
    verdict = verify(bob, "tp5", *options)
    assert statuses(verdict)["le_proxy_vise_la_base_du_collegue"] == "passed", shown(verdict)
    assert statuses(verdict)["la_base_repond_a_travers_le_proxy"] == "passed", shown(verdict)

    connection = 'base = socket.create_connection((os.environ["BASE"], 5432))'
    pooler = LAB.case_files("variantes", "pooler")["proxy.yaml"]
    assert connection in pooler
    stage.run(["kubectl delete pod pg-proxy --now"])
    stage.apply({"proxy.yaml": pooler.replace(connection, "")})
    stage.run(["kubectl wait --for=condition=Ready pod/pg-proxy --timeout=60s"])
    verdict = verify(bob, "tp5", *options)
    assert statuses(verdict)["la_base_repond_a_travers_le_proxy"] == "unverified", shown(verdict)
