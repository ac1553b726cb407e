"""Waiting for what the cluster does a little later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def until(ask: Callable[[], _T], seconds: float = 90, pause: float = 0.3) -> _T:
    """What `ask` answers, once there is something; it is asked again after each `pause`, in
    seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline
        time.sleep(pause)
    return answer
