"""What is remembered: progress never goes back, and what was typed once need not be typed again."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from checks import state
from checks.cli.labs import _progress
from checks.lab import find_lab
from checks.render.terminal import show
from checks.state import LastOptions
from checks.verdict import Diagnostic, Status, Verdict
from tests.screen import verdict

PLACE = "https://cluster user-alice"
NOBODY = LastOptions()
PAIR = LastOptions(("user-bob", "user-chloe"), (), 5433)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path))


def said(failed: str = "", status: Status | None = None) -> Verdict:
    found = verdict(find_lab("tp5"), failed, Diagnostic("constat", "cause", "remède"))
    return found if status is None else msgspec.structs.replace(found, status=status, points=0)


def test_what_was_right_once_stays_done() -> None:
    state.remember(PLACE, said("le_proxy_vise_la_base_du_collegue"), NOBODY)
    progress = state.load().lab(PLACE, "tp5_proxy_socat")
    assert (progress.done, progress.best) == (0, progress.points)
    assert "en cours" in _progress(progress)
    state.remember(PLACE, said(), NOBODY)
    for later in (said("un_tunnel_ecoute_sur_votre_poste"), said(status=Status.ERROR)):
        state.remember(PLACE, later, NOBODY)
        progress = state.load().lab(PLACE, "tp5_proxy_socat")
        assert progress.done > 0
        assert progress.best == progress.points_max
        assert _progress(progress).startswith("✔ terminé le ")


def test_what_was_lost_since_is_said_and_takes_nothing_away() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    show(console, find_lab("tp5"), said("un_tunnel_ecoute_sur_votre_poste"), {}, done=1_700_000_000)
    shown = console.export_text()
    assert "Vous aviez terminé ce TP le 14/11/2023 : cela reste acquis." in shown
    assert "« Sur votre poste, un tunnel écoute sur localhost:5432. »" in shown.partition("Depuis")[2]


def test_success_names_the_next_lab() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    show(console, find_lab("tp5"), said(), {})
    assert "cahier commencer tp6" in console.export_text()


def test_the_pair_is_remembered_for_the_lab_and_for_the_next_one() -> None:
    assert state.last_options(PLACE, "tp5_proxy_socat") == NOBODY
    state.remember(PLACE, said("le_proxy_existe"), PAIR)
    assert state.last_options(PLACE, "tp5_proxy_socat") == PAIR
    assert state.last_options(PLACE, "tp7_proxy_durable") == LastOptions(("user-bob",), (), 0)
    assert state.last_options("https://cluster user-zoe", "tp5_proxy_socat") == NOBODY


def test_an_older_memory_is_read() -> None:
    state.folder().mkdir(parents=True, exist_ok=True)
    old = b'{"places":{"ici":{"tp5_proxy_socat":{"status":"passed","points":12,"points_max":12,"hints":{}}}}}'
    (state.folder() / "progression.json").write_bytes(old)
    assert _progress(state.load().lab("ici", "tp5_proxy_socat")) == "✔ terminé"
