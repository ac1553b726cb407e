"""`cahier chemin` by the thousand, on pods that were recorded on a real cluster: each connection
ends as the faults that were drawn have it end."""

from __future__ import annotations

import contextlib
import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from checks.diagnosis.workloads.program_logs import Trouble
from checks.errors import Unverifiable
from checks.facts import Access
from checks.path.ends import pair
from checks.path.ground import Ground, Origin
from checks.path.outcome import Kind
from checks.path.trials import Attempt, Attempts, Way
from checks.path.walk import walk
from checks.sources.snapshot import Snapshot, SnapshotCluster
from tests.support.broken_paths import RECORDED, UNDECIDED, Drawing, Scene, amiss, column

DRAWN = int(os.environ.get("CAHIER_CHEMINS", "2000"))
_VILLAGE: Mapping[str, Any] = msgspec.json.decode(RECORDED.read_bytes())
# a client of port 8000 that comes by ::1, as the kernel writes it
_LOOPBACK = "0" * 24 + "01000000"
_BY_IPV6 = f"\n   1: {_LOOPBACK}:1F40 {_LOOPBACK}:9C40 01 0:0 0:0 0 0 0 1\n"
_PROBE = "10.244.0.99"


class Village(SnapshotCluster):
    """The recorded pods, with the Services and policies of a scene."""

    def __init__(self, scene: Scene) -> None:
        self._entered = ""
        objects: dict[str, list[dict[str, Any]]] = {"Pod": [dict(one) for one in _VILLAGE["pods"]]}
        objects["Event"] = [dict(one) for one in _VILLAGE["events"]]
        for kind in ("Service", "NetworkPolicy", "Deployment", "EndpointSlice"):
            of_kind = [dict(one) for one in scene.objects if one["kind"] == kind]
            objects[kind] = of_kind
        super().__init__(
            Snapshot(
                taken=datetime.now(UTC),
                namespace=_VILLAGE["namespace"],
                user="oidc-village",
                objects=objects,
            )
        )

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """What the pod showed of its sockets."""
        if pod not in _VILLAGE["tables"]:
            raise Unverifiable("rien ne tourne")
        table = str(_VILLAGE["tables"][pod])
        return table + _BY_IPV6 if pod == self._entered else table

    @contextlib.contextmanager
    def forward(self, pod: str, port: int) -> Iterator[socket.socket]:
        """A tunnel to a program that takes no IPv4: a node then enters by ::1."""
        if pod != "sans-ipv4":
            raise Unverifiable("no other is looked into")
        near, far = socket.socketpair()
        with near, far:
            self._entered = pod
            yield near

    def may(self, *_: str, **__: str) -> Access:
        """Nobody else's namespace is looked at."""
        return Access(allowed=False)


def ended(scene: Scene, origin: Origin, ways: Sequence[Way]) -> Attempts:
    """How each connection ends, by the faults of the scene alone."""
    return {way.target: _ended(scene, origin, way) for way in ways}


def _ended(scene: Scene, origin: Origin, way: Way) -> Attempt:
    faults = {one.kind: one.name for one in scene.faults}
    by_address = way.host.replace(".", "").isdigit()
    closed = Kind.EGRESS in faults or Kind.INGRESS in faults
    headless = any(
        one["kind"] == "Service" and one["spec"].get("clusterIP") == "None" for one in scene.objects
    )
    nobody = Kind.POD in faults or faults.get(Kind.SERVICE) == "Service selector"
    if not by_address and (Kind.NAME in faults or (headless and nobody)):
        trouble: Trouble | None = Trouble.UNKNOWN_HOST
    elif not by_address and nobody:
        trouble = Trouble.REFUSED  # kube-proxy refuses where a Service has no endpoint
    elif closed:
        trouble = Trouble.SILENT
    elif faults.get(Kind.SERVICE) == "Service port" and not headless:
        trouble = None if by_address else Trouble.SILENT  # no other port of its address leads
    else:
        astray = Kind.PROGRAM in faults or Kind.SERVICE in faults
        trouble = Trouble.REFUSED if astray else None
    return Attempt(trouble is None, trouble, trouble.value if trouble else "", _PROBE)


@pytest.mark.parametrize("drawn", [200, pytest.param(DRAWN, marks=pytest.mark.slow)])
def test_the_first_broken_hop_is_named_and_no_other(
    drawn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix: Counter[tuple[str, str]] = Counter()
    wrong = []
    for number in range(drawn):
        scene = Drawing(f"dessin {number}", _VILLAGE["namespace"]).scene()
        monkeypatch.setattr(
            "checks.path.inside.attempts", lambda origin, ways, it=scene: ended(it, origin, ways)
        )
        cluster = Village(scene)
        found = walk(Ground(cluster), *pair(cluster, scene.words))
        matrix[str(scene.expected.kind if scene.expected else "passe"), column(found)] += 1
        why = amiss(scene, found)
        if why or column(found) == UNDECIDED:
            told = " | ".join(f"{hop.id} {hop.finding}" for hop in found.hops if hop.finding)
            wrong.append(f"n° {number} {why or scene} : {told}")
    for (fault, said), count in sorted(matrix.items()):
        print(f"{fault:>10} → {said:<12} {count}")
    assert not wrong, "\n".join(wrong[:20])
