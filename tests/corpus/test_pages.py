"""Every command that a page shows is typed, in page order, by new people, and answers what the page
shows."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from sybil.example import SybilFailure

from checks.lab import Lab, all_labs
from checks.render.console import Command, commands
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person
from tests.support.pages import Play, play
from tests.support.waiting import until

LABS = list(all_labs())
DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if "labs" not in page.parts and "```console" in page.read_text("utf-8")
)


@pytest.fixture
def reader(
    cast: Mapping[str, Person], own_ports: None, tmp_path: Path
) -> Iterator[Callable[[Lab | None], Play]]:
    runs: list[Play] = []

    def begin(lab: Lab | None) -> Play:
        runs.append(Play(tmp_path, cast, lab))
        return runs[-1]

    yield begin
    for run in runs:
        run.close()


OF_A_SERVICE = {
    "PGHOST": "postgresql-cnpg-123456-rw",
    "PGPORT": "6432",
    "PGDATABASE": "une-autre-base",
    "PGUSER": "quelqu-un-d-autre",
    "PGPASSWORD": "le-mot-de-passe-d-une-autre-base",
}
"""What a VSCode service starts with, where its owner has a database of their own."""

# the cluster's own, which go a little later
_PASSING = {
    "Event",
    "EndpointSlice",
    "Endpoints",
    "PodMetrics",
}


def _belongings(person: Person) -> set[str]:
    """What is in somebody's namespace, but for the receipts that `verifier` leaves for the
    teacher."""
    cluster = LiveCluster(LocalMachine(), kubeconfig_path=str(person.kubeconfig))
    found = {
        f"{listing.kind} {item['metadata']['name']}"
        for listing in cluster.everything()
        if listing.kind not in _PASSING
        for item in listing.items or ()
    }
    return found | {f"Secret {item['metadata']['name']}" for item in cluster.objects("Secret")}


@pytest.mark.cluster
@pytest.mark.timeout(1500)
def test_the_pages_of_the_labs_are_played_one_after_the_other(
    cast: Mapping[str, Person], reader: Callable[[Lab | None], Play]
) -> None:
    """In one terminal, from the first command to the last clean-up: each answers what its page
    shows, and each page leaves nothing but the base that the next one may use. Each lab begins as
    in a service that has another database's variables."""
    before = {name: _belongings(person) for name, person in cast.items()}
    run = reader(None)
    for lab in LABS:
        run.lab = lab
        typed = run.commands_run
        given = shlex.join(f"{name}={value}" for name, value in OF_A_SERVICE.items())
        run.terminal("").type(Command(f"export {given}", "", 0))
        play(lab.page, run)
        assert run.commands_run > typed
        run.close_others()
        base = lab.about.story.database

        def left(base: str = base) -> list[str]:
            now = {name: _belongings(person) - before[name] for name, person in cast.items()}
            return sorted(
                f"{name}: {one}" for name, those in now.items() for one in those if base not in one
            )

        with contextlib.suppress(AssertionError):
            until(lambda: not left(), 60)
        assert left() == [], f"{lab.short_name} leaves behind"
    assert {name: _belongings(person) for name, person in cast.items()} == before


@pytest.mark.cluster
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_each_command_of_a_guide_answers_what_it_shows(
    page: Path, reader: Callable[[Lab | None], Play]
) -> None:
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


def _page(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Play]:
    """A reading that needs no cluster."""
    run = Play(tmp_path, {})
    yield run
    run.close()


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("deux", "the page shows:\ndeux\nwhat came out:\nun"),
        ("un", "exit code 3, which the page does not tell"),
    ],
)
def test_a_page_that_does_not_tell_the_truth_is_caught_at_its_line(
    alone: Play, tmp_path: Path, shown: str, told: str
) -> None:
    page = _page(tmp_path, f"# Titre\n\n```console\n$ true\n$ (echo un; exit 3)\n{shown}\n```\n")
    with pytest.raises(SybilFailure) as failure:
        play(page, alone)
    assert "page.md, line 3" in str(failure.value)
    assert "line 5: $ (echo un; exit 3)" in str(failure.value)
    assert told in str(failure.value)


def test_a_command_left_running_ends_when_its_terminal_is_needed(
    alone: Play, tmp_path: Path
) -> None:
    second = '```console title="Second terminal"\n'
    page = _page(
        tmp_path,
        f"{second}$ echo Forwarding from ici; sleep 60\nForwarding from ici\n```\n\n{second}$ echo "
        "libre\nlibre\n```\n",
    )
    play(page, alone)
    assert alone.commands_run == 2
