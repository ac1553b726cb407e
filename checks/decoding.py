"""Types that are decoded by several threads."""

from __future__ import annotations

import msgspec


def prepared(*kinds: type) -> None:
    """Have msgspec learn these types, and those of their fields, as their module is imported.

    It learns a type the first time that it decodes one, and two threads that have it do so
    together end the interpreter (msgspec 0.22: a segmentation fault in two runs of five).
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)
