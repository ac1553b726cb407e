"""Machines that lack something: a home that is full or read-only, no git, no network, a console of
Windows, an old Python. One sentence and the way out, and nothing half made.

Mounts and networks are those of a namespace of the test's own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checks.lab import find_lab
from tests.conftest import PROGRAMS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
FULL = "mount -t tmpfs -o size=64k tmpfs $HOME; head -c 1m /dev/zero >$HOME/plein 2>/dev/null"
READ_ONLY = "mount -t tmpfs tmpfs $HOME; mount -o remount,ro $HOME"
WHOLE = frozenset(find_lab("tp2").files("depart"))


class Machine:
    """A shell in namespaces of its own, with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "HOME": str(home),
            "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
        }

    def run(self, *lines: str, apart: str = "--mount") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", apart, "sh", "-c", "\n".join(lines)],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if sys.platform != "linux" or subprocess.run(["unshare", "--mount", "true"]).returncode:
        pytest.skip("NO MOUNT NAMESPACE: machines that lack something are not tried")
    home = tmp_path / "home"
    home.mkdir()
    return Machine(home)


@pytest.mark.parametrize(
    ("lacks", "why", "way_out"),
    [
        (FULL, "le disque est plein", "Libérez de la place"),
        (READ_ONLY, "ce dossier est en lecture seule", "Allez dans un dossier où vous pouvez"),
    ],
    ids=["full", "read-only"],
)
def test_a_home_that_cannot_be_written_is_told_with_its_place(
    machine: Machine, lacks: str, why: str, way_out: str
) -> None:
    done = machine.run(lacks, "cd $HOME", "cahier commencer tp2")
    assert done.returncode == 3, done
    assert f"({machine.home}/tp2_port_forward" in done.stderr
    assert why in done.stderr
    assert f"→ {way_out}" in done.stderr
    assert "labs/" not in done.stderr, "where it comes from is of no help"


def test_what_a_full_disk_cut_short_begins_afresh(machine: Machine) -> None:
    done = machine.run(
        FULL,
        "cd $HOME",
        "cahier commencer tp2 2>/dev/null",
        "rm plein",
        "cahier commencer tp2 >/dev/null && cat tp2_port_forward/*",
    )
    assert done.returncode == 0, done
    assert done.stdout == "".join(
        (find_lab("tp2").folder / "depart" / name).read_text("utf-8") for name in sorted(WHOLE)
    )


@pytest.mark.parametrize("lacks", [FULL, READ_ONLY], ids=["full", "read-only"])
@pytest.mark.parametrize("words", ["", "lister", "enonce tp2", "demo --enregistrement"])
def test_what_only_shows_needs_no_room(machine: Machine, lacks: str, words: str) -> None:
    done = machine.run(lacks, "cd $HOME", f"cahier {words}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "TP" in done.stdout


def test_without_git_everything_works(machine: Machine, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "env", "uname"):
        (programs / name).symlink_to(str(shutil.which(name)))
    machine.environment["PATH"] = f"{PROGRAMS}:{programs}"
    done = subprocess.run(
        ["cahier", "commencer", "tp2"],
        env=machine.environment,
        cwd=machine.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    made = {file.name for file in (machine.home / "tp2_port_forward").iterdir()}
    assert made == WHOLE | {".vscode"}


def test_without_a_network_the_cluster_is_told_to_be_out_of_reach(machine: Machine) -> None:
    config = machine.home / "kubeconfig"
    config.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, "
        "clusters: [{name: c, cluster: {server: 'https://apiserver.exemple.invalid:6443'}}], "
        "users: [{name: u, user: {token: t}}], "
        "contexts: [{name: c, context: {cluster: c, user: u, namespace: user-alice}}]}",
        encoding="utf-8",
    )
    machine.environment["KUBECONFIG"] = str(config)
    done = machine.run(
        "cahier verifier tp1 --delai 0s; cahier demo --enregistrement | head -n 1", apart="--net"
    )
    assert "apiserver.exemple.invalid" in done.stdout + done.stderr
    assert "cahier diagnostiquer" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "Démonstration enregistrée" in done.stdout


@pytest.mark.parametrize("encoding", ["cp1252", "cp850", "ascii"])
def test_a_console_of_windows_is_no_trouble(machine: Machine, encoding: str) -> None:
    machine.environment |= {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LANG": "C"}
    done = machine.run("cahier lister; cahier enonce tp2; cahier verifier tp99")
    assert "Se connecter au cluster" in done.stdout
    assert "✘ « tp99 »" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_python_is_told_by_make(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")  # as `sys.version_info < (3, 11)`
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={old}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "✘ Il faut Python 3.11 ou plus récent : make PYTHON=python3.12" in done.stderr
    assert not (tmp_path / ".venv").exists()
