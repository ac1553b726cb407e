"""Lines of a terminal: prose is folded between words, a command never is.

Rich folds at no-break spaces, and crops what a table cannot hold: what may be copied is laid out
here.
"""

from __future__ import annotations

import re
import textwrap

from rich.console import Console
from rich.text import Text

NARROW = 60
"""Columns under which a label stands above its text."""
_PROGRAM = (
    r"(?:kubectl|cahier|export|source|sudo|psql|curl|docker|podman|kind|make|wsl|"
    r"KUBECONFIG=(?:\$\([^)]*\)|\S+))"
)
_COMMAND = re.compile(
    rf"«\s{_PROGRAM} [^«»]*»"
    rf"|(?:(?<=[:→·,] )|(?<=puis )){_PROGRAM}(?: (?!puis |\()[^\s«»;·]*[^\s«»;·,])+"
)
_FRENCH = re.compile(r"(?<=«) | (?=[»:;?!])")
_GLUE = "\ue000"  # a space where no line may end


def folded(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; a word or a command that is longer has one to itself, as
    long as it is.

    No line ends within a command, at a no-break space, or between a word and its punctuation.
    """
    glued = _FRENCH.sub(_GLUE, _COMMAND.sub(lambda found: found[0].replace(" ", _GLUE), text))
    return [
        line.replace(_GLUE, " ")
        for paragraph in glued.splitlines()
        for line in _lines(paragraph, width)
    ]


def _lines(paragraph: str, width: int) -> list[str]:
    lines = textwrap.wrap(paragraph, max(width, 1), break_long_words=False, break_on_hyphens=False)
    return lines or [""]


def put(console: Console, line: Text | str, style: str = "", *, indent: int = 0) -> None:
    """Print a line as it is, however long: the terminal folds it, and gives it back whole when it
    is copied."""
    console.print(
        Text.assemble(" " * indent, (line, style) if isinstance(line, str) else line),
        soft_wrap=True,
    )


def say(console: Console, text: str, style: str = "", *, indent: int = 0) -> None:
    """Print prose, folded at the terminal's width."""
    for line in folded(text, console.width - indent):
        put(console, line, style, indent=indent)
