"""Where commands speak: consoles that show a text as it is, without markup, and with nothing in it
that acts.

The only place that makes one (a test sees to it). Words of ours are shown in colours by `marked`,
or as `rich.text`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.text import Text

from checks import kernel
from checks.inert import seen


class _Output(Console):
    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What is drawn. Controls are the library's own; the rest is text, whoever wrote it."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=seen(segment.text))


def output(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console on standard output, or on standard error. `soft_wrap`: lines are folded by the
    terminal alone.

    In a notebook it is no terminal: nothing turns there, and nothing is in colours.
    """
    return _Output(
        stderr=stderr,
        soft_wrap=soft_wrap,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=False if kernel.reads() else None,
    )


def terminal(onto: IO[str], width: int) -> Console:
    """A console that writes what a terminal of so many columns would be sent, in its 16 colours,
    whatever the environment says."""
    return _Output(
        file=onto,
        width=width,
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        _environ={},
        markup=False,
        highlight=False,
        emoji=False,
    )


def marked(template: str, *values: Any) -> Text:
    """Words of ours with the markup of Rich; each `{}` is the place of a value, which is shown as
    it is."""
    return Text.from_markup(template.format(*(escape(str(value)) for value in values)), emoji=False)
