"""What a person can fake in a namespace that they administer, and what a teacher's grading says of
it: each row of docs/enseignants/contrefacons.md is played here, on the real cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.local_sspcloud import people
from checks.stage import Person
from checks.verdict import Status
from tests.support.forgeries import ASLEEP, COLLEAGUES_BASE, FORGERIES, REFUSED, Forger

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def forger(new_resident: Callable[..., Person], admin: Api, admin_kubeconfig: Path) -> Forger:
    teacher = Api(str(people.create_teacher(admin, admin_kubeconfig)), without_secrets=True)
    made = Forger(new_resident("f"), new_resident("f"), admin, teacher)
    launch = ["cahier", "catalogue", "lancer", "postgresql", "--nom", COLLEAGUES_BASE, "--ouvert"]
    launching = subprocess.Popen(
        launch,
        env=dict(made.colleague.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made.apply(*ASLEEP)
    made.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s")
    assert launching.wait() == 0
    return made


@pytest.fixture
def cleaned(forger: Forger) -> Iterator[Forger]:
    """The same, without what a forgery adds to the pods that sleep."""
    yield forger
    gone = (
        "networkpolicies,rolebindings,roles,configmaps",
        "--field-selector=metadata.name!=full_control_namespace,metadata.name!=kube-root-ca.crt",
    )
    forger.kubectl("delete", *gone)


@pytest.mark.parametrize("name", FORGERIES)
def test_what_grading_says_of_it(name: str, cleaned: Forger) -> None:
    forgery = FORGERIES[name]
    forgery.forge(cleaned)
    verdict = cleaned.grade(forgery.lab)
    open_or_wrong = (Status.UNVERIFIED, Status.FAILED)
    told = [check.finding for check in verdict.checks if check.status in open_or_wrong]
    assert bool(told) == bool(forgery.told), verdict
    assert any(forgery.told in one for one in told) or not forgery.told, verdict
    assert verdict.points == forgery.points, verdict


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_api_server_refuses(name: str, forger: Forger) -> None:
    words, text = REFUSED[name]
    assert "is forbidden" in forger.kubectl(*words.split(), text=text, check=False)
