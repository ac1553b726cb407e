"""Questions asked in the background: whoever waits for an answer never waits longer than they
want."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

QUESTION_SECONDS = 5.0
"""How long one question to the network may take."""

T = TypeVar("T")


def begin(question: Callable[[], T]) -> Future[T]:
    """Ask in a thread that holds nobody back: the program may end before it."""
    future: Future[T] = Future()

    def answer() -> None:
        try:
            future.set_result(question())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=answer, daemon=True).start()
    return future


def within(seconds: float, question: Callable[[], T]) -> T:
    """The answer. Raises TimeoutError when it takes longer, and whatever the question raises."""
    return begin(question).result(seconds)
