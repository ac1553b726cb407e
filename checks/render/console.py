"""A `console` block of a page: commands, and what the page shows of their answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FAILURE = re.compile(r"^(?:Error|error|no$|curl: \(| *! )|✘", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """One command of a block and what the page shows of its answer; `line` counts from the block's
    first."""

    typed: str
    expected: str
    line: int

    @property
    def tells(self) -> bool:
        """Whether the page shows more than « ... »."""
        return bool(self.expected.replace(".", "").strip())

    @property
    def may_fail(self) -> bool:
        """Whether the page shows a failure, or what cannot be verified: a refusal is part of its
        lesson."""
        return _FAILURE.search(self.expected) is not None

    @property
    def stays(self) -> bool:
        """Whether it is left running in its terminal."""
        return self.expected.startswith("Forwarding from")


def commands(source: str) -> Iterator[Command]:
    """The commands of a block: a line that begins with `$ `, those after it with `> `, then what is
    shown."""
    typed: list[str] = []
    shown: list[str] = []
    first = 0
    for number, line in enumerate([*source.splitlines(), "$ "]):
        if line.startswith("$ "):
            if typed:
                yield Command("\n".join(typed), "\n".join(shown), first)
            typed, shown, first = [line.removeprefix("$ ")], [], number
        elif line.startswith("> ") and typed and not shown:
            typed.append(line.removeprefix("> "))
        else:
            shown.append(line)
