"""The first start on a machine that has nothing: the engine is compiled by another process, and the
recorded demonstration is shown meanwhile.

What that process says is a line of JSON for each step, and for how far it is. It ends with us, and
what it has compiled stays compiled.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO

import msgspec

from checks.demo import replay
from checks.demo.screen import Screen
from checks.errors import CahierError
from checks.local_sspcloud import kind
from checks.local_sspcloud.progress import LINE_SECONDS, Tell, about
from checks.output import marked
from checks.unforeseen import guarded
from checks.waiting import Deadline

LONG_SECONDS = 120.0
"""A first start that may take longer is worth a show."""
_READING_SECONDS = 12.0  # what a person needs to read a verdict
_END_SECONDS = 60.0  # for the other process to take away what it had begun


class _Said(msgspec.Struct, omit_defaults=True):
    """What the other process says: a step and how far it is, or why it cannot go on."""

    step: str = ""
    seconds: float = 0
    """How long the step may take, 0 when not known."""
    far: str = ""
    problem: str = ""
    remedy: str = ""


def make(screen: Screen, command: Sequence[str] = (sys.executable, "-m", __name__)) -> None:
    """Make the local cluster by a `command`, and show the recordings meanwhile. Raises
    CahierError."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C is ours to pass on, once
    ) as process:
        assert process.stdout is not None
        try:
            _Show(screen, process.stdout).play()
            code = process.wait()
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            raise
    if code:  # it has said why
        raise CahierError(
            "La fabrication du petit SSPCloud s’est arrêtée.",
            "Recommencez (ce qui est compilé le reste) : cahier demo",
        )
    screen.console.print(
        marked("\n[bold green]Le petit SSPCloud est prêt[/] : la suite est jouée pour de vrai.")
    )


class _Show:
    """The recordings on a screen, above a line that says how far the other process is."""

    def __init__(self, screen: Screen, lines: IO[str]) -> None:
        self._screen = screen
        self._status = screen.console.status("Préparation du petit SSPCloud…")
        self._said: queue.SimpleQueue[_Said | None] = queue.SimpleQueue()
        self._now = _Said()
        self._next_line = Deadline(0)
        self._over = False
        threading.Thread(target=self._read, args=[lines], daemon=True).start()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self._said.put(msgspec.json.decode(line, type=_Said))
        self._said.put(None)

    def play(self) -> None:
        """Until the other process has ended. Raises CahierError where it could not go on."""
        why = (
            "La première fois, le petit SSPCloud se fabrique sur cette machine (environ un quart "
            "d’heure) : la démonstration y sera jouée pour de vrai dès qu’il sera prêt."
        )
        terminal = self._screen.console.is_terminal
        with self._status if terminal else contextlib.nullcontext():
            replay.play_meanwhile(
                self._screen, why, lambda: self._waited(_READING_SECONDS if terminal else 0)
            )
            while self._waited(_READING_SECONDS):
                pass

    def _waited(self, seconds: float) -> bool:
        """Whether the other process goes on, so many seconds later."""
        deadline = Deadline(seconds)
        while not self._over:
            try:
                said = self._said.get(timeout=max(deadline.left, 0.01))
            except queue.Empty:
                return True
            if said is None:
                self._over = True
            elif said.problem:
                raise CahierError(said.problem, said.remedy)
            else:
                self._tell(said)
        return False

    def _tell(self, said: _Said) -> None:
        begins, self._now = said.step != self._now.step, said
        told = ", ".join(filter(None, [said.far, about(said.seconds) if said.seconds else ""]))
        if self._screen.console.is_terminal:
            self._status.update(marked("{}… [dim]{}[/]", said.step, told))
        elif begins or self._next_line.passed:
            self._next_line = Deadline(LINE_SECONDS)
            self._screen.console.print(f"{said.step}… ({told})", soft_wrap=True)


# -- the other process -----------------------------------------------------------------------------


def _say(said: _Said) -> None:
    print(msgspec.json.encode(said).decode(), flush=True)


@contextlib.contextmanager
def _progress(step: str, estimate_seconds: float, /) -> Iterator[Tell]:
    _say(_Said(step=step, seconds=estimate_seconds))
    yield lambda far: _say(_Said(step=step, seconds=estimate_seconds, far=far))


def _make() -> int:
    try:
        kind.create(_progress)
    except CahierError as error:
        _say(_Said(problem=error.message, remedy=error.remedy))
    return 0


if __name__ == "__main__":
    guarded(_make)
