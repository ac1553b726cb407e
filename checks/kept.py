"""Answers that several checks of a round share, whoever serves the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

_T = TypeVar("_T")


class Kept:
    """Asks a question once for a round: what it answered is kept until `ask_anew`, what it raised is not."""

    def __init__(self) -> None:
        self._kept: dict[object, Any] = {}

    def once(self, ask: Callable[[Self], _T]) -> _T:
        """`ask(self)`; `ask` is a function of a module, its own key."""
        if ask not in self._kept:
            self._kept[ask] = ask(self)
        return cast(_T, self._kept[ask])

    def ask_anew(self) -> None:
        """Forget what was kept."""
        self._kept.clear()
