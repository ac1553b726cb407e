"""Several threads decode what the API server answers: the interpreter must outlive it. And a null
is as good as absent, whatever has it."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import msgspec
import pytest

from checks import objects
from checks.decoding import without_nulls
from checks.objects.parts import Part, read
from checks.objects.pods import PodObject

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


@pytest.mark.slow
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


def parts() -> list[type[Part]]:
    """Every type of the API's objects."""
    for module in pkgutil.iter_modules(objects.__path__):
        importlib.import_module(f"{objects.__name__}.{module.name}")
    found, left = [], [Part]
    while left:
        kind = left.pop()
        found.append(kind)
        left += kind.__subclasses__()
    return found


def test_a_null_that_a_type_takes_is_its_default() -> None:
    taking = {
        (kind.__name__, field.name): field.default
        for kind in parts()
        for field in msgspec.structs.fields(kind)
        if "None" in str(field.type)
    }
    assert len(taking) > 10
    assert set(taking.values()) == {None}


def test_no_type_keeps_an_object_as_it_came() -> None:
    kept = [
        f"{kind.__name__}.{field.name}"
        for kind in parts()
        for field in msgspec.structs.fields(kind)
        if "Any" in str(field.type)
    ]
    assert not kept


def test_nulls_are_as_good_as_absent() -> None:
    box = {"name": "a", "image": "i", "args": None, "readinessProbe": None, "ports": None}
    pod = {
        "metadata": {"name": "a", "labels": {"app": "a", "b": None}, "annotations": None},
        "spec": {"containers": [box], "volumes": None},
        "status": None,
    }
    assert read(pod, PodObject) == msgspec.convert(without_nulls(pod), PodObject)
    assert read(pod, PodObject).metadata.labels == {"app": "a"}
