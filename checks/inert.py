"""Words of somebody else made inert and short, so that whatever shows them shows what they are.

Facts stay exact, for checks compare, search and quote them. Words are made inert once, where they
become something to be said: in the constructors of what renderers are given (`Said` and
`Diagnostic` of `checks.verdict`, `CahierError`). What is active in one format only (markup of HTML,
formulas of spreadsheets) is escaped by its renderer, which shows it as it is. `on_terminal` is the
last door, for what goes to a terminal or a log by another way.

Standard library only: it is needed where nothing else could be imported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

MOST = 2000
"""Characters of a sentence, unless told otherwise: a label of 63 characters, or a name of 253, is
never cut."""
_SHORT = 500  # characters of what is remembered as it was made inert
_LONGEST_COMMAND = 8000
_MOST_COMMANDS = 30
_MOST_LINES = 100

_BREAKS = re.compile("(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])+")
_COLOURS = re.compile(r"\x1b\[[\d;:]*m")
# What nobody sees (Default_Ignorable_Code_Point of the Unicode Character Database; a blank of
# braille), what acts (controls, directions:
# https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing), what is no character.
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff"
) + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0xE0000, 0x10000)
)
# Joiners and selectors are part of how words of some scripts, and many emoji, are written.
_JOINED = (
    "[\u0600-\u17b3\u17b6-\u180a\u1810-\u1fff\u2190-\u27ff\u2801-\u2bff\ufe0f\U0001f000-\U0001faff]"
)
_SELECTED = "[0-9#*\xa9\xae\u203c-\u3299\U0001f000-\U0001faff]"
_WRITTEN = rf"(?<={_JOINED})[\u200c\u200d](?={_JOINED})|(?<={_SELECTED})[\ufe0e\ufe0f]"
_HIDDEN = re.compile(f"(?P<kept>{_WRITTEN})|[{_UNSEEN}]")
_MARKS = (
    "[\u0300-\u036f\u0483-\u0489\u0610-\u061a\u064b-\u065f\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff]"
)
_HEAP = re.compile(f"({_MARKS}{{3}})({_MARKS}+)")
_IN_JSON = re.compile(f"[{_UNSEEN}]")
# What Rich writes to draw: colours, and the line that turns while one waits.
_DRAWN = re.compile(
    rf"(?P<kept>\x1b\[[\d;]*m|\x1b\[\?25[hl]|\x1b\[\d*[AK]|\r|{_WRITTEN})|[{_UNSEEN}]"
)

_OBEYED = "bash_kernel: saved "
"""What begins a line by which a program has the Bash kernel show a file, or run it."""


def lines(text: str, most: int = 20 * MOST) -> str:
    """The text with its lines, every character seen, nothing active, `most` characters at most."""
    if text.isascii() and text.isprintable() and len(text) <= most:
        return text
    return shortened(seen(text), most)


def line(text: str, most: int = MOST) -> str:
    """The same on one line: a line feed would begin what looks like words of ours."""
    if text.isascii() and text.isprintable() and len(text) <= most:
        return text
    return _told_before(text, most) if len(text) <= _SHORT else _on_one_line(text, most)


def _on_one_line(text: str, most: int) -> str:
    return shortened(seen(" ⏎ ".join(_BREAKS.split(text.strip("\r\n"))).replace("\t", " ")), most)


# a class is told the same few hundred sentences of ours
_told_before = lru_cache(2048)(_on_one_line)


def shortened(text: str, most: int) -> str:
    """The beginning and the end of a text that is longer than `most`; it says what was cut."""
    if len(text) <= most:
        return text
    told = f" … ({len(text)} caractères, coupé) … "
    end = max(0, (most - len(told)) // 4)
    return text[: max(0, most - len(told) - end)] + told + text[len(text) - end :]


def commands(given: Sequence[str]) -> tuple[str, ...]:
    """Commands that fit on a screen, each on its line; one that is cut would do something else, and
    is left out."""
    kept = (one for one in given if len(one) <= _LONGEST_COMMAND)
    return tuple(
        line(one, _LONGEST_COMMAND * 8) for one, _ in zip(kept, range(_MOST_COMMANDS), strict=False)
    )


def file_lines(given: Sequence[str]) -> tuple[str, ...]:
    """Lines to be written in a file; all of them or none, for a part would say something else."""
    return tuple(line(one) for one in given) if len(given) <= _MOST_LINES else ()


def on_terminal(text: str) -> str:
    """What is written to a terminal, or a log; nothing acts there but the drawing of our own
    libraries, nor does a notebook take a line for one that it would obey."""
    text = text.replace(_OBEYED, "bash_kernel : saved ")
    return text if text.isascii() and text.isprintable() else _DRAWN.sub(_shown, text)


def in_json(data: bytes) -> bytes:
    """The same JSON, in UTF-8, whose strings show on a terminal or in an editor what they are."""
    if data.isascii() and b"\x7f" not in data:
        return data
    return _IN_JSON.sub(lambda found: _escaped(found[0]), data.decode()).encode()


def seen(text: str) -> str:
    """The text with every character seen, and nothing active."""
    if text.isascii() and text.isprintable():
        return text
    found = _HIDDEN.sub(_shown, _COLOURS.sub("", text))
    return _HEAP.sub(lambda heap: f"{heap[1]}⟨{len(heap[2])} signes⟩", found)


def _shown(found: re.Match[str]) -> str:
    if found["kept"]:
        return found[0]
    code = ord(found[0])
    if code == 0x7F:
        return "␡"
    return (
        found[0] if found[0] in "\n\t" else chr(0x2400 + code) if code < 0x20 else f"⟨U+{code:04X}⟩"
    )


def _escaped(character: str) -> str:
    if character in "\n\r\t":  # between the values: in a string they are escaped already
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
