"""Each lab as a notebook: the learner's gives nothing away, the corrected one runs on the real
cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import nbformat
import psutil
import pytest
from nbconvert.preprocessors import ExecutePreprocessor

from checks.lab import Lab, all_labs
from checks.site.notebook import CLEANING, notebook, write
from checks.stage import Person
from tests.support.pages import Play

LABS = list(all_labs())
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)


@each_lab
def test_notebook_is_valid_and_without_outputs(lab: Lab) -> None:
    book = notebook(lab, corrected=False)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs for cell in code)
    assert not any("--8<--" in cell.source or "exec=" in cell.source for cell in book.cells)


@each_lab
def test_learners_notebook_does_not_hold_the_solution(lab: Lab) -> None:
    cells = "\n".join(cell.source for cell in notebook(lab, corrected=False).cells)
    corrected = "\n".join(cell.source for cell in notebook(lab, corrected=True).cells)
    for name, text in lab.files("solution").items():
        if text != lab.files("depart")[name]:
            assert text.strip() not in cells
            assert text.strip() in corrected


def test_notebooks_are_the_same_at_each_making(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder, corrected=False)
    for lab in LABS:
        one, two = (
            (tmp_path / folder / f"{lab.name}.ipynb").read_bytes() for folder in ("one", "two")
        )
        assert one == two


@pytest.fixture
def reader_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel as a learner starts it: no kubeconfig but what the notebook exports. It is told
    where it is, for a machine of ours may have another configuration."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("ou", "local")
    monkeypatch.setenv("PAGER", "cat")


@pytest.fixture
def left_running(tmp_path: Path) -> Iterator[Callable[[], list[psutil.Process]]]:
    """What still runs in the test's folder, ended after it: its ports are those of the next
    page."""

    def found() -> list[psutil.Process]:
        return [
            one
            for one in psutil.process_iter(["cwd"])
            if (one.info["cwd"] or "").startswith(str(tmp_path))
        ]

    yield found
    for process in found():
        process.kill()


@pytest.mark.cluster
@pytest.mark.timeout(600)
@each_lab
def test_corrected_notebook_runs(
    lab: Lab,
    cast: Mapping[str, Person],
    own_ports: None,
    reader_environment: None,
    left_running: Callable[[], list[psutil.Process]],
    tmp_path: Path,
) -> None:
    book = notebook(lab, corrected=True, translate=Play(tmp_path, cast, lab).translate)
    for cell in book.cells:  # its reader wants it cleaned up
        cell.source = cell.source.replace(f"# {CLEANING}", CLEANING)
    runner = ExecutePreprocessor(timeout=240, kernel_name="bash")
    runner.preprocess(book, {"metadata": {"path": str(tmp_path)}})
    said = "".join(
        output.get("text", "") + output.get("data", {}).get("text/html", "")
        for cell in book.cells
        for output in cell.get("outputs", [])
    )
    assert "est terminé : bravo !" in said, os.linesep.join(said.splitlines()[-40:])
    assert [one.name() for one in left_running()] == []
