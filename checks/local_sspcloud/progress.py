"""How long steps are shown on standard error: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from checks.waiting import meanwhile

if TYPE_CHECKING:
    from rich.console import Console

_QUICK_SECONDS = 0.3  # a step done sooner is not worth a line of its own on a terminal


class Progress(Protocol):
    """Shows a step while its context lasts: a French name, and how many seconds it may take."""

    def __call__(self, step: str, estimate_seconds: float, /) -> AbstractContextManager[None]:
        """The context of one step."""


@contextlib.contextmanager
def silent(step: str, estimate_seconds: float, /) -> Iterator[None]:
    """A `Progress` that shows nothing."""
    yield


def waiting(progress: Progress) -> AbstractContextManager[None]:
    """The step of a command that waits for another one to let go of the cluster."""
    return progress("Une autre commande « cahier cluster » est en cours : attente", 60)


class TerminalProgress:
    """A `Progress` for a person: nested steps are shown one at a time."""

    def __init__(self) -> None:
        from checks.output import output

        self._console: Console = output(stderr=True)
        self._depth = 0

    @contextlib.contextmanager
    def __call__(self, step: str, estimate_seconds: float, /) -> Iterator[None]:
        """Show `step` while the context lasts."""
        self._depth += 1
        try:
            if not self._console.is_terminal:
                self._console.print(f"{step}… ({about(estimate_seconds)})", soft_wrap=True)
                yield
            elif self._depth > 1:  # rich shows one live line only
                yield
            else:
                with self._spinner(step, estimate_seconds):
                    yield
        finally:
            self._depth -= 1

    @contextlib.contextmanager
    def _spinner(self, step: str, estimate_seconds: float) -> Iterator[None]:
        from checks.output import marked

        begun = time.monotonic()
        with self._console.status(f"{step}…") as status:

            def tick() -> None:
                spent = time.monotonic() - begun
                status.update(
                    marked("{}… [dim]{} s, {}[/]", step, f"{spent:.0f}", about(estimate_seconds))
                )

            with meanwhile(1, tick):
                yield
        spent = time.monotonic() - begun
        if spent > _QUICK_SECONDS:
            self._console.print(marked("[green]✔[/] {} [dim]({} s)[/]", step, f"{spent:.0f}"))


def about(seconds: float) -> str:
    """`≈ 20 s`, `≈ 15 min`."""
    return f"≈ {seconds:.0f} s" if seconds < 120 else f"≈ {seconds / 60:.0f} min"
