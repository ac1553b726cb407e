"""Whether a lab was begun: what stands for it is looked for in the namespace that it starts from no
longer than it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks.capabilities import Cluster
from checks.errors import ClusterLost
from checks.facts import Access
from checks.grading import begun, start
from checks.grading.as_teacher import READ_ONLY
from checks.grading.grade import Seen
from checks.grading.snapshots import SnapshotVerifier
from checks.lab import Lab, find_lab
from checks.sources.class_rights import BY_THE_NAMESPACE, Held
from checks.sources.reviews import Question, requested
from checks.sources.snapshot import Snapshot, write
from checks.verdict import CheckResult, Status, Verdict, overall
from tests.support import recorded
from tests.support.graded_class import learner

LAB = find_lab("tp2")
WITH_A_BASE = find_lab("tp4")


def results(*told: tuple[Status, str]) -> Sequence[CheckResult]:
    return [
        CheckResult(
            id=f"phrase_{number}", title="", status=status, points=0, points_max=1, finding=finding
        )
        for number, (status, finding) in enumerate(told)
    ]


WRONG, OTHERWISE = (Status.FAILED, "Rien."), (Status.FAILED, "Autre chose.")
OPEN = (Status.UNVERIFIED, READ_ONLY.format("d’ouvrir un tunnel"))
UNREAD, TROUBLE = (Status.UNVERIFIED, "Refusé."), (Status.ERROR, "Silence.")
SKIPPED = (Status.SKIPPED, "Dépend.")


def asked(
    monkeypatch: pytest.MonkeyPatch,
    here: Sequence[tuple[Status, str]],
    start: Sequence[tuple[Status, str] | ClusterLost],
    lab: Lab = LAB,
) -> tuple[bool, int]:
    """Whether it was begun, and how many checks the start was asked for."""
    count = 0

    def looks(_lab: Lab, _cluster: Cluster) -> Iterator[tuple[CheckResult, None]]:
        nonlocal count
        for number, one in enumerate(start):
            count += 1
            if isinstance(one, ClusterLost):
                raise one
            yield results(*[one] * (number + 1))[number], None

    monkeypatch.setattr(begun, "looks", looks)
    checks = tuple(results(*here))
    verdict = Verdict(
        lab=lab.name,
        namespace="user-a",
        user="oidc-a",
        status=overall([one.status for one in checks]),
        points=0,
        points_max=len(checks),
        checks=checks,
    )
    nobody: Any = None
    return begun._has_begun(lab, verdict, nobody), count


def test_a_namespace_like_the_start_is_asked_about_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same = (WRONG, SKIPPED, OPEN)
    assert asked(monkeypatch, same, same) == (False, 3)


@pytest.mark.parametrize(
    ("here", "start"),
    [
        ((OTHERWISE, OPEN, OPEN), (WRONG, OPEN, OPEN)),
        ((OPEN, OPEN, OPEN), (WRONG, OPEN, OPEN)),
        ((TROUBLE, OPEN, OPEN), (WRONG, OPEN, OPEN)),
        ((WRONG, OPEN, OPEN), (TROUBLE, OPEN, OPEN)),
        ((WRONG, OPEN, OPEN), (ClusterLost("Silence."), OPEN, OPEN)),
        ((UNREAD, OPEN, OPEN), (UNREAD, OPEN, OPEN)),
    ],
)
def test_the_first_sign_is_enough(
    monkeypatch: pytest.MonkeyPatch,
    here: Sequence[tuple[Status, str]],
    start: Sequence[tuple[Status, str] | ClusterLost],
) -> None:
    assert asked(monkeypatch, here, start) == (True, 1)


def test_a_sign_that_comes_late_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, (WRONG, OPEN, OTHERWISE), (WRONG, OPEN, WRONG)) == (True, 3)


def test_where_nothing_can_be_seen_to_fail_nobody_is_said_not_to_have_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unknown, sure = (OPEN, OPEN, SKIPPED), (OPEN, WRONG, SKIPPED)
    assert asked(monkeypatch, unknown, unknown, WITH_A_BASE) == (True, 3)
    assert asked(monkeypatch, sure, sure, WITH_A_BASE) == (False, 3)
    nothing = (SKIPPED, SKIPPED)  # its base is not even there
    assert asked(monkeypatch, nothing, nothing, WITH_A_BASE) == (False, 2)


# -- what the start holds --------------------------------------------------------------------------

RELEASE = "postgresql-cnpg-1"
OF_THE_RELEASE = {"cnpg.io/cluster": RELEASE, "app.kubernetes.io/instance": RELEASE}
APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
BY_THE_OPERATOR = [{"apiVersion": "v1", "kind": "Cluster", "name": RELEASE, "uid": "1"}]


def item(name: str = RELEASE, **said: object) -> Mapping[str, Any]:
    return {"metadata": {"name": name, "labels": OF_THE_RELEASE, "generation": 1, **said}}


@pytest.mark.parametrize(
    ("kind", "what", "launched"),
    [
        ("Pod", item(f"{RELEASE}-1"), True),
        ("Pod", item("proxy", labels={"app": "proxy"}), False),
        ("Pod", item("proxy", labels={"app.kubernetes.io/instance": "proxy"}), False),
        ("Service", item(f"{RELEASE}-rw"), True),
        ("NetworkPolicy", item(), True),
        ("NetworkPolicy", item(generation=2), False),
        ("NetworkPolicy", item(annotations=APPLIED), False),
        ("NetworkPolicy", item("ouverture"), False),
        ("NetworkPolicy", item("ouverture", labels={}), False),
        ("Role", item(ownerReferences=BY_THE_OPERATOR), True),
        ("Role", item(), False),
        ("ConfigMap", item("equipe", labels={}), False),
        ("ConfigMap", item("kube-root-ca.crt", labels={}), True),
        ("ResourceQuota", item("quota", labels={}), True),
    ],
)
def test_what_the_catalogue_made_is_there_before_anybody_begins(
    kind: str, what: Mapping[str, Any], launched: bool
) -> None:
    assert start.start_of(WITH_A_BASE)(kind, what) is launched


def test_a_lab_that_launches_its_base_starts_without_one() -> None:
    for kind in ("Pod", "Service", "NetworkPolicy"):
        assert not start.start_of(find_lab("tp3"))(kind, item())


def test_a_right_that_a_binding_of_theirs_gives_is_not_there_at_the_start() -> None:
    question = Question("oidc-bob", (), requested("create", "pods/portforward", "", "base-1"))
    nothing = Held("user-alice", [], {}, lambda _name: ())
    given = Access(
        True, f'{BY_THE_NAMESPACE}"tunnel/user-alice" of Role "tunnel" to User "oidc-bob"'
    )
    by_the_cluster = Access(True, 'RBAC: allowed by ClusterRoleBinding "admins"')
    assert start.as_at_the_start(given, question, lambda: nothing) == Access(False)
    assert start.as_at_the_start(given, question, lambda: None) is given
    assert start.as_at_the_start(by_the_cluster, question, lambda: nothing) is by_the_cluster


# -- as it was on a real cluster -------------------------------------------------------------------


def looked_at(snapshot: Snapshot, lab: str, folder: Path) -> Seen:
    """What a teacher sees of a lab in what was recorded of another."""
    snapshot.local, snapshot.receipts = msgspec.UNSET, None
    write(snapshot, folder / f"{snapshot.namespace}.json")
    others = [one.namespace for one in (snapshot.colleague, *snapshot.other_colleagues) if one]
    who = learner(1, namespace=snapshot.namespace, colleague=" ".join(others))
    return SnapshotVerifier(folder)(who, find_lab(lab))


def of_case(lab: str, case: str) -> Snapshot:
    return recorded.read(find_lab(lab))[case].snapshot


def policy(name: str, said: Mapping[str, object], **metadata: object) -> dict[str, Any]:
    chosen = {"podSelector": {"matchLabels": {"cnpg.io/cluster": "postgresql-cnpg-951239"}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "user-alice", "uid": name, **metadata},
        "spec": {**chosen, "policyTypes": ["Ingress"], "ingress": [{"from": [said]}]},
    }


def test_a_shared_base_is_no_other_lab_s_work(tmp_path: Path) -> None:
    shared = of_case("tp6", "variantes/equipe_de_la_page")
    assert looked_at(shared, "tp6", tmp_path).begun
    assert not looked_at(shared, "tp8", tmp_path).begun


def test_who_opens_a_base_in_a_way_that_nothing_can_judge_from_afar_has_begun(
    tmp_path: Path,
) -> None:
    base = of_case("tp6", "variantes/equipe_de_la_page")
    base.other_policies = []
    labels = {"cnpg.io/cluster": "postgresql-cnpg-951239"}
    launched = policy("postgresql-cnpg-951239", {"podSelector": {}}, labels=labels, generation=1)
    ranges = policy("par-adresses", {"ipBlock": {"cidr": "10.244.1.0/24"}})
    for policies, is_begun in (([launched], False), ([launched, ranges], True)):
        base.objects["NetworkPolicy"] = policies
        found = looked_at(base, "tp4", tmp_path)
        assert found.begun is is_begun, found.verdict.statuses
    assert not looked_at(base, "tp8", tmp_path).begun
