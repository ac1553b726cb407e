"""CSV cells that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def defuse(text: str) -> str:
    """`text` with an apostrophe before it when a spreadsheet would take it for a formula (OWASP,
    "CSV injection").

    Spaces and control characters are looked through: some programs drop them first.
    """
    bare = text.lstrip(" \t\r\n\x00\u00a0")
    dangerous = bare.startswith(_FORMULA) or (text != "" and unicodedata.category(text[0]) == "Cc")
    return f"'{text}" if dangerous else text


def write(rows: Iterable[Sequence[str]], delimiter: str) -> str:
    """The rows as CSV (lines end with CR LF, as RFC 4180 wants), each cell defused."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    for row in rows:
        writer.writerow([defuse(cell) for cell in row])
    return out.getvalue()
