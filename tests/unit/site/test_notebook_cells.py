"""What the cells of a lab's notebook do where they are run: here or on the platform, all at once or
not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Page

from checks.lab import Lab, all_labs, find_lab
from checks.site.notebook import CLEANING, drawn, notebook

LABS = list(all_labs())
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
PROGRAMS = ("cahier", "curl", "kubectl", "psql", "sleep")
TYPED = """#!/bin/sh
echo "$(basename "$0") $*" >> "$TYPED"
case "$*" in
    *port-forward*) echo "Forwarding from 127.0.0.1" ;;
    "cluster kubeconfig"*) test -n "$CLUSTER" && echo "/local/$3" ;;
esac
"""
Run = Callable[..., str]


@pytest.fixture
def bash(tmp_path: Path) -> Run:
    """Runs lines in a shell whose programs write what was asked of them; what bash said."""
    for name in PROGRAMS:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(TYPED, encoding="utf-8")
        program.chmod(0o755)

    def run(*lines: str, **given: str) -> str:
        own = {
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(tmp_path),
            "TYPED": str(tmp_path / "typed"),
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            cwd=tmp_path,
            env={**own, **given},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert "syntax error" not in done.stderr, done.stderr
        return done.stdout

    return run


def code(lab: Lab, *, corrected: bool = False) -> list[str]:
    cells = notebook(lab, corrected=corrected).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def last_part(lab: Lab) -> list[str]:
    """The cells under « Nettoyer »."""
    cells = code(lab)
    first = next(number for number, source in enumerate(cells) if f"# {CLEANING}" in source)
    return cells[first:]


def typed(folder: Path) -> Sequence[str]:
    file = folder / "typed"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"CLUSTER": "1"}, "local /local/bob"),
        ({}, "sspcloud "),
        ({"CLUSTER": "1", "KUBECONFIG": "/a/moi"}, "sspcloud /a/moi"),
        ({"CLUSTER": "1", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "sspcloud "),
        ({"CLUSTER": "1", "ou": "sspcloud"}, "sspcloud "),
        ({"CLUSTER": "1", "KUBECONFIG": "/a/moi", "ou": "local"}, "local /local/bob"),
    ],
)
def test_the_first_cell_finds_where_one_is_and_says_so(
    given: dict[str, str], where: str, bash: Run
) -> None:
    first = code(find_lab("tp5"))[0]
    said = bash(first, 'echo "$ou $KUBECONFIG"', **given).splitlines()
    assert said[-1] == where
    assert ("petit SSPCloud local, où vous êtes bob" in said[0]) == where.startswith("local")
    assert bash(first, first, 'echo "$ou $KUBECONFIG"', **given).splitlines()[-1] == where


def test_a_configuration_of_one_s_own_is_not_left_for_another(bash: Run, tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    said = bash(code(find_lab("tp5"))[0], 'echo "$ou $KUBECONFIG"', CLUSTER="1")
    assert said.splitlines()[-1] == "sspcloud "


@each_lab
def test_on_the_platform_nothing_is_asked_of_a_local_cluster(
    lab: Lab, bash: Run, tmp_path: Path
) -> None:
    (tmp_path / lab.name).mkdir()
    bash(*code(lab, corrected=True), ou="sspcloud", BOB="", CHLOE="", nettoyer="oui")
    asked = typed(tmp_path)
    assert f"cahier verifier {lab.short_name}" in " ".join(asked)
    assert [one for one in asked if one.startswith(("cahier cluster", "cahier catalogue"))] == []
    for name, text in lab.files("solution").items():
        assert (tmp_path / lab.name / name).read_text(encoding="utf-8") == text


@each_lab
def test_running_all_cleans_nothing_up(lab: Lab, bash: Run, tmp_path: Path) -> None:
    bash(*last_part(lab), CLUSTER="1", ou="local")
    assert typed(tmp_path) == []
    script = tmp_path / "connexion.sh"  # all that lab 1 leaves
    script.touch()
    wanted = [one.replace(f"# {CLEANING}", CLEANING) for one in last_part(lab)]
    bash(*wanted, ou="local")
    asked = [one for one in typed(tmp_path) if "nettoyer" in one or "arreter" in one]
    assert asked or not script.exists()


@each_lab
def test_the_files_to_complete_are_written_by_a_cell(lab: Lab, bash: Run, tmp_path: Path) -> None:
    for name, text in lab.files("depart").items():
        (cell,) = [source for source in code(lab) if source.startswith(f"cat > {name} <<")]
        bash(cell)
        assert (tmp_path / name).read_text(encoding="utf-8") == text


def test_diagrams_are_pictures_that_ask_nothing_of_the_network(page: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    books = {
        lab.name: notebook(lab, corrected=False, draw=lambda source: drawn(page, source))
        for lab in LABS
    }
    again = notebook(LABS[0], corrected=False, draw=lambda source: drawn(page, source))
    assert again == books[LABS[0].name]
    asked.clear()
    exporter = HTMLExporter(template_name="basic", embed_images=True)
    for name, book in books.items():
        nbformat.validate(book)
        assert not any("```mermaid" in cell.source for cell in book.cells)
        file = tmp_path / f"{name}.html"
        said, _ = exporter.from_notebook_node(book)
        file.write_text(f"<!DOCTYPE html><meta charset=utf-8>{said}", encoding="utf-8")
        page.goto(file.as_uri())
        pictures = page.locator("img[alt^='Schéma']")
        assert pictures.count() >= 1
        for picture in pictures.all():
            assert picture.evaluate("one => one.naturalWidth") > 300
            assert len(picture.get_attribute("alt") or "") > 40
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
