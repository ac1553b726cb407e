"""Plays a page: each `console` block typed in page order, in the terminal that its title names."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, RawFencedCodeBlockLexer

from checks.lab import Lab
from checks.render.console import Command, commands
from checks.stage import Person
from tests.conftest import PROGRAMS
from tests.support.terminal import Answer, Terminal, matches

_CONSOLE = re.compile(r'console(?: title="(?P<terminal>[^"\n]*)")?[ \t]*\n')
_LOOKS = re.compile(r"kubectl (?:get|describe|logs|wait) ")
_LOOK_AGAIN_SECONDS = 20.0
_PEOPLE = re.compile(r"\b(alice|bob|chloe)\b")
_ACTIVATED = "source .venv/bin/activate"


@dataclass
class Play:
    """One reading of a page by new people: the folder they work in, and the terminals they have
    open."""

    folder: Path
    people: Mapping[str, Person]
    lab: Lab | None = None
    commands_run: int = 0
    _terminals: dict[str, Terminal] = field(default_factory=dict)

    def translate(self, text: str) -> str:
        """The page's text, with the people of the story replaced by those who play it."""
        return _PEOPLE.sub(
            lambda found: self.people[found[1]].namespace.removeprefix("user-"), text
        )

    def terminal(self, title: str, *, activated: bool = True) -> Terminal:
        """The terminal that a block's title names; opened at its first block.

        The others are there for what is left running; in the first, a command that goes on may
        still end. Another terminal knows our programs where the page has its environment
        `activated`.
        """
        if title not in self._terminals:
            own = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
            if not activated:
                path = own["PATH"].split(os.pathsep)
                own["PATH"] = os.pathsep.join(folder for folder in path if Path(folder) != PROGRAMS)
            self._terminals[title] = Terminal(self.folder, own, quiet_seconds=2 if title else 15)
        return self._terminals[title]

    def close_others(self) -> None:
        """End all terminals but the first, and what runs there."""
        for title in [title for title in self._terminals if title]:
            self._terminals.pop(title).close()

    def close(self) -> None:
        """End every terminal."""
        for terminal in self._terminals.values():
            terminal.close()
        self._terminals.clear()


def play(page: Path, run: Play) -> None:
    """Read the page to its end. Raises SybilFailure, which names page and line, at the first
    command that differs."""
    document = Document(run.translate(page.read_text(encoding="utf-8")), str(page))
    for parser in (_blocks(run), _completions(run)):
        for region in parser(document):
            document.add(region)
    for example in document.examples():
        example.evaluate()


def _blocks(run: Play) -> Callable[[Document], Iterator[Region]]:
    lexer = RawFencedCodeBlockLexer(_CONSOLE)

    def parse(document: Document) -> Iterator[Region]:
        for region in lexer(document):
            yield Region(
                region.start,
                region.end,
                (region.lexemes["source"], region.lexemes["terminal"]),
                evaluate,
            )

    def evaluate(example: Example) -> str | None:
        source, title = example.parsed
        before = example.document.text[: example.region.start].rpartition("```")[2]
        terminal = run.terminal(title or "", activated=not title or _ACTIVATED in before)
        for command in commands(source):
            trouble = _difference(command, terminal.type(command))
            run.commands_run += 1
            again = time.monotonic() + _LOOK_AGAIN_SECONDS
            while trouble and _LOOKS.search(command.typed) and time.monotonic() < again:
                time.sleep(1)  # as a reader would: what was asked for takes a moment to be there
                trouble = _difference(command, terminal.type(command))
            if trouble:
                return f"line {example.line + 1 + command.line}: $ {command.typed}\n{trouble}"
        return None

    return parse


def _difference(command: Command, answer: Answer) -> str:
    if not matches(command.expected, answer.output):
        return f"the page shows:\n{command.expected}\nwhat came out:\n{answer.output}"
    if answer.code and not command.may_fail:
        return f"exit code {answer.code}, which the page does not tell:\n{answer.output}"
    return ""


def _completions(run: Play) -> Callable[[Document], Iterator[Region]]:
    """`<!-- fichiers: solution -->` stands where the reader has completed the files."""
    lexer = DirectiveInHTMLCommentLexer("fichiers")

    def parse(document: Document) -> Iterator[Region]:
        for region in lexer(document):
            yield Region(region.start, region.end, region.lexemes["arguments"].strip(), evaluate)

    def evaluate(example: Example) -> str | None:
        if run.lab is None:
            return "only a lab has files to complete"
        for name, text in run.lab.files(example.parsed).items():
            (run.folder / run.lab.name / name).write_text(run.translate(text), encoding="utf-8")
        return None

    return parse
