"""What grading a class asks of the API server, and that it says the same as asking it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.grading.grade import grade_class
from checks.grading.roster import Learner
from checks.grading.view import LiveVerifier
from checks.lab import all_labs
from checks.sources.class_rights import ClassRights
from checks.sources.reviews import of_another
from checks.verdict import Status
from tests.support.large_class import cluster_binding, cluster_role, fill
from tests.support.watched_api import WatchedApi, watched_api

# requests of one person, the lists of the class aside: some five, and what two threads of a busy
# machine ask both; asking everything takes over seventy
_EACH = 9.0
_SIZES = (4, 12)
_READS_SECRETS = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]

Statuses = Mapping[tuple[str, str], tuple[Status, str]]
"""What was found of each person's checks."""


@pytest.fixture
def api() -> Iterator[WatchedApi]:
    with watched_api() as made:
        yield made


def graded(api: WatchedApi, people: Sequence[Learner], folder: Path) -> Statuses:
    own = Api(str(api.kubeconfig(folder / "prof.kubeconfig")), without_secrets=True)
    api.asked.clear()
    api.reviews.clear()
    grades = grade_class(people, all_labs(), LiveVerifier(own, people), folder / "notes")
    return {
        (learner.identifier, check.id): (check.status, check.finding)
        for learner in grades.learners
        for lab in learner.labs
        for check in lab.checks
    }


def everything_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing reasoned."""
    monkeypatch.setattr(
        ClassRights,
        "may",
        lambda self, question, namespace, held: of_another(self._api, namespace, question),
    )


@pytest.mark.slow
def test_a_person_costs_few_requests_whatever_the_class(api: WatchedApi, tmp_path: Path) -> None:
    counted = []
    for size in _SIZES:
        people = fill(api, size)
        graded(api, people, tmp_path)
        counted.append(len(api.asked))
    (small, large), (few, many) = counted, _SIZES
    assert (large - small) / (many - few) <= _EACH


@pytest.mark.slow
def test_it_finds_what_asking_everything_finds(
    api: WatchedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = fill(api, 8)
    cluster_role(api, "lecteur", _READS_SECRETS)
    cluster_binding(api, "de-bob", "lecteur", "User", "oidc-p0003")  # a colleague of p0002's
    reasoned = graded(api, people, tmp_path)
    few = len(api.reviews)
    api.denied.add("list clusterrolebindings")
    once = graded(api, people, tmp_path)
    some = len(api.reviews)
    everything_asked(monkeypatch)
    assert reasoned == once == graded(api, people, tmp_path)
    assert few < some < len(api.reviews)
    found = reasoned["p0002", "votre_collegue_ne_lit_aucun_secret"]
    assert "à l’échelle du cluster" in found[1]


def test_a_leak_is_confirmed_by_the_api_server(api: WatchedApi, tmp_path: Path) -> None:
    people = fill(api, 8)
    found = graded(api, people, tmp_path)
    accused = [
        who
        for (who, _), (status, said) in found.items()
        if status is Status.FAILED and "lui donne" in said
    ]
    assert accused
    allowed = {one["resourceAttributes"]["namespace"] for one in api.reviews if api.allowing(one)}
    assert {f"user-{who}" for who in accused} <= allowed
