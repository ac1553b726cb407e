"""What another program said, fit to be shown: short, on one line, without any secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MASK = "(masqué)"
_SHAPES = re.compile(
    r"-----BEGIN.*?(?:-----END[^-]*-----|$)"  # PEM
    r"|\beyJ[\w-]+(?:\.[\w-]*)*"  # a JSON Web Token
    r"|(?<=Bearer )\S+|(?<=Basic )\S+"
    r"|[A-Za-z0-9+_=-]{40,}",  # base64
    re.DOTALL,
)
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
_LENGTH = 300


def cleaned(said: str, secrets: Iterable[str] = ()) -> str:
    """`said` on one line, without these secrets, nor what has the shape of one."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        said = said.replace(secret, _MASK)
    line = " ".join(_SHAPES.sub(_MASK, _ESCAPES.sub(" ", said)).split())
    return line if len(line) <= _LENGTH else f"{line[:_LENGTH]}…"
