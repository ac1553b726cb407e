"""Why a pod is not ready, without a cluster: what waiting may still mend, and what it will not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.diagnosis.workloads.readiness import not_ready
from checks.sources.snapshot import Snapshot, SnapshotCluster

REFUSED = (
    'Readiness probe failed: Get "http://10.1.2.3:8000/": '
    "dial tcp 10.1.2.3:8000: connect: connection refused"
)
NOT_FOUND = "Readiness probe failed: HTTP probe failed with statuscode: 404"
UNAVAILABLE = "Readiness probe failed: HTTP probe failed with statuscode: 503"
# Lines of /proc/net/tcp: 0.0.0.0:8000, 127.0.0.1:8000 and 0.0.0.0:8080, all of them listening.
EVERYWHERE, LOOPBACK, ELSEWHERE = (
    f"   0: {address} 00000000:0000 0A 00000000:00000000"
    for address in ("00000000:1F40", "0100007F:1F40", "00000000:1F90")
)


class Namespace(SnapshotCluster):
    """A snapshot in which commands run in the pod print `table`."""

    table = ""

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        return self.table


def namespace(seconds: float, said: str) -> Namespace:
    """A pod that has run for so long, whose readiness probe has failed."""
    started = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    running = {
        "name": "api",
        "ready": False,
        "restartCount": 0,
        "state": {"running": {"startedAt": started}},
    }
    metadata = {
        "name": "mon-api",
        "namespace": "user-bob",
        "uid": "1",
        "creationTimestamp": started,
    }
    pod: dict[str, Any] = {
        "metadata": metadata,
        "spec": {"containers": [{"name": "api", "image": "python:3.11"}]},
        "status": {"phase": "Running", "containerStatuses": [running]},
    }
    event = {
        "metadata": {"name": "e", "creationTimestamp": started},
        "involvedObject": {"kind": "Pod", "name": "mon-api"},
        "reason": "Unhealthy",
        "message": said,
    }
    objects = {"Pod": [pod], "Event": [event]}
    return Namespace(
        Snapshot(taken=datetime.now(UTC), namespace="user-bob", colleague=None, objects=objects)
    )


@pytest.mark.parametrize(
    ("said", "seconds", "table", "waits"),
    [
        (REFUSED, 2, "", True),
        (REFUSED, 12, "", True),
        (REFUSED, 25, "", False),
        (REFUSED, 12, EVERYWHERE, True),
        (REFUSED, 2, ELSEWHERE, True),
        (REFUSED, 12, ELSEWHERE, False),
        (REFUSED, 12, LOOPBACK, False),
        (REFUSED, 12, f"{ELSEWHERE}\n{EVERYWHERE}", True),
        (NOT_FOUND, 2, "", True),
        (NOT_FOUND, 12, "", False),
        (UNAVAILABLE, 12, "", True),
        (UNAVAILABLE, 25, "", False),
    ],
)
def test_only_a_program_that_may_still_be_starting_is_waited_for(
    said: str, seconds: float, table: str, waits: bool
) -> None:
    cluster = namespace(seconds, said)
    cluster.table = table
    found = not_ready(cluster, cluster.pods()[0], "Corrigez.")
    assert found is not None
    assert said in found.finding
    assert found.transient is waits
