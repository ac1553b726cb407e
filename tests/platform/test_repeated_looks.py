"""Several looks into a pod through one shell: each of them anew, and nothing is left there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from checks.access.kubernetes_api import Api
from checks.errors import Unverifiable
from checks.stage import Person
from tests.support.waiting import until

pytestmark = pytest.mark.cluster

_SHELLS = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'while [r]ead'; true"
_KILLED = """
import os, sys
from checks.access.kubernetes_api import Api
looks = Api(sys.argv[1]).repeated(sys.argv[2], "dort", "echo vu")
looks.__enter__()()
os.kill(os.getpid(), 9)
"""


@dataclass(frozen=True)
class Asleep:
    """A pod that does nothing."""

    person: Person
    api: Api

    def looks(
        self, script: str, seconds: float = 10, pod: str = "dort"
    ) -> AbstractContextManager[Callable[[], str]]:
        return self.api.repeated(self.person.namespace, pod, script, seconds)

    def shells(self) -> int:
        said = self.api.execute(self.person.namespace, "dort", ["sh", "-c", _SHELLS])
        return int(said)


@pytest.fixture(scope="module")
def asleep(new_resident: Callable[..., Person]) -> Asleep:
    person = new_resident("l")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "dort"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "dort", "image": "busybox:1.36", "command": ["sleep", "3600"]}],
        },
    }
    for command in ("apply -f -", "wait --for=condition=Ready pod/dort --timeout=90s"):
        subprocess.run(
            ["kubectl", *command.split()],
            env=dict(person.environment),
            input=json.dumps(pod),
            text=True,
            check=True,
            capture_output=True,
        )
    return Asleep(person, Api(str(person.kubeconfig)))


def test_each_look_is_new_and_the_shell_goes_with_the_last(asleep: Asleep) -> None:
    with asleep.looks("echo -n x >>/tmp/vu; cat /tmp/vu") as look:
        assert [look() for _ in range(3)] == ["x", "xx", "xxx"]
        assert asleep.shells() == 1
    assert until(lambda: asleep.shells() == 0, 10)


def test_a_look_that_fails_is_told_and_the_next_is_another(asleep: Asleep) -> None:
    with asleep.looks("test -e /tmp/la || exit 3; echo ici; rm /tmp/la") as look:
        with pytest.raises(Unverifiable, match=r"a échoué : .*exit code 3"):
            look()
        asleep.api.execute(asleep.person.namespace, "dort", ["touch", "/tmp/la"])
        assert look() == "ici\n"
        with pytest.raises(Unverifiable, match="a échoué"):
            look()
    assert until(lambda: asleep.shells() == 0, 10)


def test_a_pod_that_is_not_there_is_told(asleep: Asleep) -> None:
    with (
        asleep.looks("true", pod="ailleurs") as look,
        pytest.raises(Unverifiable, match="ailleurs"),
    ):
        look()


def test_a_command_that_is_killed_leaves_no_shell(asleep: Asleep) -> None:
    where = [str(asleep.person.kubeconfig), asleep.person.namespace]
    done = subprocess.run([sys.executable, "-c", _KILLED, *where], check=False)
    assert done.returncode == -9
    assert until(lambda: asleep.shells() == 0, 10)


@pytest.mark.parametrize(
    ("script", "seconds", "told"),
    [("yes | head -c 40000000", 10, "n’en finit pas"), ("sleep 2", 0.5, "délai dépassé")],
)
def test_a_look_that_never_ends_is_bounded(
    asleep: Asleep, script: str, seconds: float, told: str
) -> None:
    with asleep.looks(script, seconds) as look, pytest.raises(Unverifiable, match=told):
        look()
