"""A class list that is a workbook: read as the same list in CSV, or told for what it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import UsageError
from checks.grading.columns import COLUMNS
from checks.grading.roster import Learner, read_roster
from tests.support.workbooks import (
    Cell,
    Formula,
    Merged,
    Rows,
    closed_open_document,
    excel,
    open_document,
)

ZOE = ["p1", "Le Goff", "Zoé", "zoe@exemple.fr", "user-zoe", "user-ali"]
ALI = ["p2", "Benali", "Ali", "ali@exemple.fr", "user-ali", ""]
WRITERS = {"xlsx": excel, "ods": open_document}
Writer = Callable[..., bytes]


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Writer:
    return WRITERS[request.param]


def _read(folder: Path, data: bytes, name: str = "classe.xlsx") -> list[Learner]:
    file = folder / name
    file.write_bytes(data)
    return list(read_roster(file))


def _problems(folder: Path, data: bytes) -> list[str]:
    with pytest.raises(UsageError) as caught:
        _read(folder, data)
    return [line.strip() for line in caught.value.message.splitlines()]


def test_the_same_people_as_in_csv(write: Writer, tmp_path: Path) -> None:
    rows: Rows = [["Master 1"], [], COLUMNS, ZOE, ALI, ["Total", 2.0]]
    found = _read(tmp_path, write({"Feuille1": rows, "Feuille2": []}))
    text = "\n".join(";".join(str(cell) for cell in row) for row in rows)
    same = _read(tmp_path, text.encode(), "classe.csv")
    assert found == same
    assert [(one.name, one.line) for one in found] == [("Zoé Le Goff", 4), ("Ali Benali", 5)]


def test_numbers_are_read_as_they_are_shown_and_formulas_as_they_were_saved(
    write: Writer, tmp_path: Path
) -> None:
    rows: Rows = [[*COLUMNS, "Dernier accès"], [21900001.0, *ZOE[1:], date(2026, 3, 2)]]
    (learner,) = _read(tmp_path, write({"Liste": rows}))
    assert learner.identifier == "21900001"
    rows = [COLUMNS, [*ALI[:4], Formula("user-ali"), ""]]
    (learner,) = _read(tmp_path, write({"Liste": rows}))
    assert learner.namespace == "user-ali"


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("identifiant", date(2026, 3, 2), "la cellule est une date ou une heure (2026-03-02)"),
        ("identifiant", 1.5, "la cellule est un nombre à virgule"),
        ("identifiant", 2.19e17, "un tableur a arrondi ce nombre de plus de quinze chiffres"),
        ("prenom", True, "la cellule est un vrai ou faux"),
        ("namespace", Formula(None), "sa formule donne une erreur"),
        ("collegue", Formula(None), "sa formule donne une erreur"),
    ],
)
def test_what_is_no_certain_text_is_told_with_its_line(
    write: Writer, column: str, cell: Cell, words: str, tmp_path: Path
) -> None:
    wrong: list[Cell] = [*ZOE]
    wrong[COLUMNS.index(column)] = cell
    told = _problems(tmp_path, write({"Liste": [COLUMNS, ALI, wrong]}))
    assert len(told) == 2, told
    assert told[1].startswith(f"ligne 3 : {column} : {words}")


def test_merged_cells_are_told_where_they_count(write: Writer, tmp_path: Path) -> None:
    names = ["identifiant", "nom", "prenom", "email", "namespace", "groupe", "remarque"]
    rows: Rows = [names, [*ZOE[:5], Merged("G1", 2), "bien"], [*ALI[:5], None, "mieux"]]
    assert _problems(tmp_path, write({"Liste": rows}))[1:] == [
        "ligne 2 : groupe : les cellules F2:F3 sont fusionnées : séparez-les, et remplissez "
        "chacune."
    ]
    rows = [
        [Merged("Master 1", 2)],
        [None],
        names,
        [*ZOE[:5], "G1", Merged("bien", 2)],
        [*ALI[:5], "G1", None],
    ]
    assert [one.colleague for one in _read(tmp_path, write({"Liste": rows}))] == [
        "user-ali",
        "user-zoe",
    ]


def test_a_formula_that_was_drawn_below_the_class_is_nobody(write: Writer, tmp_path: Path) -> None:
    rows: Rows = [COLUMNS, ZOE, [None, None, None, None, Formula(None), None]]
    assert len(_read(tmp_path, write({"Liste": rows}))) == 1


def test_every_problem_of_a_sheet_is_told_at_once(write: Writer, tmp_path: Path) -> None:
    rows: Rows = [COLUMNS, [date(2026, 3, 2), *ZOE[1:]], [*ALI[:3], "personne", "User", "", "x"]]
    told = _problems(tmp_path, write({"Liste": rows, "Barème": [["tp2", 10.0]]}))
    assert told[0].endswith("dans la liste de classe classe.xlsx, feuille « Liste » :")
    assert [line.partition(" : ")[0] for line in told[1:]] == ["ligne 2", "ligne 3"]
    assert "une cellule est remplie dans une colonne qui n’a pas de nom" in told[2]


def test_people_on_two_sheets_are_not_half_forgotten(write: Writer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 feuilles où figurent des personnes : « A » et « B »"):
        _read(tmp_path, write({"A": [COLUMNS, ZOE], "B": [ALI], "C": [["rien"]]}))
    data = excel({"A": [COLUMNS, ZOE], "B": [ALI]}, hidden=["B"])
    with pytest.raises(UsageError, match=r"« A » et « B » \(masquée\)"):
        _read(tmp_path, data)


def test_the_sheet_of_the_class_is_found_wherever_it_is(write: Writer, tmp_path: Path) -> None:
    found = _read(tmp_path, write({"Barème": [["tp2", 10.0]], "Liste": [COLUMNS, ZOE]}))
    assert [one.identifier for one in found] == ["p1"]


@pytest.mark.parametrize("rows", [[], [["", None]]])
def test_an_empty_sheet(write: Writer, rows: Rows, tmp_path: Path) -> None:
    assert "ligne 1 : la liste est vide" in _problems(tmp_path, write({"Liste": rows}))[1]


def test_a_header_and_nobody(write: Writer, tmp_path: Path) -> None:
    told = _problems(tmp_path, write({"Liste": [[], COLUMNS]}))
    assert told[1] == "ligne 2 : il n’y a personne sous l’en-tête."


@pytest.mark.parametrize(
    "data",
    [
        (Path(__file__).parent / "mot_de_passe.xlsx").read_bytes(),  # as Excel encrypts it
        closed_open_document(),
    ],
    ids=WRITERS,
)
def test_a_password_is_told(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="protégé par un mot de passe") as caught:
        _read(tmp_path, data)
    assert "sans mot de passe" in caught.value.remedy


@given(
    writer=st.sampled_from([excel, open_document]),
    place=st.floats(0, 1, exclude_max=True),
    torn=st.binary(min_size=0, max_size=40),
)
def test_a_torn_workbook_is_read_or_refused(
    writer: Writer, place: float, torn: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = writer({"Liste": [COLUMNS, ZOE, ALI]})
    at = int(place * len(whole))
    with contextlib.suppress(UsageError):
        _read(tmp_path_factory.mktemp("torn"), whole[:at] + torn + whole[at + len(torn) :])
    with pytest.raises(UsageError):
        _read(tmp_path_factory.mktemp("torn"), whole[: max(at, 4)] if at < len(whole) - 25 else b"")
