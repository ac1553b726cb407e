"""How often the API server is asked, and for how long an answer is kept: what many people watch
must not weigh on those who work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from checks.errors import CahierError
from checks.waiting import Deadline

PER_SECOND = 5.5
"""Requests, once the first ones are made."""
_AT_ONCE = 40.0  # the lists and watches that everything begins with
_SPARE = 20.0  # what is kept of them for what somebody waits for

_T = TypeVar("_T")


class Pace:
    """Makes those who ask wait for their turn; counts them."""

    def __init__(self, per_second: float = PER_SECOND) -> None:
        self._per_second = per_second
        self._lock = threading.Lock()
        self._left, self._at = _AT_ONCE, time.monotonic()
        self.count = 0
        """Requests so far."""

    def __call__(self) -> None:
        """Wait for one's turn."""
        with self._lock:
            self._fill()
            self._left -= 1
            self.count += 1
            late = -self._left / self._per_second
        if late > 0:
            time.sleep(late)

    @property
    def spare(self) -> bool:
        """Whether nobody is kept waiting by a request that can wait itself."""
        with self._lock:
            self._fill()
            return self._left > _SPARE

    def _fill(self) -> None:
        now = time.monotonic()
        self._left = min(_AT_ONCE, self._left + (now - self._at) * self._per_second)
        self._at = now


class Memory:
    """Answers that hold for a while, for all the people of a class."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[Deadline, Any, CahierError | None]] = {}

    def once(self, key: Hashable, seconds: float, ask: Callable[[], _T]) -> _T:
        """`ask()`, or what it gave or raised less than so many seconds ago."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is None or kept[0].passed:
            answer: _T | None = None
            refusal: CahierError | None = None
            try:
                answer = ask()
            except CahierError as error:
                refusal = error
            kept = Deadline(seconds), answer, refusal
            with self._lock:
                self._kept = {one: it for one, it in self._kept.items() if not it[0].passed}
                self._kept[key] = kept
        if kept[2] is not None:
            raise kept[2].with_traceback(None)
        return cast(_T, kept[1])
