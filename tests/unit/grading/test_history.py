"""The history of a class: one row a change, by the cluster's time, whoever is killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from checks.errors import CahierError
from checks.grading.history import APPLICATION, SCHEMA, Found, History
from checks.grading.results import Proof
from checks.verdict import Status

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


def found(points: int, of: int = 4, proof: Proof = "seen") -> Found:
    status = Status.PASSED if points else Status.FAILED
    return Found(status=status, decided=True, points=str(points), points_max=str(of), proof=proof)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History(tmp_path / "classe" / "historique.sqlite") as opened:
        yield opened


def test_a_change_is_a_row_and_the_same_again_is_none(history: History) -> None:
    assert history.record("alice", "tp5", {"a": found(0)}, at=at(0), seen_by="noter")
    assert not history.record("alice", "tp5", {"a": found(0)}, at=at(5), seen_by="suivi")
    assert history.record("alice", "tp5", {"a": found(4)}, at=at(7), seen_by="suivi")
    assert history.record("alice", "tp5", {"a": found(0)}, at=at(9), seen_by="noter")
    told = history.changes("alice", "tp5")
    assert [(int(one.points), one.at, one.last_seen, str(one.seen_by)) for one in told] == [
        (0, at(0), at(5), "noter"),
        (4, at(7), at(7), "suivi"),
        (0, at(9), at(9), "noter"),
    ]


def test_what_another_history_has_kept_is_taken_once(history: History, tmp_path: Path) -> None:
    with History(tmp_path / "autre.sqlite") as other:
        other.record("alice", "tp5", {"a": found(0)}, at=at(0), seen_by="suivi")
        other.record("alice", "tp5", {"a": found(4)}, at=at(4), seen_by="suivi", receipt=at(3))
        other.record("alice", "tp5", {"a": found(4)}, at=at(8), seen_by="suivi", receipt=at(3))
        kept = [one for changes in other.of_class().values() for one in changes]
    history.record("alice", "tp5", {"a": found(1)}, at=at(6), seen_by="noter")
    assert history.take(kept) == 2
    told = history.of_class()
    assert [one.at for one in told["alice", "tp5"]] == [at(0), at(4), at(6), at(8)]
    assert (told["alice", "tp5"][1].receipt, told["alice", "tp5"][1].seen_by) == (at(3), "suivi")
    assert history.take(kept) == 0
    assert history.of_class() == told


def test_what_cannot_be_taken_whole_is_not_taken(history: History, tmp_path: Path) -> None:
    with History(tmp_path / "autre.sqlite") as other:
        other.record("alice", "tp5", {"a": found(0)}, at=at(0), seen_by="suivi")
        [first] = other.changes("alice", "tp5")
    strange = replace(first, at=at(1), checks={"a": cast(Found, object())})
    with pytest.raises(TypeError):
        history.take([first, strange])
    assert not history.of_class()


def test_the_best_is_one_moment_and_never_pieces_of_two(history: History) -> None:
    history.record("bob", "tp4", {"a": found(4), "b": found(0)}, at=at(0), seen_by="noter")
    history.record("bob", "tp4", {"a": found(0), "b": found(3)}, at=at(1), seen_by="noter")
    best = history.best("bob", "tp4")
    assert best is not None
    assert best.change.points == 4


def test_of_equal_moments_the_one_seen_counts_and_the_first_tells_when(history: History) -> None:
    history.record(
        "bob", "tp5", {"a": found(4, proof="receipt")}, at=at(0), seen_by="noter", receipt=at(0)
    )
    history.record("bob", "tp5", {"a": found(4)}, at=at(10), seen_by="suivi")
    best = history.best("bob", "tp5")
    assert best is not None
    assert best.change.points_seen == 4
    assert (best.change.at, best.since) == (at(10), at(0))
    before = history.best("bob", "tp5", before=at(3))
    assert before is not None
    assert (int(before.change.points), int(before.change.points_seen)) == (4, 0)
    without = history.best("bob", "tp5", before=at(3), receipts=False)
    assert without is not None
    assert without.change.points_seen == 0
    assert history.best("bob", "tp5", before=at(-1)) is None


def test_what_is_told_late_takes_its_place_in_time_and_is_told_once(history: History) -> None:
    history.record("alice", "tp3", {"a": found(0)}, at=at(30), seen_by="noter")
    for _again in range(2):
        history.record(
            "alice", "tp3", {"a": found(4, proof="receipt")}, at=at(10), seen_by="noter",
            receipt=at(10),
        )  # fmt: skip
    assert [one.at for one in history.changes("alice", "tp3")] == [at(10), at(30)]
    assert set(history.of_class()) == {("alice", "tp3")}


def test_only_its_owner_reads_it_and_one_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "historique.sqlite"
    with History(path) as opened:
        opened.record("alice", "tp3", {"a": found(4)}, at=at(0), seen_by="noter")
        modes = {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    if sys.platform != "win32":
        assert modes == {0o600}
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_left_by_a_killed_creation_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "historique.sqlite"
    path.touch()
    with History(path) as opened:
        assert opened.record("alice", "tp3", {"a": found(4)}, at=at(0), seen_by="noter")


@pytest.mark.parametrize("what", ["text", "other table", "other program", "newer", "folder"])
def test_a_file_that_is_not_ours_is_left_alone_and_told(tmp_path: Path, what: str) -> None:
    path = tmp_path / "classe.csv"
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text("identifiant;nom\n" * 200)
    else:
        with sqlite3.connect(path) as base:
            base.execute("CREATE TABLE theirs (one)")
            if what != "other table":
                base.execute(
                    f"PRAGMA application_id = {7 if what == 'other program' else APPLICATION}"
                )
            base.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        base.close()
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(CahierError) as told:
        History(path)
    assert str(path) in told.value.message
    assert "--historique" in told.value.remedy
    assert ("plus récente" in told.value.message) == (what == "newer")
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_damaged_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "historique.sqlite"
    with History(path) as opened:
        for index in range(300):
            opened.record("alice", f"tp{index}", {"a": found(4)}, at=at(0), seen_by="noter")
    data = bytearray(path.read_bytes())
    data[4096:] = random.Random(7).randbytes(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(CahierError, match="ne peut être ni lu ni écrit"), History(path) as opened:
        opened.of_class()


def test_several_threads_share_one_and_several_open_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "historique.sqlite"

    def opened(number: int) -> None:
        with History(path) as one:
            for index in range(10):
                one.record(
                    f"p{number}", "tp3", {"a": found(index, 10)}, at=at(index), seen_by="suivi"
                )

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(opened, range(6)))
    with History(path) as one:
        assert {person: len(rows) for (person, _lab), rows in one.of_class().items()} == {
            f"p{number}": 10 for number in range(6)
        }
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: one.best("p1", "tp3"), range(20)))


WRITER = textwrap.dedent("""
    import os, sys
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    from checks.grading.history import Found, History
    from checks.verdict import Status

    path, person, first, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with History(path) as history:
        os.write(1, b"ready\\n")
        for index in range(first, last):
            check = Found(
                status=Status.PASSED, decided=True, points=str(index), points_max="1000000"
            )
            at = datetime(2026, 3, 12, tzinfo=UTC) + timedelta(seconds=index)
            history.record(person, "tp5", {"a": check}, at=at, seen_by="suivi")
            os.write(1, b"%d\\n" % index)
""")  # fmt: skip


def writer(path: Path, person: str, first: int, last: int = 1_000_000) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(path), person, str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def waiting(history: History, changes: Mapping[str, Mapping[str, Found]]) -> Mapping[str, object]:
    """What comes of each person's change, when all of them wait for the same turn."""

    def record(person: str) -> object:
        try:
            return history.record(person, "tp5", changes[person], at=at(0), seen_by="noter")
        except Exception as problem:
            return type(problem)

    with ThreadPoolExecutor(len(changes)) as pool:
        with history._turn:
            told = pool.map(record, changes)
            while len(history._waiting) < len(changes):
                time.sleep(0.01)
        return dict(zip(changes, told, strict=True))


def transactions(history: History, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One for each that is begun from now on."""
    begun: list[None] = []
    real = history._transaction

    def transaction() -> contextlib.AbstractContextManager[None]:
        begun.append(None)
        return real()

    monkeypatch.setattr(history, "_transaction", transaction)
    return begun


def test_those_who_wait_are_kept_together(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = {f"p{number}": {"a": found(number % 5)} for number in range(8)}
    begun = transactions(history, monkeypatch)
    assert waiting(history, people) == dict.fromkeys(people, True)
    assert len(begun) == 1
    assert waiting(history, people) == dict.fromkeys(people, False)
    told = {who: one.checks for (who, _), (one,) in history.of_class().items()}
    assert told == people


def test_one_that_cannot_be_kept_takes_nobody_with_it(history: History) -> None:
    people = {f"p{number}": {"a": found(number % 5)} for number in range(8)}
    strange = {"p3": {"a": cast(Found, object())}}
    assert waiting(history, people | strange) == dict.fromkeys(people, True) | {"p3": TypeError}
    assert {who for who, _ in history.of_class()} == people.keys() - strange.keys()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_twenty_times_it_has_lost_nothing_and_counted_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "historique.sqlite"
    draw = random.Random(int(os.environ.get("CAHIER_GRAINE", "7")))
    other = writer(path, "other", 0)  # another board, killed only at the end
    assert other.stdout is not None
    other.stdout.readline()
    told = 0
    for _kill in range(20):
        killed = writer(path, "killed", told)  # the last one again: its end may not have been heard
        assert killed.stdout is not None
        killed.stdout.readline()
        for _change in range(draw.randint(2, 12)):
            told = int(killed.stdout.readline())
        time.sleep(draw.uniform(0, 0.01))  # within a change: one takes a few milliseconds
        killed.send_signal(signal.SIGKILL)
        lines = killed.communicate()[0].splitlines(keepends=True)
        told = max([told, *(int(line) for line in lines if line.endswith(b"\n"))])
        with History(path) as history:
            kept = [one.points for one in history.changes("killed", "tp5")]
        assert kept in ([*range(told + 1)], [*range(told + 2)])  # one may be kept and not yet told
    other.send_signal(signal.SIGKILL)
    heard = other.communicate()[0].count(b"\n")
    with History(path) as history:
        kept = [one.points for one in history.changes("other", "tp5")]
    assert told > 20
    assert kept in ([*range(heard)], [*range(heard + 1)])
