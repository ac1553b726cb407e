"""A table as a workbook of Excel (xlsx) or LibreOffice (ods) holds it: its sheets, with the line of
each row, and what in a cell is no certain text.

calamine reads the values; what it gives as an empty cell and is none, an error of a formula or a
part of a merged cell, is looked for in the file itself.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from xml.etree import ElementTree

from checks.errors import UsageError
from checks.grading.table import Row, seen

_ZIP = b"PK\x03\x04"
_COMPOUND = b"\xd0\xcf\x11\xe0"  # an old Excel's, and whatever has a password
_LARGEST = 100_000_000  # bytes once unpacked: a class takes a few hundred thousand
_EXACT = 10**15  # a spreadsheet keeps fifteen digits
_AS_TEXT = "mettez cette colonne au format « Texte », et saisissez-y de nouveau ce qu’il faut lire."
_SAVE_AGAIN = "Enregistrez-la de nouveau : en classeur .xlsx ou .ods, ou en « CSV UTF-8 »."
_OPEN = (
    "Enregistrez-le sans mot de passe. Excel : « Fichier », « Informations », « Protéger le "
    "classeur ». LibreOffice : « Enregistrer sous », décochez « Enregistrer avec un mot de passe »."
)
_REFERENCE = re.compile(r"([A-Z]+)(\d+)")

_TORN = (  # what the standard library says of a file that is none, or not whole
    ElementTree.ParseError,
    EOFError,
    LookupError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)

_Place = tuple[int, int]
_Value = str | float | bool | time | date | datetime | timedelta


@dataclass(frozen=True)
class Sheet:
    """A sheet; `hidden`: the spreadsheet does not show it."""

    name: str
    hidden: bool
    rows: Sequence[Row]


@dataclass
class _Traps:
    """What a sheet shows otherwise than in its values, by line and column from 0."""

    errors: set[_Place] = field(default_factory=set)
    merged: list[tuple[_Place, _Place]] = field(default_factory=list)


def is_workbook(data: bytes) -> bool:
    """Whether this is what `sheets` is for: an old Excel's is refused there, with its reason."""
    return data.startswith((_ZIP, _COMPOUND))


def sheets(data: bytes, name: str) -> Sequence[Sheet]:
    """The sheets of a workbook, in order. Raises UsageError for any other file, or a closed one."""
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    try:
        if _is_closed(data):
            raise UsageError(
                f"{name} est protégé par un mot de passe : on ne peut pas le lire.", _OPEN
            )
        traps = _traps(data)
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            return [
                Sheet(
                    about.name,
                    about.visible != SheetVisibleEnum.Visible,
                    list(
                        _rows(
                            book.get_sheet_by_name(about.name).to_python(skip_empty_area=False),
                            traps.get(about.name, _Traps()),
                        )
                    ),
                )
                for about in book.sheets_metadata
            ]
    except (CalamineError, *_TORN):
        old = data.startswith(_COMPOUND)
        what = "un classeur d’un ancien Excel (xls)" if old else "pas un classeur entier"
        raise UsageError(
            f"{name} {'est' if old else 'n’est'} {what} : la liste peut être en xlsx, en ods ou en "
            "CSV.",
            _SAVE_AGAIN,
        ) from None


def _is_closed(data: bytes) -> bool:
    """Whether a password is asked for. calamine tells it of a path with the right suffix only."""
    if data.startswith(_COMPOUND):
        return "EncryptedPackage".encode("utf-16-le") in data  # a stream's name
    with _archive(data) as archive:
        if "META-INF/manifest.xml" not in archive.namelist():
            return False
        manifest = ElementTree.fromstring(archive.read("META-INF/manifest.xml"))
    return any(_local(one.tag) == "encryption-data" for one in manifest.iter())


def _rows(values: Sequence[Sequence[_Value]], traps: _Traps) -> Iterator[Row]:
    """Rows that are not blank."""
    for index, cells in enumerate(values):
        texts, unclear = [], {}
        for column, value in enumerate(cells):
            text, why = _read(value)
            texts.append(text)
            if (index, column) in traps.errors:
                why = "sa formule donne une erreur : corrigez-la, ou écrivez ce qu’il faut lire."
            if why:
                unclear[column] = why
        for (top, left), (bottom, right) in traps.merged:
            if top <= index <= bottom:
                span = f"{_reference(top, left)}:{_reference(bottom, right)}"
                why = f"les cellules {span} sont fusionnées : séparez-les, et remplissez chacune."
                unclear |= dict.fromkeys(range(left, right + 1), why if index == top else "")
        if any(texts):
            yield Row(index + 1, texts, unclear=unclear)


def _read(value: _Value) -> tuple[str, str]:
    """The text of a cell, and why that is not certain to be what a person reads there."""
    if isinstance(value, str):
        return seen(value), ""
    if isinstance(value, bool):
        return "VRAI" if value else "FAUX", f"la cellule est un vrai ou faux : {_AS_TEXT}"
    if isinstance(value, int | float):
        if value == int(value):
            rounded = abs(value) >= _EXACT
            why = f"un tableur a arrondi ce nombre de plus de quinze chiffres : {_AS_TEXT}"
            return str(int(value)), why if rounded else ""
        return str(value).replace(".", ","), f"la cellule est un nombre à virgule : {_AS_TEXT}"
    return str(value), f"la cellule est une date ou une heure ({value}) : {_AS_TEXT}"


# -- what the values do not tell -------------------------------------------------------------------


def _traps(data: bytes) -> Mapping[str, _Traps]:
    """By the name of each sheet. Raises what reading a file that is none raises."""
    if not data.startswith(_ZIP):
        return {}
    with _archive(data) as archive:
        names = set(archive.namelist())
        if "xl/workbook.xml" in names:
            return {
                name: _excel(archive.read(part))
                for name, part in _excel_parts(archive)
                if part in names
            }
        return dict(_open_document(archive.read("content.xml")))


def _archive(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    if sum(part.file_size for part in archive.infolist()) > _LARGEST:
        raise ValueError("no class is that large")
    return archive


def _excel_parts(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Name of each sheet, and of the part that holds it."""
    targets = {
        one.get("Id"): one.get("Target", "")
        for one in ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    }
    for one in ElementTree.fromstring(archive.read("xl/workbook.xml")).iter():
        if _local(one.tag) == "sheet":
            relation = next((one.attrib[key] for key in one.attrib if _local(key) == "id"), "")
            target = targets.get(relation, "")
            yield one.get("name", ""), posixpath.join("/xl", target).removeprefix("/")


def _excel(sheet: bytes) -> _Traps:
    found = _Traps()
    for one in ElementTree.fromstring(sheet).iter():
        kind = _local(one.tag)
        if kind == "c" and one.get("t") == "e":
            found.errors |= set(_places(one.get("r", "")))
        if kind == "mergeCell" and len(corners := list(_places(one.get("ref", "")))) == 2:
            found.merged.append((corners[0], corners[1]))
    return found


def _open_document(content: bytes) -> Iterator[tuple[str, _Traps]]:
    for table in ElementTree.fromstring(content).iter():
        if _local(table.tag) != "table":
            continue
        found, line = _Traps(), 0
        for row in table.iter():
            if _local(row.tag) != "table-row":
                continue
            column = 0
            for cell in row:
                told = {_local(key): value for key, value in cell.attrib.items()}
                # an error that is not told as one is written as a text
                if _is_error(cell):
                    found.errors.add((line, column))
                height, width = (
                    int(told.get(f"number-{what}-spanned", 1)) for what in ("rows", "columns")
                )
                if height > 1 or width > 1:
                    found.merged.append(((line, column), (line + height - 1, column + width - 1)))
                column += int(told.get("number-columns-repeated", 1))
            repeated = next(
                (
                    value
                    for key, value in row.attrib.items()
                    if _local(key) == "number-rows-repeated"
                ),
                1,
            )
            line += int(repeated)
        yield (
            next((value for key, value in table.attrib.items() if _local(key) == "name"), ""),
            found,
        )


def _is_error(cell: ElementTree.Element) -> bool:
    """LibreOffice's own sign of an error, beside the type that OpenDocument knows."""
    return any(
        _local(key) == "value-type" and value == "error" for key, value in cell.attrib.items()
    )


def _local(tag: str) -> str:
    """A name of XML without its namespace: strict Office documents have others."""
    return tag.rpartition("}")[2]


def _places(reference: str) -> Iterator[_Place]:
    """`B3`, or both corners of `B3:C4`."""
    for letters, line in _REFERENCE.findall(reference):
        column = 0
        for letter in letters:
            column = column * 26 + ord(letter) - ord("A") + 1
        yield int(line) - 1, column - 1


def _reference(line: int, column: int) -> str:
    letters, rest = "", column + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{line + 1}"
