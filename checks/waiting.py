"""What is waited for at this moment: whoever waits says it, whoever has a screen shows it once it
lasts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

LASTS = 2.0  # seconds of silence before a wait is told
_LOOKS = 0.5  # seconds between two looks

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
