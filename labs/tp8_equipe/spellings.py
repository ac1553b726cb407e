"""How a word is found in a text whatever way it is written there: as it is, quoted, escaped,
encoded."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from html.entities import codepoint2name
from itertools import groupby

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_STANDARD, _URL_SAFE = str.maketrans("-_", "+/"), str.maketrans("+/", "-_")
_BREAKS = re.compile(r"(?:\s|\\+[nrt])+")
_DOUBLED = "'\"$%\\"
"""What SQL, YAML, Compose, cron or a shell write twice to mean it once."""
_NESTED = 3  # base64 inside base64, at most


class Spelled:
    """A word, and all that it looks like.

    Letters and digits of ASCII stay as they are, unless all of it is in base64: no tool writes them
    otherwise.
    """

    def __init__(self, word: str) -> None:
        self._anchor = max(re.split(r"[^A-Za-z0-9]+", word), key=len)
        self._pattern = re.compile(
            "".join(_run(char, len(list(run))) for char, run in groupby(word))
        )
        self._encoded = frozenset(_in_base64(word.encode("utf-8", "surrogatepass")))

    def written_in(self, text: str) -> bool:
        """Whether a text has it, in any quoting, escaping or percent-encoding."""
        return self._anchor in text and self._pattern.search(text) is not None

    def encoded_in(self, text: str) -> bool:
        """Whether a text that has no blank has it in base64, alone or in the middle of something
        longer."""
        return any(part in text for part in self._encoded)


class Search:
    """Looks for several words at once. What it was given lives as long as it does, in memory
    only."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words: Mapping[str, Spelled] = {word: Spelled(word) for word in words}
        self._seen: dict[str, Mapping[str, bool]] = {}

    def __call__(self, text: str) -> Mapping[str, bool]:
        """The words that a text has; whether each one is there in base64 only."""
        if text not in self._seen:
            self._seen[text] = self._found(text, _NESTED)
        return self._seen[text]

    def _found(self, text: str, depth: int) -> Mapping[str, bool]:
        whole = _BREAKS.sub("", text)
        found = {
            word: not written
            for word, spelled in self._words.items()
            if (written := spelled.written_in(text)) or spelled.encoded_in(whole)
        }
        if depth and len(found) < len(self._words):
            for inner in decoded(text, whole):
                found = {**dict.fromkeys(self._found(inner, depth - 1), True), **found}
        return found


def decoded(text: str, whole: str = "") -> Iterator[str]:
    """What the parts of a text that may be base64 say, where they say something; `whole`: it
    without its breaks."""
    parts = _BASE64.findall(text)
    if whole and whole != text and _BASE64.fullmatch(whole):
        parts.append(whole)
    for part in dict.fromkeys(parts):
        letters = part.rstrip("=").translate(_STANDARD)
        letters = letters[:-1] if len(letters) % 4 == 1 else letters
        try:
            yield base64.b64decode(letters + "=" * (-len(letters) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue


def _in_base64(word: bytes) -> Iterator[str]:
    """The letters that base64 makes of a word alone, wherever it begins in the three bytes of a
    group."""
    for before, first in ((0, 0), (1, 2), (2, 3)):
        size = before + len(word)
        letters = base64.b64encode(bytes(before) + word).decode()[first : size * 8 // 6]
        yield from (letters, letters.translate(_URL_SAFE))


def _run(char: str, times: int) -> str:
    """The pattern of a character that comes so many times in a row."""
    if re.fullmatch("[A-Za-z0-9]", char):
        return char * times
    return f"(?:{'|'.join(_forms(char))}){{{times},{'' if char in _DOUBLED else times}}}"


def _forms(char: str) -> Iterator[str]:
    """The patterns of one character: each may be escaped several times over, as JSON inside JSON
    is."""
    code, utf8, utf16 = (
        ord(char),
        char.encode("utf-8", "surrogatepass"),
        char.encode("utf-16-be", "surrogatepass"),
    )
    yield "(?i:" + "".join(f"%(?:25)*{byte:02x}" for byte in utf8) + ")"
    names = "|".join(filter(None, (f"#0*{code}", f"(?i:#x0*{code:x})", _entity(code))))
    yield f"&(?:amp;)*(?:{names});"
    yield (
        r"(?i:"
        + "".join(rf"\\+u{utf16[at : at + 2].hex()}" for at in range(0, len(utf16), 2))
        + ")"
    )
    yield rf"(?i:\\+u(?:000)?{{?0*{code:x}}}?)" if code > 0xFFFF else rf"(?i:\\+u{{0*{code:x}}})"
    yield "(?i:" + "".join(rf"\\+x{byte:02x}" for byte in utf8) + ")"
    if 0x7F < code < 0x100:
        yield rf"(?i:\\+x{code:02x})"
    if char == " ":
        yield r"\+"
    if char == "'":
        yield r"""'"'"'"""  # how a shell gets out of its quotes, and back
    yield (r"\\*+" if char != "\\" else "") + re.escape(char)


def _entity(code: int) -> str:
    return "apos" if code == ord("'") else codepoint2name.get(code, "")
