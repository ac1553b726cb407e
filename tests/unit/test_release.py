"""What is published of a version is the same bytes each time, and says what it holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from release import __main__ as release
from release import archives, materials
from release.materials import CHECKOUT
from tests.support.wheel import built

_MOMENT = 1_700_000_000


def _folder(place: Path, order: list[str]) -> Path:
    folder = place / "site-0.1.0"
    for name in order:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        os.utime(file, (len(name), len(name)))
    return folder


def test_an_archive_is_that_of_its_files_and_of_nothing_else(tmp_path: Path) -> None:
    names = ["b/é.html", "a.txt", "b/a.html"]
    made = []
    for number, order in enumerate((names, names[::-1])):
        archive = tmp_path / f"{number}.tar.gz"
        archives.pack(_folder(tmp_path / str(number), order), archive, _MOMENT)
        made.append(archive.read_bytes())
    assert made[0] == made[1]
    with tarfile.open(tmp_path / "0.tar.gz") as tar:
        assert {one.name for one in tar if one.isfile()} == {f"site-0.1.0/{name}" for name in names}
        assert {(one.mtime, one.uid, one.uname) for one in tar} == {(_MOMENT, 0, "")}


def test_a_licence_is_told_as_exactly_as_the_package_does() -> None:
    parts = [
        {"name": "b", "version": "2", "licenses": [{"license": {"id": "MIT"}}]},
        {
            "name": "a",
            "version": "1",
            "licenses": [
                {"license": {"name": "License :: OSI Approved :: BSD License"}},
                {"expression": "BSD-3-Clause"},
            ],
        },
        {
            "name": "c",
            "version": "3",
            "licenses": [{"license": {"name": "License :: OSI Approved :: BSD License"}}],
        },
        {"name": "d", "version": "4"},
        {"name": "cahier-kubernetes", "version": "0.1.0"},
    ]
    rows = [line for line in materials.licences({"components": parts}).splitlines() if "| " in line]
    assert rows[1:] == [
        "| a | 1 | BSD-3-Clause |",
        "| b | 2 | MIT |",
        "| c | 3 | BSD License |",
        "| d | 4 | non dite |",
    ]


@pytest.mark.slow
def test_the_list_of_materials_is_whole_and_the_same_twice(tmp_path: Path) -> None:
    wheel = built(tmp_path)
    first, second = tmp_path / "un.json", tmp_path / "deux.json"
    materials.bill(wheel, tmp_path / "venv-un", first)
    materials.bill(wheel, tmp_path / "venv-deux", second)
    assert first.read_bytes() == second.read_bytes()
    listed = json.loads(first.read_text(encoding="utf-8"))
    assert listed["bomFormat"] == "CycloneDX"
    names = {part["name"] for part in listed["components"]}
    assert {"msgspec", "rich", "cryptography", "joserfc", "junitparser"} <= names
    assert str(tmp_path) not in first.read_text(encoding="utf-8")
    assert "non dite" not in materials.licences(listed)


def test_a_version_that_is_tagged_and_not_told_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ("git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x.fr")
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"], ["tag", "v0.2.0"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(release, "CHECKOUT", tmp_path)
    assert "« ## [0.2.0] »" in release.unannounced("0.2.0", "## [Non publié]\n")
    assert release.unannounced("0.2.0", "## [0.2.0] - 2026-12-01\n") == ""
    assert release.unannounced("0.1.0", "") == "", "this commit is no release"


def test_the_changes_are_told_as_keep_a_changelog_does() -> None:
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## \[([^]]+)\]", text, re.MULTILINE)
    assert parts[0] == "Non publié"
    assert "0.1.0" in parts
    kinds = {"Ajouté", "Modifié", "Obsolète", "Supprimé", "Corrigé", "Sécurité"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds


def test_the_licence_is_whole_and_the_citation_can_be_read() -> None:
    licence = (CHECKOUT / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("MIT License")
    assert "WITHOUT WARRANTY OF ANY KIND" in licence
    assert licence.rstrip().endswith("SOFTWARE.")
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == "MIT"


@pytest.mark.parametrize(
    "file", [".github/workflows/tests.yml", ".github/workflows/release.yml", ".gitlab-ci.yml"]
)
def test_continuous_integration_types_what_a_person_types(file: str) -> None:
    text = (CHECKOUT / file).read_text(encoding="utf-8")
    yaml.safe_load(text)
    made = set(re.findall(r"\bmake ([a-z]+)", text))
    known = set(
        re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert made | set(re.findall(r"\.ci/(\w+)", text))
    assert made <= known
