"""The command reference of the site: what each command says of itself with `--help`."""

from __future__ import annotations

from collections.abc import Iterator

from typer.main import get_command
from typer.testing import CliRunner

from checks.cli.application import app

_TERMINAL = {"COLUMNS": "88", "NO_COLOR": "1", "TERM": "dumb"}


def reference() -> str:
    """Markdown: one part for each command, with its own help page."""
    return "\n".join(line for path in _commands(get_command(app), ()) for line in _part(path))


def _commands(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, (*path, name))


def _part(path: tuple[str, ...]) -> Iterator[str]:
    page = CliRunner().invoke(app, [*path, "--help"], prog_name="cahier", env=_TERMINAL).output
    yield f"## `{' '.join(('cahier', *path))}`"
    yield ""
    yield "```text"
    yield from (line.rstrip() for line in page.strip().splitlines())
    yield "```"
    yield ""
