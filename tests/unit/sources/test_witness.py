"""Which of two receipts says more: the one that is there, or what a new verification found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from checks.lab import find_lab
from checks.sources import witness
from checks.sources.receipts import Doubtful, Overtaken, Receipt
from checks.verdict import Status
from tests.support.graded_class import learner, verdict

LAB, ALICE = find_lab("tp2"), learner(1)
FIRST, LAST = LAB.checks[0].id, LAB.checks[-1].id
WRITTEN = datetime(2026, 3, 12, 12, tzinfo=UTC)


def receipt(checks: Mapping[str, Status]) -> Receipt:
    return Receipt(
        lab=LAB.name, namespace=ALICE.namespace, namespace_uid="1", checks=checks, pods={}
    )


def seen(*, failed: Sequence[str] = (), unverified: Sequence[str] = ()) -> Any:
    return verdict(LAB, ALICE, failed=failed, unverified=unverified)


ALL, WRONG, UNSURE = seen(), seen(failed=[LAST]), seen(unverified=[LAST])


@pytest.mark.parametrize(
    ("before", "now", "stays"),
    [
        (ALL, ALL, False),  # as good, and younger
        (ALL, WRONG, True),
        (WRONG, ALL, False),
        (WRONG, WRONG, False),
        (WRONG, UNSURE, True),
        (UNSURE, WRONG, False),
        (UNSURE, UNSURE, False),
        (seen(failed=[FIRST]), WRONG, False),
    ],
)
@pytest.mark.parametrize("gone", [False, True])
def test_a_receipt_that_says_more_stays(
    monkeypatch: pytest.MonkeyPatch, before: Any, now: Any, *, stays: bool, gone: bool
) -> None:
    def holding(*_asked: object) -> tuple[Receipt, datetime]:
        if gone:
            raise Overtaken("Le pod n’existe plus.", receipt(before.statuses), WRITTEN)
        return receipt(before.statuses), WRITTEN

    assert _stays(monkeypatch, holding, now) is stays


def test_one_that_is_not_to_be_believed_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def holding(*_asked: object) -> None:
        raise Doubtful("il n’est pas lisible")

    assert not _stays(monkeypatch, holding, UNSURE)


def _stays(monkeypatch: pytest.MonkeyPatch, holding: Any, now: Any) -> bool:
    monkeypatch.setattr(witness, "holding", holding)

    class Cluster:
        def receipts(self) -> None:
            return None

    cluster: Any = Cluster()
    place: Any = None
    return witness._is_worth_more(cluster, LAB, place, now)
