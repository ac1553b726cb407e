"""The roster: what is read, and every problem told at once with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import UsageError
from checks.grading.roster import COLUMNS, parse_roster, read_roster

GOOD = """identifiant,nom,prenom,email,namespace,collegue
eleve1,Éluard-Hémon,Zoé,zoe.eluard@etu.exemple.fr,user-zoe,user-noel
eleve2,"L’Hôte, de",Noël,noel@etu.exemple.fr,user-noel,
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_good_roster(tmp_path: Path, encoding: str, end: str) -> None:
    file = tmp_path / "classe.csv"
    file.write_bytes(GOOD.replace("\n", end).encode(encoding))
    one, two = read_roster(file)
    assert (one.identifier, one.name, one.namespace, one.colleague) == (
        "eleve1",
        "Zoé Éluard-Hémon",
        "user-zoe",
        "user-noel",
    )
    assert (two.last_name, two.colleague, two.line) == ("L’Hôte, de", "", 3)


def test_semicolons_any_order_accents_and_more_columns() -> None:
    text = "Groupe;Collègue;NAMESPACE;Email;Prénom;Nom;Identifiant\nA;;user-a;a@b.fr;Ana;Bé;x1\n\n;;;;;;\n"
    learners, problems = parse_roster(text)
    assert problems == []
    assert [(each.identifier, each.first_name, each.namespace) for each in learners] == [("x1", "Ana", "user-a")]


def test_decomposed_accents_are_composed() -> None:
    learners, _ = parse_roster("identifiant,nom,prenom,email,namespace,collegue\nx1,E\u0301luard,A,a@b.fr,user-a,\n")
    assert learners[0].last_name == "Éluard"


def test_every_problem_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "classe.csv"
    file.write_text(
        "identifiant,nom,prenom,email,namespace,collegue\n"
        "un,Un,U,un@exemple.fr,user-un,user-deux\n"
        "deux,Deux,D,pas une adresse,user-deux,user-deux\n"
        "UN,Trois,T,UN@exemple.fr,user-un,\n"
        ",Quatre,Q,quatre@exemple.fr,User_Quatre,\n"
        "cinq,Cinq,C,cinq@exemple.fr,user-cinq\n"
        '"six\n'
        'six",Six,S,six@exemple.fr,user-six,\n'
        "=sept,Sept,S,+sept@exemple.fr,user-sept,é\n",
        encoding="utf-8",
    )
    with pytest.raises(UsageError) as caught:
        read_roster(file)
    said = [line.strip() for line in caught.value.message.splitlines()]
    assert said[0] == "12 problèmes dans la liste de classe classe.csv :"
    for line, words in [
        (3, "« pas une adresse » n’est pas une adresse de courriel"),
        (3, "son propre namespace"),
        (4, "l’identifiant « UN » est déjà à la ligne 2"),
        (4, "l’adresse « UN@exemple.fr » est déjà à la ligne 2"),
        (4, "le namespace « user-un » est déjà à la ligne 2"),
        (5, "identifiant est vide"),
        (5, "« User_Quatre » (namespace) ne peut pas être le nom d’un namespace"),
        (6, "5 cellules au lieu de 6"),
        (7, "l’identifiant « six six » ne convient pas"),
        (9, "l’identifiant « =sept » ne convient pas"),
        (9, "« +sept@exemple.fr » n’est pas une adresse"),
        (9, "« é » (collegue) ne peut pas être"),
    ]:
        assert any(each.startswith(f"ligne {line} : ") and words in each for each in said), (line, words, said)
    lines = [int(each.split()[1]) for each in said[1:]]
    assert lines == sorted(lines)
    assert "rien n’a été noté" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "les colonnes identifiant, nom, prenom, email, namespace, collegue"),
        (
            "identifiant,nom\na,b\n",
            "il manque les colonnes prenom, email, namespace, collegue. Colonnes lues : identifiant",
        ),
        ("identifiant;nom;prenom;email;namespace\n", "il manque la colonne collegue"),
        (",".join((*COLUMNS, "nom")) + "\n", "la colonne nom figure deux fois"),
        (",".join(COLUMNS) + "\n", "il n’y a personne sous l’en-tête"),
        (",".join(COLUMNS) + '\na,"b,c,d@e.fr,user-a,\n', "les guillemets ne vont pas par deux"),
    ],
)
def test_a_roster_that_is_none(text: str, words: str) -> None:
    learners, problems = parse_roster(text)
    assert learners == []
    assert words in str(problems[0])


def test_a_missing_column_does_not_hide_what_else_is_wrong() -> None:
    learners, problems = parse_roster("identifiant,nom,prenom,email,namespace\na,b,c,d,user-a\na,b,c,d@e.fr,E\n")
    assert learners == []
    assert [problem.line for problem in problems] == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            GOOD.encode("cp1252"),
            "à la ligne 2, un caractère est illisible (en Windows-1252, cette ligne serait « eleve1,Éluard",
        ),
        (GOOD.encode("utf-16"), "est en UTF-16"),
        (b"PK\x03\x04...", "est un classeur"),
        (GOOD.encode("utf-16-le"), "n’est pas en UTF-8"),
    ],
)
def test_other_encodings_are_refused_with_a_remedy(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "classe.csv"
    file.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_roster(file)
    assert words in caught.value.message
    assert "CSV UTF-8" in caught.value.remedy


def test_a_roster_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="n’existe pas"):
        read_roster(tmp_path / "rien.csv")
    with pytest.raises(UsageError, match="illisible"):
        read_roster(tmp_path)


@given(st.text(max_size=200))
def test_any_text_gives_learners_or_problems(text: str) -> None:
    for body in (text, ",".join(COLUMNS) + "\n" + text):
        learners, problems = parse_roster(body)
        assert learners or problems
        assert all(problem.line >= 1 for problem in problems)
