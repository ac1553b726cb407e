"""Words of a command line that a person pastes as it is: whatever names what, it is one word, and
is nothing else."""

from __future__ import annotations

import re
import shlex

from checks.inert import line

_KIND = re.compile(r"[a-z][a-z0-9.-]*")
_PLAIN = re.compile(r"[\w][\w.:@+=-]*", re.ASCII)


def one_word(text: str) -> str:
    """The text as one word of a shell (bash, zsh)."""
    if line(text, len(text) + 1) == text:
        return shlex.quote(text)
    data = "".join(
        chr(one) if 0x20 <= one < 0x7F and one not in b"'\\" else f"\\x{one:02x}"
        for one in _utf8(text)
    )
    return f"$'{data}'"


def thing(kind: str, name: str) -> str:
    """`kind name` of kubectl; `kind/name` where the name would be taken for an option, or for
    several words."""
    return (
        f"{kind} {name}"
        if _KIND.fullmatch(kind) and _PLAIN.fullmatch(name)
        else one_word(f"{kind}/{name}")
    )


def identifier(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def in_template(text: str) -> str:
    """A text as a template of kubectl (`-o go-template=`) writes it."""
    return text.replace("{{", '{{"{{"}}')


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes of a file's name that are no text
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
