"""A table as spreadsheets write it: its encoding, its separator, its rows with the line that each
begins at."""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from checks.errors import UsageError

SEPARATORS = {";": "« ; »", ",": "« , »", "\t": "une tabulation", "|": "« | »"}
SAVE_AS_UTF8 = (
    "Enregistrez-la en UTF-8. Excel : « Enregistrer sous », type « CSV UTF-8 (délimité par des "
    "virgules) ». LibreOffice : « Enregistrer sous », cochez « Éditer les paramètres du filtre », "
    "jeu de caractères « UTF-8 »."
)

_OTHER_FILES = (
    (b"PK\x03\x04", "un classeur (xlsx, ods)"),
    (b"\xd0\xcf\x11\xe0", "un classeur d’un ancien Excel (xls)"),
    (b"%PDF", "un document PDF"),
    (b"{\\rtf", "un document RTF"),
    (b"\x1f\x8b", "un fichier comprimé (gzip)"),
    (b"<", "une page web ou du XML"),
)
_BYTE_ORDER_MARKS = (  # UTF-32’s own begins like UTF-16’s
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What Western names are written with. MacRoman and DOS write their accents with other bytes, which
# give none of these.
_WESTERN = re.compile(r"[\x00-\x7fÀ-ÖØ-Ýß-öø-ýÿœ’«»\xa0]*")
_MIXED_CASE = re.compile(r"[a-zß-öø-ÿœ][À-ÖØ-Þ]|[A-ZÀ-ÖØ-Þ]{2}[ß-öø-ÿœ]|[ß-öø-ÿœ][A-Z]")
_UTF8_LETTER = re.compile(rb"[\xc3\xc5][\x80-\xbf]|\xe2\x80[\x90-\xbf]")
_INVISIBLE = re.compile("[\ufeff\u200b-\u200f\u202a-\u202e\u2060-\u2069\u00ad]")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_SEPARATOR_HINT = re.compile(r'\s*"?sep=([;,\t|])"?[;,\t|]*[ ]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """The text of a file; `encoding` is told where it is not UTF-8. `line`: the first that may be
    misread, 0: none."""

    text: str
    encoding: str = ""
    line: int = 0


@dataclass(frozen=True)
class Row:
    """A record that is not blank; `broken`: its quotes do not go by two, and its cells mean
    nothing. `unclear`: what is wrong with a cell of a workbook, by its place, "" where another
    line tells it."""

    line: int
    cells: Sequence[str]
    broken: bool = False
    unclear: Mapping[int, str] = field(default_factory=dict)


def utf8(data: bytes, name: str) -> str:
    """The text of a file in UTF-8, with or without BOM. Raises UsageError for any other
    encoding."""
    found = decoded(data, name)
    if found.encoding:
        raise UsageError(f"{name} est en {found.encoding}, pas en UTF-8.", SAVE_AS_UTF8)
    return found.text


def decoded(data: bytes, name: str) -> Text:
    """The text of a file, without what nobody sees. Raises UsageError when it is no text, or none
    that is certain."""
    for beginning, what in _OTHER_FILES:
        if data.removeprefix(codecs.BOM_UTF8).lstrip().startswith(beginning):
            raise UsageError(f"{name} est {what}, pas un fichier CSV.", SAVE_AS_UTF8)
    found = _decoded(data)
    if found is None or "\x00" in found.text:
        raise UsageError(f"{name} n’est pas du texte : il contient des octets nuls.", SAVE_AS_UTF8)
    return found


def _decoded(data: bytes) -> Text | None:
    """None where it is no text."""
    marked = next((codec for mark, codec in _BYTE_ORDER_MARKS if data.startswith(mark)), "")
    codec = marked or _utf16(data)
    try:
        if codec:
            return Text(data.decode(codec), codec.upper()[:6])
        return Text(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        if codec:
            return None
        text = data.decode("cp1252", "replace")
        line = len(_LINE.findall(text[: error.start] + "."))
    certain = (
        _WESTERN.fullmatch(text) and not _MIXED_CASE.search(text) and not _UTF8_LETTER.search(data)
    )
    return Text(text, "Windows-1252", 0 if certain else line)


def _utf16(data: bytes) -> str:
    """The UTF-16 that every second byte is nul in, "" where it is none: names and addresses are
    mostly ASCII."""
    if len(data) < 4 or len(data) % 2:
        return ""
    low, high = data[::2].count(0), data[1::2].count(0)
    half = len(data) // 4
    return "utf-16-le" if high > half > low else "utf-16-be" if low > half > high else ""


def separator_of(text: str) -> str:
    """The separator that cuts the first line into the most cells, its quotes respected."""
    hint = _SEPARATOR_HINT.match(text)
    if hint:
        return hint[1]
    first = next((line for line in _LINE.findall(text) if line.strip()), "")
    return max(
        SEPARATORS, key=lambda separator: len(next(csv.reader([first], delimiter=separator), []))
    )


def rows(text: str, separator: str) -> Iterator[Row]:
    """Records that are not blank, in order. A broken one gives its line, and the next line begins
    anew."""
    text = _INVISIBLE.sub("", text)
    hint = _SEPARATOR_HINT.match(text)
    if hint:  # nothing of it is left but its line
        text = re.sub(r"[^\r\n]", "", hint[0]) + text[hint.end() :]
    blank = "[ \xa0\u202f]*"
    edge = rf"[{re.escape(separator)}\r\n]"
    quoted = rf'(^|{edge}){blank}("(?:[^"]|"")*"){blank}(?={edge}|\Z)'
    lines = _LINE.findall(re.sub(quoted, r"\1\2", text))
    begin = 0
    while begin < len(lines):
        reader = csv.reader(lines[begin:], delimiter=separator, strict=True)
        line = begin + 1
        try:
            for cells in reader:
                texts = [seen(cell) for cell in cells]
                if any(texts):
                    yield Row(line, texts)
                line = begin + reader.line_num + 1
            return
        except csv.Error:
            yield Row(line, (), broken=True)
            begin = line


def seen(cell: str) -> str:
    """A cell as a person sees it: without what nobody sees, blanks around it, or what a spreadsheet
    wraps digits in."""
    text = " ".join(unicodedata.normalize("NFC", _INVISIBLE.sub("", cell)).split())
    wrapped = re.fullmatch(r'="([^"]*)"', text)
    return wrapped[1].strip() if wrapped else text
