"""What a command writes in a notebook, of both kernels: cards, and text in which nothing turns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jupyter_client
import nbformat
import pytest
from nbconvert.preprocessors import ExecutePreprocessor

from checks import kernel
from checks.lab import find_lab
from checks.sources import snapshot
from tests.support import recorded
from tests.support.html_words import Words

pytestmark = pytest.mark.slow

CASE = "erreurs/nom_court"


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """A snapshot of somebody who made a mistake at lab 5."""
    file = tmp_path / "vu.json"
    snapshot.write(recorded.read(find_lab("tp5"))[CASE].snapshot, file)
    return file


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a kernel's programs leave their files; a home without configuration."""
    for name in ("HOME", "XDG_STATE_HOME", "TMPDIR"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "tmpdir"


def executed(name: str, folder: Path, sources: Sequence[str]) -> list[nbformat.NotebookNode]:
    """The cells, once they have run; one that fails does not keep the others from it."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])
    runner = ExecutePreprocessor(timeout=120, kernel_name=name, allow_errors=True)
    runner.preprocess(book, {"metadata": {"path": str(folder)}})
    return list(book.cells)


def text(cell: nbformat.NotebookNode) -> str:
    return "".join(one.get("text", "") for one in cell.outputs).replace("\r\n", "\n")


def cards(cell: nbformat.NotebookNode) -> list[str]:
    pages = [one["data"].get("text/html") for one in cell.outputs if "data" in one]
    return [page for page in pages if page]


def drawn(said: str) -> list[str]:
    """What only a terminal understands, and what turned there."""
    return [one for one in said if one in "\x1b\b" or "\u2800" <= one <= "\u28ff"]


def test_bash_shows_a_verdict_as_a_card_and_the_rest_as_plain_text(
    seen: Path, own_folders: Path
) -> None:
    judge = f"cahier verifier tp5 --depuis {seen}"
    judged, with_help, kept, *others = executed(
        "bash",
        seen.parent,
        [
            judge,
            f"{judge} --aide; echo ensuite",
            f"{judge} > verdict.txt; cat verdict.txt; {judge} | head -n 4; {judge} --json",
            "cahier",
            "cahier lister",
            "cahier verifier --help",
            "cahier diagnostiquer",
            "cahier indice tp5 --collegue user-alice",
            "cahier inconnue",
        ],
    )
    (card,) = cards(judged)
    words = " ".join(Words(card).said)
    assert "Le proxy relaie vers un Service du namespace de votre collègue. 0/2" in words
    assert "Constat Le proxy vise « postgresql-cnpg-951239-rw:5432 »" in words
    assert "← le chemin s’arrête ici" in words
    assert text(judged).startswith("Instantané de user-bob")
    assert "Constat" not in text(judged)
    assert len(cards(with_help)) == 1
    assert text(with_help).endswith("ensuite\n")
    assert cards(kept) == []
    assert text(kept).count("TP5 · Relayer une base") == 2
    assert '"schema": 1' in text(kept)
    for cell in (judged, with_help, kept, *others):
        assert drawn(text(cell)) == [], cell.source
        assert cell in (judged, with_help, kept) or text(cell).strip(), cell.source
    assert list(own_folders.glob("cahier.*")) == []


def test_python_shows_the_same_card_by_a_magic_and_by_a_function(
    seen: Path, own_folders: Path
) -> None:
    loaded, magic, code, function, shell, others = executed(
        "python3",
        seen.parent,
        [
            "%load_ext checks.notebook",
            f"%cahier verifier tp5 --depuis '{seen}'",
            "print(_exit_code)",
            f"from checks.notebook import verifier\nverifier('tp5', '--depuis', '{seen}')",
            f"!cahier verifier tp5 --depuis {seen}",
            "%cahier lister\n%cahier verifier --help\n%cahier diagnostiquer\n%cahier inconnue",
        ],
    )
    assert loaded.outputs == []
    assert len(cards(magic)) == 1
    assert cards(magic) == cards(function)
    assert "Le proxy vise « postgresql-cnpg-951239-rw:5432 »" in " ".join(
        Words(cards(magic)[0]).said
    )
    assert text(magic) == text(function)
    assert text(code) == "1\n"
    assert cards(shell) == []
    assert "     Constat   Le proxy vise « postgresql-cnpg-951239-rw:5432 »" in text(shell)
    assert "La commande « inconnue » n’existe pas." in text(others)
    for cell in (magic, function, shell, others):
        assert drawn(text(cell)) == [], cell.source
    assert list(own_folders.glob("cahier.*")) == []


def test_python_interrupts_the_command_with_the_cell(own_folders: Path) -> None:
    """Where the interruption reaches the kernel alone, as in VSCode, too."""
    manager, client = jupyter_client.manager.start_new_kernel(kernel_name="python3")
    said: list[str] = []

    def heard(word: str) -> None:
        while word not in said:
            said.extend(client.get_iopub_msg(timeout=60)["content"].get("text", "").split())

    try:
        slow = "import time; print('commence', flush=True); time.sleep(90)"
        client.execute(f"import os; import checks.notebook as n; n._PROGRAM = {slow!r}")
        client.execute("print(os.getpid()); print('code', n.cahier('lister')); print('fini')")
        heard("commence")
        begun = time.monotonic()
        os.kill(int(said[0]), signal.SIGINT)
        heard("fini")
        assert time.monotonic() - begun < 30
        assert said[said.index("code") + 1] == str(-signal.SIGINT)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, False),
        ({"TERM": "xterm-color", "PAGER": "cat"}, False),
        ({"JPY_PARENT_PID": "1"}, True),
        ({"NOTEBOOK_BASH_KERNEL_CAPABILITIES": "image"}, True),
        (kernel._OF_IPYTHON, True),
    ],
)
def test_a_terminal_is_no_notebook(
    given: dict[str, str], read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JPY_PARENT_PID", *kernel._OF_IPYTHON):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert kernel.reads() is read


def test_outside_a_notebook_a_command_writes_where_python_does(own_folders: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from checks.notebook import cahier; print(cahier('lister'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Joindre son API par un tunnel" in done.stdout
    assert done.stdout.endswith("\n0\n")
