"""A problem on the terminal: one message, one remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.errors import CahierError

if TYPE_CHECKING:
    from rich.console import Console


def show(error: CahierError, console: Console | None = None) -> None:
    """Print the message and the remedy, on standard error where no `console` is given."""
    from rich.text import Text

    from checks.output import output

    out = console or output(stderr=True)
    out.print(Text.assemble(("✘ ", "bold red"), error.message), soft_wrap=True)
    if error.remedy:
        out.print(Text.assemble(("→ ", "green"), error.remedy), soft_wrap=True)
