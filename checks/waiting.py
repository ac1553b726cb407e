"""How long one waits, and what is waited for at this moment: whoever waits says it, whoever has a
screen shows it once it lasts.

Most of what is waited for here is no call that fails: a loop that looks, and rests in its own way
between two looks. Written with tenacity it is longer, and 71 modules more are loaded at each start.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

LASTS = 2.0  # seconds of silence before a wait is told
_LOOKS = 0.5  # seconds between two looks


class Deadline:
    """A moment, so many seconds from now, beyond which one does not wait."""

    def __init__(self, seconds: float) -> None:
        self._moment = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; less than nothing once it has passed."""
        return self._moment - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether it has."""
        return self.left < 0


def tries(
    seconds: float, every: float, rest: Callable[[float], None] = time.sleep
) -> Iterator[float]:
    """A turn at once, then others until `seconds` have passed, with a rest of `every` seconds
    before each; yields how long it has lasted. `rest`: what one does meanwhile."""
    deadline = Deadline(seconds)
    while True:
        yield seconds - deadline.left
        if deadline.passed:
            return
        rest(every)


_now: dict[object, tuple[float, str]] = {}


@contextlib.contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """`what` is waited for in this context: a French noun, « le démarrage du pod essai »."""
    key = object()
    _now[key] = time.monotonic(), what
    try:
        yield
    finally:
        _now.pop(key, None)


def lasting(seconds: float) -> str:
    """What has been waited for that long, the last begun of several; "" for nothing."""
    before = time.monotonic() - seconds
    return next((what for begun, what in reversed([*_now.values()]) if begun <= before), "")


@contextlib.contextmanager
def meanwhile(seconds: float, look: Callable[[], object]) -> Iterator[None]:
    """`look` is called every so many seconds, from another thread, until the context ends, or it
    returns True."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            if look() is True:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextlib.contextmanager
def told(tell: Callable[[str], None]) -> Iterator[None]:
    """`tell` hears of each wait that lasts, from another thread: "" once it is over."""
    last = ""

    def look() -> None:
        nonlocal last
        what = lasting(LASTS)
        if what != last:
            tell(what)
            last = what

    with meanwhile(_LOOKS, look):
        yield
