"""Several threads decode what the API server answers: the interpreter must outlive it."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRIES = 12  # a type that was not prepared ends two interpreters of five
TOGETHER = """
import sys, threading
from {module} import {kind} as kind
import msgspec
sys.setswitchinterval(1e-6)
ready = threading.Barrier(8)

def decode():
    ready.wait()
    msgspec.convert({value}, kind)

threads = [threading.Thread(target=decode) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
NAMED = {"name": "a"}
WHOLE = {**NAMED, "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("module", "kind", "value"),
    [
        (
            "checks.objects.services",
            "Service",
            {"metadata": NAMED, "spec": {"ports": [{"port": 1}]}},
        ),
        ("checks.objects.policies", "NetworkPolicy", {"metadata": NAMED, "spec": {}}),
        ("checks.objects.pods", "PodObject", {"metadata": NAMED, "spec": {"containers": []}}),
        (
            "checks.access.answers",
            "_Pod",
            {"metadata": WHOLE, "spec": {"containers": []}, "status": {}},
        ),
        ("checks.access.answers", "AccessReview", {"status": {"allowed": True}}),
        ("checks.access.kubeconfig_file", "_Content", {"clusters": [{"name": "a", "cluster": {}}]}),
    ],
)
def test_threads_may_decode_a_type_together_for_the_first_time(
    module: str, kind: str, value: object
) -> None:
    code = TOGETHER.format(module=module, kind=kind, value=value)
    runs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(TRIES)]
    assert {run.wait(60) for run in runs} == {0}
