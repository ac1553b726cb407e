"""The tasks of VSCode: those of a started lab, and those of the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from checks.lab import Lab, all_labs

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path / "etat"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "aucun"))
    monkeypatch.delenv("TERM_PROGRAM", raising=False)


def cahier(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cahier", *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def tasks(file: Path) -> dict[str, dict[str, Any]]:
    return {one["label"]: one for one in json.loads(file.read_text(encoding="utf-8"))["tasks"]}


@pytest.mark.parametrize(
    "lab", [lab for lab in all_labs() if lab.files("depart")], ids=lambda lab: lab.short_name
)
def test_a_started_lab_is_verified_by_one_key(lab: Lab, tmp_path: Path) -> None:
    assert cahier("commencer", lab.short_name, cwd=tmp_path).returncode == 0
    given = tasks(tmp_path / lab.name / ".vscode" / "tasks.json")
    assert [*given] == ["Vérifier", "Indice"]
    assert given["Vérifier"]["group"] == {"kind": "build", "isDefault": True}
    assert given["Vérifier"]["args"] == ["verifier", lab.short_name]
    assert given["Indice"]["args"] == ["indice", lab.short_name]


def test_each_task_runs_as_it_is_written(tmp_path: Path) -> None:
    cahier("commencer", "tp2", cwd=tmp_path)
    folder = tmp_path / "tp2_port_forward"
    for task in tasks(folder / ".vscode" / "tasks.json").values():
        assert task["options"]["cwd"] == str(folder)
        done = subprocess.run(
            [task["command"], *task["args"]],
            cwd=task["options"]["cwd"],
            env={**os.environ, "KUBECONFIG": "", **task["options"]["env"], "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        said = done.stdout + done.stderr
        assert str(tmp_path / "aucun") in said, said


def test_tasks_of_one_s_own_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "tp2_port_forward" / ".vscode" / "tasks.json"
    file.parent.mkdir(parents=True)
    file.write_text("// à moi", encoding="utf-8")
    for words in (["commencer", "tp2"], ["commencer", "tp2", "--ecraser"]):
        assert cahier(*words, cwd=tmp_path).returncode == 0
        assert file.read_text(encoding="utf-8") == "// à moi"


def test_a_folder_where_none_can_be_written_does_not_keep_a_lab_from_being_started(
    tmp_path: Path,
) -> None:
    (tmp_path / "tp2_port_forward").mkdir()
    (tmp_path / "tp2_port_forward" / ".vscode").touch()
    done = cahier("commencer", "tp2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Ctrl+Maj+B" not in done.stdout


def test_the_key_is_told_in_vscode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Ctrl+Maj+B" not in cahier("commencer", "tp2", cwd=tmp_path).stdout
    monkeypatch.setenv("TERM_PROGRAM", "vscode")
    assert "Ctrl+Maj+B" in cahier("commencer", "tp5", cwd=tmp_path).stdout


def test_the_checkout_s_tasks_ask_for_any_lab() -> None:
    file = CHECKOUT / ".vscode" / "tasks.json"
    (asked,) = json.loads(file.read_text(encoding="utf-8"))["inputs"]
    assert asked["options"] == [lab.short_name for lab in all_labs()]
    for task in tasks(file).values():
        program = task["command"].replace("${workspaceFolder}", str(CHECKOUT))
        assert program.endswith("/.venv/bin/cahier")
        assert task["args"][1] == f"${{input:{asked['id']}}}"
        assert shutil.which("cahier"), "the tests' own"


def test_the_container_is_made_by_a_command_of_the_makefile() -> None:
    made = json.loads((CHECKOUT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    target = made["postCreateCommand"].removeprefix("make ")
    assert re.search(rf"^{target}:", (CHECKOUT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert made["remoteEnv"]["PATH"].startswith("${containerWorkspaceFolder}/.venv/bin:")
    assert made["image"].rpartition(":")[2] >= "3.11"
