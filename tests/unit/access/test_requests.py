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
from checks.errors import AccessError
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
