"""Workbooks as Excel and LibreOffice write them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import escape, quoteattr

import xlsxwriter

_ERROR = "#N/A"
_LAST = 1048576  # the rows of a sheet: LibreOffice repeats the last one that far

_NAMES = " ".join(
    f'xmlns:{prefix}="{name}"'
    for prefix, name in {
        "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
        "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
        "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
        "calcext": "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0",
        "manifest": "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0",
    }.items()
)


@dataclass(frozen=True)
class Formula:
    """A formula, and the value that it had when the workbook was saved; None: an error."""

    value: str | None


@dataclass(frozen=True)
class Merged:
    """A cell that spans these many rows, down from its own."""

    value: str
    rows: int


Cell = str | float | bool | date | Formula | Merged | None
Rows = Sequence[Sequence[Cell]]


def excel(sheets: Mapping[str, Rows], hidden: Sequence[str] = ()) -> bytes:
    """An xlsx."""
    data = io.BytesIO()
    with xlsxwriter.Workbook(data) as book:
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            if name in hidden:
                sheet.hide()
            for line, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    if isinstance(cell, Merged):
                        last = line + cell.rows - 1
                        sheet.merge_range(line, column, last, column, cell.value)
                    elif isinstance(cell, Formula):
                        was = _ERROR if cell.value is None else cell.value
                        sheet.write_formula(line, column, "=A1", None, was)
                    elif isinstance(cell, date):
                        sheet.write_datetime(line, column, cell, day)
                    elif isinstance(cell, str):
                        sheet.write_string(line, column, cell)
                    elif cell is not None:
                        sheet.write(line, column, cell)
    return data.getvalue()


def open_document(sheets: Mapping[str, Rows]) -> bytes:
    """An ods, whose empty rows go down to the last one that there may be."""
    tables = "".join(
        f"<table:table table:name={quoteattr(name)}>{_rows(rows)}</table:table>"
        for name, rows in sheets.items()
    )
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    return _archive(f"<office:document-content {_NAMES}>{body}</office:document-content>", "")


def closed_open_document() -> bytes:
    """An ods with a password."""
    return _archive("\0not to be read", "<manifest:encryption-data/>")


def _archive(content: str, manifest: str) -> bytes:
    data = io.BytesIO()
    entry = (
        f'<manifest:file-entry manifest:full-path="content.xml">{manifest}</manifest:file-entry>'
    )
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml", f"<manifest:manifest {_NAMES}>{entry}</manifest:manifest>"
        )
    return data.getvalue()


def _rows(rows: Rows) -> str:
    written, covered = "", dict[int, int]()
    for cells in rows:
        line = ""
        for column, cell in enumerate(cells):
            if covered.get(column):
                covered[column] -= 1
                line += "<table:covered-table-cell/>"
                continue
            if isinstance(cell, Merged):
                covered[column] = cell.rows - 1
            line += _cell(cell)
        written += f"<table:table-row>{line}</table:table-row>"
    return (
        f'{written}<table:table-row table:number-rows-repeated="{_LAST - len(rows)}">'
        '<table:table-cell table:number-columns-repeated="1024"/></table:table-row>'
    )


def _cell(cell: Cell) -> str:
    told, text = "", ""
    if isinstance(cell, Formula):
        told, text = 'office:value-type="string"', cell.value or _ERROR
        if cell.value is None:
            told += ' office:string-value="" calcext:value-type="error"'
    elif isinstance(cell, Merged):
        told = f'office:value-type="string" table:number-rows-spanned="{cell.rows}" '
        told += 'table:number-columns-spanned="1"'
        text = cell.value
    elif isinstance(cell, bool):
        told = f'office:value-type="boolean" office:boolean-value="{str(cell).lower()}"'
        text = "VRAI" if cell else "FAUX"
    elif isinstance(cell, date):
        told, text = f'office:value-type="date" office:date-value="{cell}"', f"{cell:%d/%m/%Y}"
    elif isinstance(cell, str) and cell:
        told, text = 'office:value-type="string"', cell
    elif isinstance(cell, int | float):
        told, text = f'office:value-type="float" office:value="{cell}"', f"{cell:g}"
    return f"<table:table-cell {told}>" + (
        f"<text:p>{escape(text)}</text:p></table:table-cell>" if text else "</table:table-cell>"
    )
