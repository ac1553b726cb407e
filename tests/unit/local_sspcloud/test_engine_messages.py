"""Recorded words of engines, registries, kind and nodes, replayed by stand-in programs: what the
learner is told.

Each file of `engine_messages/` has headers (where the words come from, which program says them with
which exit code, what the learner must read) and the words themselves. Those of kind were printed by
kind v0.33.0 itself, around what the engine said; those of containerd are of a pod that waits for
its image.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import Parser
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from checks import places, registries
from checks.capabilities import Cluster
from checks.cli import main
from checks.diagnosis.workloads.readiness import not_ready
from checks.doctor import machine
from checks.doctor.lines import State
from checks.errors import EXIT_UNVERIFIED
from checks.facts import Container, Pod
from checks.local_sspcloud import engine, messages

FOLDER = Path(__file__).parent / "engine_messages"
JOURNAL = "--- the node’s journal ---\n"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

# Says what was recorded, or lives as an engine with one container does.
ENGINE = """#!/bin/sh
[ ! -e "$SAID" ] || { cat "$SAID" >&2; exit "$CODE"; }
case "$1" in
info) echo 28.3.1 ;;
ps) [ ! -e "$BEGUN" ] || printf 'cahier-control-plane\\tUp 2 minutes\\n' ;;
logs) cat "$JOURNAL" ;;
rm) rm -f "$BEGUN" ;;
esac
"""
KIND = """#!/bin/sh
case "$1" in
version) echo kind v0.33.0 go1.26.1 linux/amd64 ;;
create) touch "$BEGUN"; cat "$KIND_SAID"; exit "$CODE" ;;
delete) rm -f "$BEGUN" ;;
esac
"""


@dataclass(frozen=True)
class Recorded:
    """One file."""

    name: str
    program: str
    code: str
    shows: str
    remedy: str
    words: str
    journal: str
    engine: str = "docker"


def _read(path: Path) -> Recorded:
    parsed = Parser().parsestr(path.read_text(encoding="utf-8"))
    assert parsed["source"], f"{path.name}: where do these words come from?"
    words, _, journal = cast(str, parsed.get_payload()).partition(JOURNAL)
    program = parsed["program"]
    used = parsed["engine"] or (program if program in ("docker", "podman", "nerdctl") else "docker")
    return Recorded(
        path.stem,
        program,
        parsed["exit"] or "",
        parsed["shows"],
        parsed["remedy"],
        words,
        journal,
        engine=used,
    )


RECORDED = [_read(path) for path in sorted(FOLDER.glob("*.txt"))]
OF_ENGINES = [one for one in RECORDED if one.program in ("docker", "podman", "nerdctl")]
OF_KIND = [one for one in RECORDED if one.program == "kind"]
OF_PODS = [one for one in RECORDED if one.program == "containerd"]


@dataclass
class Machine:
    """A machine with one engine and kind, both of them stand-ins, and no private engine."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    environment: dict[str, Path] = field(default_factory=dict)

    def replay(self, recorded: Recorded) -> None:
        """Install the programs that say these words."""
        for variable, name in (
            ("SAID", "said"),
            ("KIND_SAID", "kind"),
            ("JOURNAL", "journal"),
            ("BEGUN", "begun"),
        ):
            self.monkeypatch.setenv(variable, str(self.folder / f"{name}.txt"))
        self.monkeypatch.setenv("CODE", recorded.code)
        (self.folder / "journal.txt").write_text(recorded.journal, encoding="utf-8")
        said = "kind" if recorded.program == "kind" else "said"
        (self.folder / f"{said}.txt").write_text(recorded.words, encoding="utf-8")
        for name, script in ((recorded.engine, ENGINE), ("kind", KIND)):
            (self.folder / "bin" / name).write_text(script, encoding="utf-8")
            (self.folder / "bin" / name).chmod(0o755)

    def create(self) -> tuple[int, str]:
        """Type `cahier cluster creer`: its exit code, and what it says without its line breaks."""
        self.monkeypatch.setattr(sys, "argv", ["cahier", "cluster", "creer"])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = self.capture.readouterr()
        assert shown.out == ""
        return int(cast(int, ended.value.code)), " ".join(shown.err.split())


@pytest.fixture
def own_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Machine:
    (tmp_path / "bin").mkdir()
    for name in ("cat", "rm", "touch", "printf"):
        (tmp_path / "bin" / name).symlink_to(
            f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}"
        )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path / "state"))
    for variable in (
        "KIND_EXPERIMENTAL_PROVIDER",
        "DOCKER_HOST",
        "CONTAINER_HOST",
        "CAHIER_IMAGE_NOEUD",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(engine, "_private_module", lambda: None)
    monkeypatch.setattr(messages, "_LINUX", True)
    return Machine(tmp_path, capsys, monkeypatch)


@POSIX
@pytest.mark.parametrize("recorded", OF_ENGINES, ids=lambda one: one.name)
def test_an_engine_that_does_not_answer(own_machine: Machine, recorded: Recorded) -> None:
    own_machine.replay(recorded)
    code, said = own_machine.create()
    message, _, remedy = said.partition("→ ")
    assert (code, message[:2]) == (EXIT_UNVERIFIED, "✘ ")
    assert recorded.shows in message
    assert recorded.remedy in remedy
    line = machine.engines(engine.installed(), needed=True)
    assert (line.status, line.found in message, line.remedy in remedy) == (
        State.FAILED,
        True,
        True,
    ), line


@POSIX
@pytest.mark.parametrize("recorded", OF_KIND, ids=lambda one: one.name)
def test_a_cluster_that_cannot_be_made(own_machine: Machine, recorded: Recorded) -> None:
    own_machine.replay(recorded)
    code, said = own_machine.create()
    message, _, remedy = said.partition("→ ")
    assert code == EXIT_UNVERIFIED
    assert recorded.shows in message
    assert recorded.remedy in remedy
    assert "kind.log" in remedy
    assert not Path(os.environ["BEGUN"]).exists(), "what was begun is removed"
    assert {path.name for path in places.folder().iterdir()} == {"lock", "kind.log"}
    line = machine.kind(engine.installed(), needed=True)
    assert line.status is State.FAILED
    assert recorded.shows in line.found
    assert recorded.remedy in line.remedy


@pytest.mark.parametrize("recorded", OF_PODS, ids=lambda one: one.name)
def test_a_pod_without_its_image(recorded: Recorded) -> None:
    waiting = Container(
        "app", "some/image:1", waiting_reason="ImagePullBackOff", waiting_message=recorded.words
    )
    pod = Pod(
        "p", "user-alice", "u", {}, "Pending", False, False, "", (waiting,), datetime.now(UTC)
    )
    diagnostic = not_ready(
        cast(Cluster, SimpleNamespace(namespace="user-alice")), pod, "Appliquez."
    )
    assert diagnostic is not None
    assert recorded.shows in diagnostic.cause
    assert recorded.remedy in diagnostic.fix


def test_each_row_has_words_that_lead_to_it() -> None:
    told = {row.sign for table in (messages.ENGINE, messages.KIND, messages.NODE) for row in table}
    told |= {refusal.sign for refusal in registries.REGISTRY}
    reached = set()
    for one in RECORDED:
        unpulled = one.program == "containerd" or "failed to pull image" in one.words
        refusal = registries.unpulled_image(one.words) if unpulled else None
        rows = [
            messages._found(messages.ENGINE, one.words),
            messages._found(messages.KIND, one.words),
        ]
        rows.append(messages._found(messages.NODE, one.journal))
        reached |= {found.sign for found in (refusal, *rows) if found is not None}
    assert told - reached == set()
