"""How far a compilation is, told from what Go says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import compiler, processes
from engine.problems import EngineProblem

if os.name == "nt":
    pytest.skip("the engine needs Linux", allow_module_level=True)


def program(folder: Path, *lines: str) -> Path:
    file = folder / "go"
    file.write_text("\n".join(["#!/bin/sh", *lines]), encoding="utf-8")
    file.chmod(0o755)
    return file


def _watched(monkeypatch: pytest.MonkeyPatch, go: Path, told: list[str]) -> processes.Tell:
    monkeypatch.setattr(compiler, "go", lambda: go)
    return compiler.Compiler(go.parent, "")._counted("./cmd/cluster", [], told.append)


def test_what_is_compiled_already_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    states = "false true " * 1500
    watch = _watched(monkeypatch, program(tmp_path, f"printf '%s\\n' {states}"), told)
    assert told == ["téléchargement des sources"]
    compiled = [f"k8s.io/package/{number}" for number in range(1499)]
    watch("go: downloading k8s.io/api v0.37.2\n")
    watch("\n".join(compiled[:10]))
    watch("\n".join(compiled))
    watch("\n".join([*compiled, "cahier/engine/cmd/cluster"]))
    assert told[1:] == [
        "1\u202f500 paquets sur 3\u202f000",
        "1\u202f510 paquets sur 3\u202f000",
        "2\u202f999 paquets sur 3\u202f000",
        "assemblage",
    ]


def test_a_go_that_lists_nothing_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    _watched(monkeypatch, program(tmp_path, "exit 1"), told)("k8s.io/api")
    assert told == ["téléchargement des sources"]


def test_a_program_is_watched_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(processes, "_LOOKS", 0.05)
    heard: list[str] = []
    words = ["sh", "-c", "echo un; sleep 0.3; echo deux; sleep 0.3; exit 3"]
    with pytest.raises(EngineProblem, match="L’essai n'a pas abouti"):
        processes.run(words, log="essai", purpose="L’essai", watch=heard.append)
    assert heard[0].split() in ([], ["un"])
    assert heard[-1].split() == ["un", "deux"]
