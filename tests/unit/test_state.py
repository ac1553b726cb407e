"""What is remembered: progress never goes back, and what was typed once need not be typed again."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from rich.console import Console

from checks import state
from checks.cli import remembered
from checks.cli.labs import _progress
from checks.lab import all_labs, find_lab
from checks.manifests import edited_since
from checks.render.terminal import show
from checks.state import LastOptions
from checks.verdict import Diagnostic, Status, Verdict
from tests.support.screen import verdict

PLACE = "https://cluster user-alice"
NOBODY = LastOptions()
PAIR = LastOptions(("user-bob", "user-chloe"), (), 5433, "postgresql-cnpg-123456")


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


def test_somebody_who_is_no_longer_leaves_nothing() -> None:
    for place in (PLACE, "https://cluster user-bob", "https://elsewhere user-alice"):
        state.remember(place, said(), NOBODY)
    for _ in range(2):  # twice is harmless
        state.forget(state.place_at("https://cluster", "user-alice"))
    assert [*state.load().places] == ["https://cluster user-bob", "https://elsewhere user-alice"]


def test_what_was_lost_since_is_said_and_takes_nothing_away() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    show(console, find_lab("tp5"), said("un_tunnel_ecoute_sur_votre_poste"), {}, done=1_700_000_000)
    shown = console.export_text()
    assert "Vous aviez terminé ce TP le 14/11/2023 : cela reste acquis." in shown
    assert "Votre tunnel a été fermé depuis." in shown
    console = Console(width=200, record=True, file=io.StringIO())
    show(
        console, find_lab("tp5"), said("le_proxy_vise_la_base_du_collegue"), {}, done=1_700_000_000
    )
    assert (
        "« Le proxy relaie vers un Service du namespace de votre collègue. »"
        in console.export_text()
    )


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


def test_a_lab_of_two_takes_the_first_of_several_and_says_so() -> None:
    def options(lab: str) -> remembered.Options:
        users = ("oidc-b", "oidc-c")
        return remembered.options(find_lab(lab), None, None, ("user-bob", "user-chloe"), users)

    alone, team = options("tp5"), options("tp6")
    assert (alone.colleagues, alone.colleague_users) == (("user-bob",), ("oidc-b",))
    assert alone.left_out == (
        "Le TP 5 se fait avec un seul collègue : user-bob, le premier donné ; user-chloe n’y sert "
        "pas."
    )
    assert "user-chloe" not in alone.typed
    assert (team.colleagues, team.left_out) == (("user-bob", "user-chloe"), "")


@dataclass(frozen=True)
class Held:
    """A cluster that holds what was applied."""

    applied: Mapping[str, Any]
    namespace: str = "user-zoe"

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        note = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(self.applied)}
        return [{**self.applied, "metadata": {**self.applied["metadata"], "annotations": note}}]


def test_a_file_that_was_edited_and_not_applied_is_noticed_whatever_the_verdict(
    tmp_path: Path,
) -> None:
    lab, file = find_lab("tp5"), tmp_path / "proxy.yaml"
    text = lab.files("solution")["proxy.yaml"]
    cluster: Any = Held(yaml.safe_load(text))
    assert list(edited_since(lab, cluster, tmp_path, "")) == [], "there is no file"
    file.write_text(text, encoding="utf-8")
    assert list(edited_since(lab, cluster, tmp_path, "")) == []
    file.write_text(text.replace("reuseaddr", "reuseaddr,keepalive"), encoding="utf-8")
    (noticed,) = edited_since(lab, cluster, tmp_path, "")
    assert "proxy.yaml a changé" in noticed.sentence
    assert noticed.command == "kubectl apply -n user-zoe -f proxy.yaml"


def test_a_word_left_in_a_starter_for_what_is_to_be_written_is_known() -> None:
    for lab in all_labs():
        for name, text in lab.files("depart").items():
            for word in re.findall(r"\ba-faire\b", text, re.IGNORECASE):
                assert word in "".join(lab.placeholders), name
    lab = find_lab("tp5")
    assert "« SERVICE.NAMESPACE » est resté" in lab.left_as_given(
        "Le proxy vise « SERVICE.NAMESPACE:5432 »."
    )
    assert lab.left_as_given("Le proxy vise « base.user-alice:5432 ».") == ""


def test_the_base_of_the_last_time_is_taken_where_it_is_the_same_colleague_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remembered, "place_of", lambda kubeconfig, namespace: PLACE)
    state.remember(PLACE, said("le_proxy_existe"), LastOptions(("user-bob",), (), 0, "ma-base"))

    def options(*colleagues: str, database: str | None = "") -> remembered.Options:
        return remembered.options(find_lab("tp5"), None, None, colleagues, database=database)

    assert options().database == "ma-base"
    assert options().recalled == "--collegue user-bob --base ma-base"
    assert options("user-chloe").database == "", "that one has other bases"
    assert options(database="une-autre").database == "une-autre"
    assert options(database=None).database == ""


def test_an_older_memory_is_read() -> None:
    state.folder().mkdir(parents=True, exist_ok=True)
    lab = b'{"status":"passed","points":12,"points_max":12,"hints":{}}'
    old = b'{"places":{"ici":{"tp5_proxy_socat":' + lab + b"}}}"
    (state.folder() / "progression.json").write_bytes(old)
    assert _progress(state.load().lab("ici", "tp5_proxy_socat")) == "✔ terminé"


FORMER = Path(__file__).parent / "state_files"
"""What former versions of the code wrote, by their commit."""


@pytest.mark.parametrize("commit", [file.stem for file in sorted(FORMER.glob("*.json"))])
def test_an_upgrade_keeps_a_learner_s_progress(commit: str) -> None:
    place = "https://apiserver.exemple.fr user-alice"
    written = (FORMER / f"{commit}.json").read_bytes()
    state.folder().mkdir(parents=True, exist_ok=True)
    (state.folder() / "progression.json").write_bytes(written)
    expected = json.loads(written)["places"][place]
    assert expected
    for _ in range(2):  # as it was, then as this version has written it again
        labs = state.load().places[place]
        for name, said in expected.items():
            kept = json.loads(msgspec.json.encode(labs[name]))
            assert {key: kept[key] for key in said} == said
        assert _progress(labs["tp1_connexion"]).startswith("✔ terminé")
        state.remember(place, said_of("tp3"), NOBODY)
    assert state.load().enforcing == json.loads(written)["enforcing"]


def said_of(lab: str) -> Verdict:
    return verdict(find_lab(lab), "", Diagnostic("constat", "cause", "remède"))
