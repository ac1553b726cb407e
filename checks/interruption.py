"""Ctrl-C, SIGTERM or a terminal that closes, whenever they come: what was begun is taken away, then
the command ends.

The first one interrupts; those that follow find the command ending, and only count again if that
takes too long.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_PATIENCE = 15.0  # seconds to take everything away
_PAUSE = 0.05


class _State:
    """Plain values: a lock could be held by what the signal interrupts."""

    heard = False
    shields = 0
    """How many of the main thread's steps must not be interrupted; a signal meets no other
    thread."""
    until: float | None = None
    """When the command must have ended; None: nothing has come."""
    to_undo: dict[object, Callable[[], None]]


_state = _State()
_state.to_undo = {}


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Within it, each signal is a KeyboardInterrupt; on leaving it, all that was to be undone
    is."""
    if _state.heard or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    _state.until, _state.heard = None, True
    try:
        for number, handler in before.items():
            # nohup, or started in the background: it is not for us
            if handler is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
        yield
    finally:
        try:
            with shielded():
                for key in list(_state.to_undo):
                    _undo(key)
        finally:
            _state.heard = False
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if _state.until is not None and time.monotonic() < _state.until:
        return  # it is ending already
    _state.until = time.monotonic() + _PATIENCE
    if not _state.shields:
        raise KeyboardInterrupt


def check() -> None:
    """Raise KeyboardInterrupt once the command was told to end: a signal reaches the main thread
    only."""
    if _state.until is not None:
        raise KeyboardInterrupt


def pause(seconds: float) -> None:
    """Sleep. Raises KeyboardInterrupt, in any thread, as soon as the command is told to end."""
    until = time.monotonic() + seconds
    while (rest := until - time.monotonic()) > 0:
        check()
        time.sleep(min(rest, _PAUSE))
    check()


def too_late() -> bool:
    """Whether the command was told to end so long ago that it must, whatever is left."""
    return _state.until is not None and time.monotonic() > _state.until


@contextlib.contextmanager
def undone(undo: Callable[[], None]) -> Iterator[None]:
    """`undo()` is called once the context ends, whatever ends it and whatever comes meanwhile; it
    raises nothing, and may be called twice."""
    key = object()
    _state.to_undo[key] = undo
    try:
        yield
    finally:
        with shielded():
            _undo(key)


def _undo(key: object) -> None:
    undo = _state.to_undo.get(key)
    if undo is not None and not too_late():
        undo()
    _state.to_undo.pop(key, None)


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """A signal that comes meanwhile counts once this has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    began_before = _state.until is not None
    _state.shields += 1
    try:
        yield
    finally:
        _state.shields -= 1
        if not _state.shields and not began_before:
            check()
