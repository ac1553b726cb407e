"""A cluster that a command makes for itself: never in the place of another."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

import pytest

from tests.platform import upstream, versions
from tests.platform.upstream.__main__ import main as play_upstream
from tests.platform.versions.__main__ import main as play_versions
from tests.support import operated


@pytest.mark.parametrize(
    ("main", "word"),
    [(play_upstream, "dns"), (play_versions, "v1.34.11")],
    ids=[upstream.__name__, versions.__name__],
)
def test_it_touches_no_cluster_of_an_engine_that_is_not_ours(
    main: Callable[[Sequence[str]], int],
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There, a second cluster would have the name of the first, and take its place."""
    monkeypatch.setattr(operated, "reason_for_none", lambda: "Docker answers")
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: pytest.fail(str(words)))
    with pytest.raises(SystemExit):
        main([word])
    assert "Docker answers" in capsys.readouterr().err
