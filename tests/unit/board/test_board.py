"""A class that is watched: whoever moves is seen soon, whatever happens to the connection, to the
rights, or to somebody else's namespace."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from checks.board.board import Board
from checks.board.keeping import Keeper, since
from checks.board.pace import Pace
from checks.errors import UsageError
from checks.grading.history import History
from checks.grading.proven import found as checks_of
from checks.lab import find_lab
from checks.sources import class_objects
from checks.sources.class_objects import MOST_ALONE
from tests.support.hostile import HOSTILE, active
from tests.support.watched_api import WatchedApi, watched_api
from tests.support.watched_class import LABS, board_of, learners, pod, row, wait_for

NAMES = ("ana", "bob", "lia")


@pytest.fixture
def api() -> Iterator[WatchedApi]:
    with watched_api() as api:
        for name in NAMES:
            api.person(name)
        yield api


@pytest.fixture
def board(api: WatchedApi, tmp_path: Path) -> Iterator[Board]:
    with board_of(api, tmp_path, learners(NAMES)) as board:
        yield board


def deployed(board: Board, name: str) -> bool:
    """Whether somebody is seen to have deployed the API of lab 2, ready."""
    return row(board, name).cells[0].text.startswith("2/")


def test_a_change_is_seen_and_asks_for_nothing(api: WatchedApi, board: Board) -> None:
    before = row(board, "ana")
    assert (before.standing.kind, before.standing.lab, before.at_least) == ("stuck", "TP2", True)
    since = time.monotonic()
    api.put("pods", pod("mon-api-1", ready=False), "user-ana")
    wait_for(lambda: row(board, "ana").standing.check == "l_api_est_prete")
    now = row(board, "ana")
    assert now.since >= before.since
    assert not now.at_least
    api.put("pods", pod("mon-api-1"), "user-ana")
    wait_for(lambda: deployed(board, "ana"))
    assert row(board, "bob").standing.check == before.standing.check
    assert set(api.requests(since)) <= {"/version"}


def test_what_stops_most_people_comes_first_without_their_names(
    api: WatchedApi, board: Board
) -> None:
    api.put("pods", pod("mon-api-1", ready=False), "user-lia")
    wait_for(lambda: len(board.news(0).sentences) == 2)
    first, second = board.news(0).sentences
    assert (first.count, second.count) == (2, 1)
    assert first.hints
    told = " ".join((first.cause, *first.findings, second.cause, *second.findings))
    assert not [name for name in NAMES if name in told]


def test_it_goes_on_after_a_lost_connection(api: WatchedApi, board: Board) -> None:
    api.cut(away=True)
    wait_for(lambda: bool(board.news(0).lost))
    api.put("pods", pod("mon-api-1"), "user-ana")
    assert not deployed(board, "ana")
    api.back()
    wait_for(lambda: deployed(board, "ana"))
    wait_for(lambda: not board.news(0).lost)


def test_it_goes_on_after_a_watch_that_expired(api: WatchedApi, board: Board) -> None:
    api.cut(away=True)
    wait_for(lambda: bool(board.news(0).lost))
    api.put("pods", pod("mon-api-1"), "user-ana")
    api.forgotten = api.version + 1
    api.version += 2
    api.happened.clear()
    api.back()
    wait_for(lambda: deployed(board, "ana"))
    api.remove("pods", "mon-api-1", "user-ana")
    wait_for(lambda: not deployed(board, "ana"))


def test_what_went_while_nobody_looked_is_gone(api: WatchedApi, board: Board) -> None:
    api.put("pods", pod("mon-api-1"), "user-ana")
    wait_for(lambda: deployed(board, "ana"))
    api.cut(away=True)
    wait_for(lambda: bool(board.news(0).lost))
    api.remove("pods", "mon-api-1", "user-ana")
    api.happened.clear()
    api.forgotten = api.version = api.version + 1
    api.back()
    wait_for(lambda: not deployed(board, "ana"))


def test_it_begins_again_after_a_sleep(
    api: WatchedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that died meanwhile says nothing: all is read anew."""
    monkeypatch.setattr(class_objects, "_PULSE", 0.2)
    clock = time.time
    with board_of(api, tmp_path, learners(NAMES)):
        lists = api.requests(0)["/api/v1/pods"]
        monkeypatch.setattr(time, "time", lambda: clock() + 3600)
        wait_for(lambda: api.requests(0)["/api/v1/pods"] > lists)


def test_rights_that_are_withdrawn_half_way_are_told(
    api: WatchedApi, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_objects, "_CLOSED", 0.5)
    api.denied.update({"watch pods", "list pods"})
    api.cut()
    wait_for(lambda: "pods" in board.news(0).lost)
    assert row(board, "ana").standing.kind == "stuck"  # as it was
    api.put("pods", pod("mon-api-1"), "user-ana")
    api.denied.clear()
    wait_for(lambda: deployed(board, "ana"))
    wait_for(lambda: not board.news(0).lost)


def test_an_older_role_is_told_and_read_again(
    api: WatchedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_objects, "_CLOSED", 0.5)
    api.denied.update({"watch pods"})
    with board_of(api, tmp_path, learners(NAMES)) as board:
        wait_for(lambda: "droits-enseignant" in board.news(0).lost)
        api.put("pods", pod("mon-api-1"), "user-ana")
        wait_for(lambda: deployed(board, "ana"))


def test_a_namespace_that_its_owner_deletes(api: WatchedApi, board: Board) -> None:
    api.drop("user-bob")
    wait_for(lambda: row(board, "bob").standing.kind == "absent")
    api.put("pods", pod("mon-api-1"), "user-lia")
    wait_for(lambda: deployed(board, "lia"))
    api.person("bob")
    wait_for(lambda: row(board, "bob").standing.kind == "stuck")


def test_a_flood_and_great_values_stall_nobody_else(api: WatchedApi, board: Board) -> None:
    def flood() -> None:
        for number in range(3000):
            api.put("configmaps", {"metadata": {"name": f"f{number}"}, "data": {}}, "user-bob")
        for number in range(14):
            value = {"metadata": {"name": f"g{number}"}, "data": {"v": "x" * 2**20}}
            api.put("configmaps", value, "user-bob")

    flooding = threading.Thread(target=flood)
    flooding.start()
    api.put("pods", pod("mon-api-1"), "user-ana")
    assert wait_for(lambda: deployed(board, "ana")) < 10
    flooding.join()
    wait_for(lambda: "Mo d’objets" in row(board, "bob").standing.finding)
    api.put("pods", pod("mon-api-1"), "user-lia")
    wait_for(lambda: deployed(board, "lia"))


def test_names_of_learners_do_nothing(api: WatchedApi, board: Board) -> None:
    for number, words in enumerate(HOSTILE.values()):
        odd = pod(f"p{number}", labels={"app": words[:2000]})
        odd["metadata"]["annotations"] = {"note": words}
        odd["spec"]["containers"][0]["image"] = words[:2000]
        api.put("pods", odd, "user-bob")
    api.put("pods", pod("mon-api-1"), "user-ana")
    wait_for(lambda: deployed(board, "ana"))
    wait_for(lambda: row(board, "bob").standing.kind == "stuck")
    for one in board.news(0).rows:
        assert not active(" ".join((one.name, one.standing.finding, one.standing.sentence)))


def test_a_list_that_is_not_what_the_api_promises(api: WatchedApi, board: Board) -> None:
    broken = pod("mon-api-1")
    del broken["spec"]["containers"]
    api.put("pods", broken, "user-bob")
    wait_for(lambda: bool(board.news(0).lost))
    api.remove("pods", "mon-api-1", "user-bob")
    api.put("pods", pod("mon-api-2"), "user-ana")
    wait_for(lambda: deployed(board, "ana"))
    wait_for(lambda: not board.news(0).lost)


def test_a_lab_that_is_the_other_one_s_stops_nobody(api: WatchedApi, tmp_path: Path) -> None:
    labs = [find_lab("tp2"), find_lab("tp5")]
    assert labs[1].role == "relay"
    people = [replace(one, role="owner") for one in learners(NAMES)]
    with board_of(api, tmp_path, people, labs) as board:
        assert [cell.text for cell in row(board, "ana").cells] == ["0/6", "–"]
        api.put("pods", pod("mon-api-1"), "user-ana")
        wait_for(lambda: deployed(board, "ana"))
        assert row(board, "ana").standing.lab == "TP2"


def test_two_boards_at_once(api: WatchedApi, board: Board, tmp_path: Path) -> None:
    other = tmp_path / "autre"
    other.mkdir()
    with board_of(api, other, learners(NAMES)) as second:
        api.put("pods", pod("mon-api-1"), "user-ana")
        wait_for(lambda: deployed(board, "ana") and deployed(second, "ana"))
    api.put("pods", pod("mon-api-1"), "user-bob")
    wait_for(lambda: deployed(board, "bob"))


# -- what is kept ----------------------------------------------------------------------------------


def test_what_was_proven_is_kept_though_it_is_removed(api: WatchedApi, tmp_path: Path) -> None:
    lab = LABS[0].name
    an_hour_off = timedelta(hours=1)
    with (
        History(tmp_path / "h.sqlite") as history,
        Keeper(history, lambda moment: moment + an_hour_off, pytest.fail) as keep,
        board_of(api, tmp_path, learners(NAMES), on_grades=keep) as board,
    ):
        api.put("pods", pod("mon-api-1"), "user-ana")
        wait_for(lambda: deployed(board, "ana"))
        wait_for(lambda: len(history.changes("ana", lab)) == 2)
        api.cut(away=True)
        wait_for(lambda: bool(board.news(0).lost))
        api.remove("pods", "mon-api-1", "user-ana")
        api.back()
        wait_for(lambda: not deployed(board, "ana"))
    with History(tmp_path / "h.sqlite") as history:
        first, proven, *_ = history.changes("ana", lab)
        best = history.best("ana", lab)
    assert best is not None
    assert best.change == proven
    assert proven.seen_by == "suivi"
    assert first.at < proven.at
    assert proven.at - datetime.now(UTC) > timedelta(minutes=59)


def test_a_board_that_is_opened_again_remembers_since_when(api: WatchedApi, tmp_path: Path) -> None:
    lab, check = LABS[0], LABS[0].checks[0].id
    with board_of(api, tmp_path, learners(NAMES)) as board:
        found = board.person("ana")
    assert found is not None
    (grade, *_), now = found[1], datetime.now(UTC)
    with History(tmp_path / "h.sqlite") as history:
        for person, ended in (("ana", timedelta(minutes=1)), ("bob", timedelta(hours=5))):
            for at in (now - timedelta(hours=6), now - ended):
                history.record(person, lab.name, checks_of(grade), at=at, seen_by="suivi")
        known = partial(since, history, lambda moment: moment)
        with board_of(api, tmp_path, learners(NAMES), known=known) as board:
            rows = {name: row(board, name) for name in NAMES}
    assert rows["ana"].standing.check == check
    assert now.timestamp() - rows["ana"].since == pytest.approx(6 * 3600, abs=60)
    for name in ("bob", "lia"):  # another session, and nothing at all
        assert rows[name].since >= now.timestamp()
    assert all(one.at_least for one in rows.values())


def test_a_history_that_cannot_be_written_is_told_once(api: WatchedApi, tmp_path: Path) -> None:
    told: list[str] = []
    history = History(tmp_path / "h.sqlite")
    history.close()
    with (
        Keeper(history, lambda moment: moment, told.append) as keep,
        board_of(api, tmp_path, learners(NAMES), on_grades=keep) as board,
    ):
        api.put("pods", pod("mon-api-1"), "user-ana")
        wait_for(lambda: deployed(board, "ana"))
        wait_for(lambda: bool(told))
    assert len(told) == 1


# -- rights of one namespace at a time -------------------------------------------------------------


def test_each_person_s_own_rights_are_enough(api: WatchedApi, tmp_path: Path) -> None:
    api.alone = True
    api.denied.add("user-lia")
    with board_of(api, tmp_path, learners(NAMES)) as board:
        assert row(board, "lia").standing.kind == "unseen"
        assert "vous est fermé" in row(board, "lia").standing.finding
        api.put("pods", pod("mon-api-1"), "user-ana")
        wait_for(lambda: deployed(board, "ana"))
        api.denied.add("user-bob")
        api.cut()
        wait_for(lambda: bool(row(board, "bob").lost))
        assert not row(board, "ana").lost
        assert not board.news(0).lost


def test_too_many_namespaces_one_by_one_is_told(api: WatchedApi, tmp_path: Path) -> None:
    api.alone = True
    many = learners([f"p{number}" for number in range(MOST_ALONE + 1)])
    with pytest.raises(UsageError, match=str(MOST_ALONE)), board_of(api, tmp_path, many):
        pass


# -- how often the API server is asked -------------------------------------------------------------


def test_requests_keep_their_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", slept.append)
    pace = Pace(8.0)
    for _ in range(40):
        pace()
    assert slept == []
    pace()
    assert [*slept] == [pytest.approx(1 / 8)]
    assert not pace.spare
    now[0] = 10.0
    assert (pace.spare, pace.count) == (True, 41)
