"""For how long a request waits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from checks.access import kubernetes_api
from checks.access.kubernetes_api import Api
from checks.diagnosis.rights.rbac import Request
from checks.errors import AccessError, Refused
from checks.sources.reviews import Question, of_another
from tests.support.watched_api import WatchedApi, watched_api

_CONNECTS, _ANSWERS = 0.2, 2.0


def _ask(api: WatchedApi, folder: Path, seconds: float | None = None) -> bool:
    own = Api(str(api.kubeconfig(folder / "kubeconfig")), seconds)
    return of_another(own, "user-a", Question("bob", (), Request("get", resource="pods"))).allowed


def test_an_answer_may_take_longer_than_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_asked: Mapping[str, Any]) -> bool:
        time.sleep(3 * _CONNECTS)
        return True

    monkeypatch.setattr(kubernetes_api, "_TIMEOUT", (_CONNECTS, _ANSWERS))
    with watched_api() as api:
        api.besides = late
        assert _ask(api, tmp_path)
        with pytest.raises(AccessError):  # given as one bound for all, it is
            _ask(api, tmp_path, _CONNECTS)


_MOVED = (
    b'{"kind": "Status", "reason": "Conflict", "message": "Operation cannot be fulfilled on '
    b'resourcequotas \\"onyxia-quota\\": the object has been modified; please apply your changes"}'
)
_THERE = b'{"kind": "Status", "reason": "AlreadyExists", "message": "pods \\"a\\" already exists"}'


@pytest.mark.parametrize(
    ("said", "made", "asked"),
    [
        ([(409, _MOVED), (409, _MOVED), (201, b"{}")], True, 3),
        ([(409, _THERE), (201, b"{}")], False, 1),
        ([(409, _MOVED)] * 99, False, 4),
    ],
)
def test_what_a_quota_could_not_count_at_that_moment_is_asked_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: list[tuple[int, bytes]],
    *,
    made: bool,
    asked: int,
) -> None:
    answers = iter(said)
    counted = []

    def answered(*_asked: object) -> tuple[int, bytes]:
        counted.append(1)
        return next(answers)

    monkeypatch.setattr(kubernetes_api, "_COUNTED", 0.25)
    monkeypatch.setattr(Api, "_answered", answered)
    with watched_api() as api:
        own = Api(str(api.kubeconfig(tmp_path / "kubeconfig")))
        if made:
            assert own.request("POST", "/api/v1/namespaces/user-a/pods", {}) == {}
        else:
            with pytest.raises(Refused):
                own.request("POST", "/api/v1/namespaces/user-a/pods", {})
    assert len(counted) == asked
