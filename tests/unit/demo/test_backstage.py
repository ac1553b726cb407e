"""The first start: the recordings are shown while another process makes the cluster."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from checks.capabilities import Cluster
from checks.demo import backstage
from checks.demo.screen import Screen
from checks.errors import CahierError
from checks.lab import Lab, all_labs
from checks.verdict import Status, Verdict
from tests.support.waiting import until

pytestmark = pytest.mark.slow

STEP = '{"step": "Compilation de Kubernetes", "seconds": 900, "far": "%s"}'


def maker(folder: Path, *lines: str) -> Sequence[str]:
    """The command of a process that makes something, for as long as these lines of Python take."""
    folder.mkdir(exist_ok=True)
    file = folder / "maker.py"
    file.write_text("\n".join(["import sys, time", *lines]), encoding="utf-8")
    return [sys.executable, "-u", str(file)]


def says(text: str) -> str:
    return f"print({text!r}, flush=True)"


def screen(width: int = 80, terminal: bool = False) -> Screen:
    shown = Screen()
    shown.console = Console(file=io.StringIO(), width=width, force_terminal=terminal)
    return shown


def told(shown: Screen) -> str:
    assert isinstance(shown.console.file, io.StringIO)
    return shown.console.file.getvalue()


def test_the_recordings_are_shown_then_the_cluster_is_there(tmp_path: Path) -> None:
    shown = screen()
    far = STEP % "12 paquets sur 3 000"
    backstage.make(shown, maker(tmp_path, says(far), "time.sleep(1)"))
    said = told(shown)
    assert said.startswith("Démonstration enregistrée")
    assert "un quart d’heure" in " ".join(said.split())
    assert "Compilation de Kubernetes… (12 paquets sur 3 000, ≈ 15 min)" in said
    assert said.rstrip().endswith("la suite est jouée pour de vrai.")


def test_a_terminal_leaves_the_time_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backstage, "_READING_SECONDS", 0.5)
    shown, made = screen(terminal=True), tmp_path / "made"
    verdicts: list[Status] = []

    def show(lab: Lab, cluster: Cluster, verdict: Verdict, *_: object) -> None:
        verdicts.append(verdict.status)
        if len(verdicts) == 3:
            made.touch()

    monkeypatch.setattr(shown, "verdict", show)
    until_made = f"while not pathlib.Path({str(made)!r}).exists(): time.sleep(0.02)"
    backstage.make(shown, maker(tmp_path, "import pathlib", says(STEP % "12 paquets"), until_made))
    said = told(shown)
    assert 3 <= len(verdicts) < 2 * len(all_labs()), "it ends once the cluster is there"
    assert "Compilation de Kubernetes" in said


def test_what_keeps_the_cluster_from_being_made_is_told(tmp_path: Path) -> None:
    problem = '{"problem": "Le disque est plein.", "remedy": "Libérez de la place."}'
    with pytest.raises(CahierError, match="Le disque est plein") as told:
        backstage.make(screen(), maker(tmp_path, says(problem)))
    assert told.value.remedy == "Libérez de la place."


def test_a_process_that_breaks_has_not_made_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(CahierError, match="s’est arrêtée"):
        backstage.make(screen(), maker(tmp_path, "sys.exit(3)"))


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_who_is_told_to_end_ends_the_other_process(tmp_path: Path, name: str) -> None:
    pid = tmp_path / "pid"
    command = maker(
        tmp_path,
        "import os, pathlib",
        f"pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))",
        "time.sleep(60)",
    )
    parent = maker(
        tmp_path / "parent",
        "from checks.demo import backstage",
        "from checks.demo.screen import Screen",
        "from checks.unforeseen import guarded",
        f"guarded(lambda: backstage.make(Screen(), {command!r}) or 0)",
    )
    process = subprocess.Popen(parent, stdout=subprocess.DEVNULL)
    until(lambda: pid.exists() and pid.read_text())
    time.sleep(0.5)
    process.send_signal(getattr(signal, name))
    assert process.wait(30) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
