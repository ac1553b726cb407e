"""The private engine leaves the machine as it was, whatever ends it. A second engine beside the
cluster's own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

NAME = "cahier-essai"
ROOT = Path(__file__).parents[2]
# one link with its address, one cgroup: its own
WHILE_IT_RUNS = {
    "links",
    "addresses",
    "cgroups",
    "mounts",
}


def engine(*words: str, state: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "CAHIER_ENGINE_NAME": NAME,
        "CAHIER_ENGINE_NETWORK": "198.18.87",
        "XDG_STATE_HOME": str(state),
    }
    return subprocess.run(
        [sys.executable, "-m", "engine", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def state() -> Iterator[Path]:
    from engine import private_engine

    reason = private_engine.unsupported()
    if reason is not None:
        pytest.skip(f"NO PRIVATE ENGINE HERE: {reason}")
    with tempfile.TemporaryDirectory(prefix="cahier-") as short:  # the engine's socket lies in it
        yield Path(short)
        engine("down", state=Path(short))


def fingerprint(state: Path) -> dict[str, str]:
    lines = engine("fingerprint", state=state).stdout.splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def dockerd(state: Path) -> psutil.Process:
    written = (state / "cahier-kubernetes" / "engine" / "first-process").read_text()
    for process in psutil.Process(int(written.split()[0])).children():
        if process.name() == "dockerd":
            return process
    raise AssertionError("dockerd does not run")


def test_the_machine_is_left_as_it_was_also_after_a_kill(state: Path) -> None:
    before = fingerprint(state)
    assert {
        "forwarding",
        "nft rules",
        "iptables rules",
        "links",
        "mounts",
        "cgroups",
        "/etc",
    } <= set(before)

    up = engine("up", state=state)
    assert up.returncode == 0, up.stderr
    during = fingerprint(state)
    changed = {name for name in before if before[name] != during[name]}
    assert changed <= WHILE_IT_RUNS, changed
    assert set(during["links"].split()) - set(before["links"].split()) == {f"{NAME}-h"}

    dockerd(state).kill()
    assert engine("up", state=state).returncode == 0, "it comes back after a kill"
    dockerd(state)

    assert engine("down", state=state).returncode == 0
    assert fingerprint(state) == before
    assert engine("down", state=state).returncode == 0, "twice is harmless"
    assert fingerprint(state) == before


def test_a_state_folder_too_deep_for_a_socket_is_told_before_anything_starts(
    tmp_path: Path,
) -> None:
    done = engine("up", state=tmp_path / ("profond" * 16))
    assert done.returncode == 1
    assert "trop long" in done.stderr
    assert "XDG_STATE_HOME" in done.stderr


def test_nothing_inside_reaches_beyond_the_engine(state: Path) -> None:
    assert engine("up", state=state).returncode == 0
    inside = ["nsenter", f"--target={dockerd(state).pid}", "--net"]
    words = fingerprint(state)["addresses"].split()
    host = next(word.split("=")[1] for word in words if word.startswith(f"{NAME}-h"))
    # the machine's end of the link; an address of nobody's
    addresses = [
        host.partition("/")[0],
        "192.0.2.1",
    ]
    for address in addresses:
        attempt = [*inside, "timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{address}/22"]
        done = subprocess.run(attempt, capture_output=True, text=True, check=False)
        assert done.returncode == 1, f"{address}: refused at once, not left waiting"
        assert "refused" in done.stderr
