"""A command that is told to end takes away what it has begun, and what a killed one left is
cleared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from checks import files, interruption, waiting
from checks.access import kubectl
from checks.process import VARIABLE, has_ended, is_here, mark

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

ENDED = f"{mark().partition('.')[0]}.1.1000000000"
"""The mark of a process of this machine whose number is somebody else's since."""


@pytest.fixture(autouse=True)
def _end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was told to end does not go on as if nothing were: this one does."""
    monkeypatch.setattr(interruption._state, "until", None)


def told(number: signal.Signals = signal.SIGTERM) -> None:
    """This very process is told to end."""
    os.kill(os.getpid(), number)
    time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_interrupts_and_what_was_begun_is_undone(number: signal.Signals) -> None:
    undone: list[str] = []
    before = signal.getsignal(number)
    with (
        pytest.raises(KeyboardInterrupt),
        interruption.heard(),
        interruption.undone(lambda: undone.append("it")),
    ):
        told(number)
    assert undone == ["it"]
    assert signal.getsignal(number) is before


def test_a_signal_that_comes_while_something_is_undone_waits_for_its_end() -> None:
    done: list[str] = []

    def undo() -> None:
        told()
        done.append("undone")

    def work() -> None:
        with interruption.undone(undo):
            done.append("begun")
        done.append("never")

    with pytest.raises(KeyboardInterrupt), interruption.heard():
        work()
    assert done == ["begun", "undone"]


def test_signals_that_follow_the_first_change_nothing() -> None:
    done: list[str] = []

    def undo() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            told(number)
        done.append("undone")

    with pytest.raises(KeyboardInterrupt), interruption.heard(), interruption.undone(undo):
        told(signal.SIGINT)
    assert done == ["undone"]


def test_what_lost_its_context_is_undone_at_the_end() -> None:
    done: list[str] = []
    with interruption.heard():
        interruption._state.to_undo[object()] = lambda: done.append("undone")
    assert done == ["undone"]


def test_threads_stop_waiting_too() -> None:
    ended: list[str] = []

    def wait() -> None:
        try:
            interruption.pause(60)
        except KeyboardInterrupt:
            ended.append("stopped")

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(KeyboardInterrupt), interruption.heard():
        told()
    thread.join(10)
    assert ended == ["stopped"]


def test_what_is_started_in_the_background_does_not_hear_ctrl_c() -> None:
    script = (
        "import os, signal; from checks import interruption\n"
        "with interruption.heard(): os.kill(os.getpid(), signal.SIGINT)"
    )
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, script]
    assert subprocess.run(command, check=False).returncode == 0


# -- what a killed process leaves ------------------------------------------------------------------


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_only_a_process_that_is_no_more_has_ended(other: subprocess.Popen[bytes]) -> None:
    own = mark().partition(".")[0]
    start = f"{psutil.Process(other.pid).create_time():.0f}"
    assert not has_ended(mark())
    assert not has_ended(f"{own}.{other.pid}.{start}")
    assert has_ended(f"{own}.{other.pid}.1000000000")
    assert not has_ended(f"ailleurs.{other.pid}.1000000000")
    assert not is_here("")
    os.kill(other.pid, signal.SIGKILL)
    until_zombie(other.pid)
    assert has_ended(f"{own}.{other.pid}.{start}"), "nobody has read its end yet"
    other.wait()
    assert has_ended(f"{own}.{other.pid}.{start}")


def until_zombie(pid: int) -> None:
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def test_the_folders_and_files_of_a_killed_process_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with files.scratch() as own:
        dead = tmp_path / Path(own).name.replace(mark(), ENDED)
        dead.mkdir()
        (dead / "kubeconfig").write_text("token: secret")
        (tmp_path / "cahier-autre").mkdir()
        files.sweep_scratch()
        assert {one.name for one in tmp_path.iterdir()} == {Path(own).name, "cahier-autre"}
    torn, others = (tmp_path / f".{whose}-x.cahier-en-cours" for whose in (ENDED, mark()))
    torn.write_text("key")
    others.write_text("being written")
    files.write_atomically(tmp_path / "alice.kubeconfig", b"new")
    assert not torn.exists()
    assert others.exists()


def test_a_kubectl_that_a_killed_process_left_open_is_ended(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.symlink_to("/bin/sleep")
    left, ours = (
        subprocess.Popen([program, "60"], env={**os.environ, VARIABLE: whose})
        for whose in (ENDED, mark())
    )
    try:
        kubectl.sweep()
        assert left.wait(10) == -signal.SIGKILL
        assert ours.poll() is None
    finally:
        for process in (left, ours):
            process.kill()
            process.wait()


# -- what is waited for ----------------------------------------------------------------------------


def test_a_wait_that_lasts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_LOOKS", 0.01)
    heard: list[str] = []

    def eventually(said: Callable[[], bool]) -> None:
        while not said():
            time.sleep(0.01)

    monkeypatch.setattr(waiting, "LASTS", 0.0)
    with waiting.told(heard.append):
        with waiting.waiting_for("le premier"), waiting.waiting_for("le second"):
            eventually(lambda: heard == ["le second"])
        eventually(lambda: heard == ["le second", ""])
    assert not waiting.lasting(0)


_ASKS = """
import os, signal, threading, time
from types import SimpleNamespace
from checks import interruption
from checks.diagnosis.rights import leaks
from checks.facts import Access
start = threading.Thread.start

def start_then_interrupt(thread):
    start(thread)
    os.kill(os.getpid(), signal.SIGINT)

def may_other(*_, **__):
    time.sleep(0.01)  # as a server answers: what is known already needs no thread
    return Access(False)

threading.Thread.start = start_then_interrupt
cluster = SimpleNamespace(may_other=may_other)
with interruption.heard():
    bob = leaks.Person("oidc-bob", "bob")
    asked = [leaks.Request(verb, resource="pods") for verb in ("get", "list")]
    leaks._answers(cluster, bob, asked)
"""


def test_a_signal_while_threads_that_ask_start_leaves_none_of_them_waiting() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASKS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
