"""The labs' images answer as the real ones do, or as their known differences say."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from checks.stage import Person
from tests.support import image_facts
from tests.support.image_facts import Container, Image
from tests.support.waiting import until

pytestmark = pytest.mark.cluster

_ASKED = "asked"
_DEAF = "deaf"
_LIST = "find /bin /sbin /usr/bin /usr/sbin ! -type d"

_WAIT = "for attempt in $(seq 400); do {} && break; sleep 0.2; done"


def _ours() -> bool:
    """Whether the cluster's images are those of `engine/`, and not Docker Hub's."""
    from engine import private_engine

    return private_engine.running() is not None


def _kubectl(person: Person, *words: str, given: str = "", check: bool = True) -> str:
    done = subprocess.run(
        ["kubectl", *words],
        env=dict(person.environment),
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def _pod(name: str, image: str, containers: Sequence[Container]) -> Mapping[str, Any]:
    asked = Container(
        name=_ASKED, ends="runs", says="", source="", notice="", command=["sleep", "600"]
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "volumes": [{"name": "files", "configMap": {"name": name, "optional": True}}],
            "containers": [_container(image, one) for one in (asked, *containers)],
        },
    }


def _container(image: str, one: Container) -> Mapping[str, Any]:
    described: dict[str, Any] = {
        "name": one.name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "2", "memory": "256Mi"},
        },
        "env": [{"name": name, "value": value} for name, value in one.environment.items()],
    }
    if one.command:
        described["command"] = list(one.command)
    if one.args:
        described["args"] = list(one.args)
    if one.user is not None:
        described["securityContext"] = {"runAsUser": one.user, "runAsGroup": one.user}
    if one.files:
        described["volumeMounts"] = [{"name": "files", "mountPath": "/docker-entrypoint-initdb.d"}]
    return described


def _files(name: str, containers: Sequence[Container]) -> Mapping[str, Any]:
    data = {file: text for one in containers for file, text in one.files.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


_POLICY: Mapping[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": _DEAF},
    "spec": {"podSelector": {"matchLabels": {"app": _DEAF}}, "policyTypes": ["Ingress"]},
}


def _states(person: Person) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """By pod and container."""
    pods = json.loads(_kubectl(person, "get", "pods", "-o", "json"))["items"]
    return {
        (pod["metadata"]["name"], one["name"]): one["state"]
        for pod in pods
        for one in pod["status"].get("containerStatuses", ())
    }


def _name(image: str) -> str:
    return image.partition(":")[0].replace("/", "-")


@pytest.fixture(scope="module")
def asked(new_resident: Callable[..., Person]) -> tuple[Person, str]:
    """Every image in a pod of its own, whose containers have all begun, and the address of a pod
    that no connection enters."""
    person = new_resident("f")
    images = image_facts.read().images
    items = [_POLICY, _pod(_DEAF, "busybox:1.36", ())]
    for image, known in images.items():
        items += [_files(_name(image), known.containers)]
        items += [_pod(_name(image), image, known.containers)]
    made = {"apiVersion": "v1", "kind": "List", "items": items}
    _kubectl(person, "apply", "-f", "-", given=json.dumps(made))
    expected = len(images) + 1 + sum(len(known.containers) for known in images.values())

    def begun() -> bool:
        states = _states(person)
        return len(states) == expected and not any("waiting" in one for one in states.values())

    until(begun, 120)
    address = _kubectl(person, "get", "pod", _DEAF, "-o", "jsonpath={.status.podIP}")
    return person, address


def _answers(person: Person, image: str, known: Image, deaf: str) -> Sequence[tuple[str, int]]:
    """Of every fact's command, all at once in one exec."""
    asked = [f"export DEAF={deaf}", _WAIT.format(known.ready), "cd /; mkdir -p /tmp/facts"]
    for number, fact in enumerate(known.facts):
        run = f"sh -c {shlex.quote(fact.run)} </dev/null >/tmp/facts/{number} 2>&1"
        asked.append(f"{{ {run}; printf '\\n\\1%s\\n\\2' $? >>/tmp/facts/{number}; }} &")
    asked += ["wait", f"for one in $(seq 0 {len(known.facts) - 1}); do cat /tmp/facts/$one; done"]
    said = _kubectl(person, "exec", _name(image), "-c", _ASKED, "--", "sh", "-c", "\n".join(asked))
    parts = [one.rpartition("\n\1") for one in said.split("\n\2")[:-1]]
    return [(answer.strip("\n"), int(status)) for answer, _, status in parts]


def _told(image: str, found: str, source: str, notice: str) -> str:
    return f"\n{image}: {found}\n  source: {image_facts.read().sources[source]}\n  a lab: {notice}"


def test_commands_answer_as_in_the_real_images(asked: tuple[Person, str]) -> None:
    person, deaf = asked
    images, ours, wrong = image_facts.read().images, _ours(), []
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda name: _answers(person, name, images[name], deaf), images)
    for (image, known), given in zip(images.items(), answers, strict=True):
        for fact, (answer, status) in zip(known.facts, given, strict=True):
            if found := fact.wrong(answer, status, ours):
                wrong.append(_told(image, found, fact.source, fact.notice))
    assert not wrong, "".join(wrong)


def test_no_command_is_there_that_the_real_images_lack(asked: tuple[Person, str]) -> None:
    if not _ours():
        pytest.skip("THE REAL IMAGES: the lists are of one of their versions")
    for image, known in image_facts.read().images.items():
        if known.commands:
            pod = ("exec", _name(image), "-c", _ASKED, "--")
            there = {*_kubectl(asked[0], *pod, "sh", "-c", _LIST).split()}
            listed = known.paths(ours=True)
            assert there == listed, (image, there - listed, listed - there)


def test_containers_end_and_speak_as_the_real_ones(asked: tuple[Person, str]) -> None:
    person, _ = asked
    images, wrong = image_facts.read().images, []
    containers = [(image, one) for image, known in images.items() for one in known.containers]

    def signalled(image: str, one: Container) -> None:
        if one.signal:
            command = f"{_WAIT.format(images[image].ready)}; kill -{one.signal} 1"
            place = ("exec", _name(image), "-c", one.name, "--")
            _kubectl(person, *place, "sh", "-c", command, check=False)

    lasting = len(images) + 1 + sum(one.ends == "runs" for _, one in containers)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda pair: signalled(*pair), containers))
        until(lambda: sum("running" in one for one in _states(person).values()) <= lasting, 60)
        states = _states(person)
        logs = pool.map(
            lambda pair: _kubectl(person, "logs", _name(pair[0]), "-c", pair[1].name), containers
        )
    for (image, one), log in zip(containers, logs, strict=True):
        ended = states[_name(image), one.name].get("terminated")
        if found := one.wrong(ended and ended["exitCode"], log):
            wrong.append(_told(image, found, one.source, one.notice))
    assert not wrong, "".join(wrong)
