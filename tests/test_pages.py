"""Every command that a page shows is typed, in page order, by new people, and answers what the page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from checks.lab import Lab, all_labs
from checks.render.console import commands
from checks.stage import Person
from tests.pages import Play, play

LABS = list(all_labs())
DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(
    page for page in DOCS.rglob("*.md") if "labs" not in page.parts and "```console" in page.read_text("utf-8")
)


@pytest.fixture
def reader(cast: Mapping[str, Person], own_ports: None, tmp_path: Path) -> Iterator[Callable[[Lab | None], Play]]:
    runs: list[Play] = []

    def begin(lab: Lab | None) -> Play:
        runs.append(Play(tmp_path, cast, lab))
        return runs[-1]

    yield begin
    for run in runs:
        run.close()


@pytest.mark.cluster
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
def test_each_command_of_a_lab_page_answers_what_it_shows(lab: Lab, reader: Callable[[Lab | None], Play]) -> None:
    run = reader(lab)
    play(lab.page, run)
    assert run.commands_run


@pytest.mark.cluster
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_each_command_of_a_guide_answers_what_it_shows(page: Path, reader: Callable[[Lab | None], Play]) -> None:
    run = reader(None)
    play(page, run)
    assert run.commands_run


def test_a_block_is_read_as_commands_and_answers() -> None:
    source = "$ cat <<FIN\n> a\n> FIN\na\n$ true\n$ false\n...\n"
    assert [(command.typed, command.expected, command.line) for command in commands(source)] == [
        ("cat <<FIN\na\nFIN", "a", 0),
        ("true", "", 4),
        ("false", "...", 5),
    ]
