"""How long steps are shown on standard error: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from checks.waiting import Deadline, meanwhile

if TYPE_CHECKING:
    from rich.console import Console

_QUICK_SECONDS = 0.3  # a step done sooner is not worth a line of its own on a terminal
LINE_SECONDS = 30.0  # between two lines of a long step, where nothing can be written over

Tell = Callable[[str], None]
"""Says how far a step is, in a few French words, from any thread, as often as one likes."""


class Progress(Protocol):
    """Shows a step while its context lasts: a French name, and how many seconds it may take."""

    def __call__(self, step: str, estimate_seconds: float, /) -> AbstractContextManager[Tell]:
        """The context of one step; what it gives may be called with how far the step is."""


@contextlib.contextmanager
def silent(step: str, estimate_seconds: float, /) -> Iterator[Tell]:
    """A `Progress` that shows nothing."""
    yield _untold


def _untold(_said: str) -> None:
    """A `Tell` that nobody hears."""


def waiting(progress: Progress) -> AbstractContextManager[Tell]:
    """The step of a command that waits for another one to let go of the cluster."""
    return progress("Une autre commande « cahier cluster » est en cours : attente", 60)


class TerminalProgress:
    """A `Progress` for a person: nested steps are shown one at a time."""

    def __init__(self) -> None:
        from checks.output import output

        self._console: Console = output(stderr=True)
        self._depth = 0

    @contextlib.contextmanager
    def __call__(self, step: str, estimate_seconds: float, /) -> Iterator[Tell]:
        """Show `step` while the context lasts."""
        self._depth += 1
        try:
            if not self._console.is_terminal:
                self._console.print(f"{step}… ({about(estimate_seconds)})", soft_wrap=True)
                yield self._lines()
            elif self._depth > 1:  # rich shows one live line only
                yield _untold
            else:
                with self._spinner(step, estimate_seconds) as tell:
                    yield tell
        finally:
            self._depth -= 1

    def _lines(self) -> Tell:
        next_line = Deadline(LINE_SECONDS)

        def tell(said: str) -> None:
            nonlocal next_line
            if next_line.passed:
                next_line = Deadline(LINE_SECONDS)
                self._console.print(f"  {said}", soft_wrap=True)

        return tell

    @contextlib.contextmanager
    def _spinner(self, step: str, estimate_seconds: float) -> Iterator[Tell]:
        from checks.output import marked

        begun = time.monotonic()
        far = ""
        with self._console.status(f"{step}…") as status:

            def tell(said: str) -> None:
                nonlocal far
                far = f"{said} · "

            def tick() -> None:
                spent = time.monotonic() - begun
                told = f"{far}{spent:.0f} s, {about(estimate_seconds)}"
                status.update(marked("{}… [dim]{}[/]", step, told))

            with meanwhile(1, tick):
                yield tell
        spent = time.monotonic() - begun
        if spent > _QUICK_SECONDS:
            self._console.print(marked("[green]✔[/] {} [dim]({} s)[/]", step, f"{spent:.0f}"))


def about(seconds: float) -> str:
    """`≈ 20 s`, `≈ 15 min`."""
    return f"≈ {seconds:.0f} s" if seconds < 120 else f"≈ {seconds / 60:.0f} min"
