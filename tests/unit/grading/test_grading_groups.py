"""What a list that comes as it is lacks: namespaces out of a model, colleagues out of groups."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import UsageError
from checks.grading.columns import COLUMNS
from checks.grading.naming import NamespaceModel
from checks.grading.roster import Learner, Problem, parse_roster
from checks.output import output
from checks.render.grading import tell_groups

MODEL = NamespaceModel("user-{identifiant}")
PARTICIPANTS = {
    "fr": "Prénom,Nom de famille,Numéro d’identification,Adresse de courriel,Groupes",
    "en": "First name,Last name,ID number,Email address,Groups",
    "older en": "First name,Surname,ID number,Email address,Groups",
}
GRADE_BOOK = {
    "fr": "Prénom,Nom de famille,Numéro d’identification,Institution,Département,"
    "Adresse de courriel,Devoir : TP 1 (Brut),Total du cours (Brut),"
    "Dernier téléchargement depuis ce cours",
    "en": "First name,Last name,ID number,Institution,Department,Email address,"
    "Assignment: TP 1 (Real),Course total (Real),Last downloaded from this course",
}
APOSTROPHES = ["'", "’", "‘", "ʼ", "`", "´", "′"]


def _people(groups: list[str], namespaces: list[str] | None = None) -> str:
    """Our own list, of people whose groups these are."""
    lines = ["identifiant;nom;prenom;email;namespace;groupe"]
    for number, group in enumerate(groups):
        namespace = namespaces[number] if namespaces else f"user-p{number}"
        lines.append(f"p{number};N;P;p{number}@e.fr;{namespace};{group}")
    return "\n".join(lines)


def _read(text: str, model: NamespaceModel | None = None) -> list[Learner]:
    learners, problems = parse_roster(text, model)
    assert problems == []
    return list(learners)


def _told(text: str, model: NamespaceModel | None = None) -> list[Problem]:
    learners, problems = parse_roster(text, model)
    assert learners == []
    return list(problems)


# -- Moodle's files --------------------------------------------------------------------------------


@pytest.mark.parametrize("header", PARTICIPANTS.values(), ids=PARTICIPANTS)
def test_the_list_of_participants_is_enough_with_a_model(header: str) -> None:
    zoe, ali = _read(
        f'{header}\nZoé,Le Goff,zlegoff,zoe@e.fr,"TD 1, Binôme 4"\nAli,Benali,ABenali,ali@e.fr,'
        '"TD 1, Binôme 4"\n',
        MODEL,
    )
    assert (zoe.identifier, zoe.name, zoe.namespace) == ("zlegoff", "Zoé Le Goff", "user-zlegoff")
    assert (ali.namespace, ali.email) == ("user-abenali", "ali@e.fr")
    assert (zoe.colleague, ali.colleague) == (ali.namespace, zoe.namespace)


@pytest.mark.parametrize("apostrophe", APOSTROPHES)
@pytest.mark.parametrize("header", GRADE_BOOK.values(), ids=GRADE_BOOK)
def test_the_grade_book_is_enough_with_a_model(header: str, apostrophe: str) -> None:
    header = header.replace("’", apostrophe)
    text = f"\ufeff{header}\nZoé,Le Goff,219,,,zoe@e.fr,-,12.50,1764450000\n"
    (zoe,) = _read(text, MODEL)
    assert (zoe.identifier, zoe.namespace, zoe.colleague) == ("219", "user-219", "")


# -- namespaces ------------------------------------------------------------------------------------


def test_a_namespace_that_is_told_comes_before_the_model() -> None:
    text = "\n".join([";".join(COLUMNS), "P1;N;P;a@e.fr;projet-a;", "P2;N;P;b@e.fr;;"])
    assert [one.namespace for one in _read(text, MODEL)] == ["projet-a", "user-p2"]


def test_a_model_may_name_any_column_as_it_is_written() -> None:
    text = "identifiant;nom;prenom;email;Compte ENT;collegue\n219;N;P;a@e.fr;ZLeGoff;\n"
    for column in ("Compte ENT", "compte ent"):
        (one,) = _read(text, NamespaceModel(f"user-{{{column}}}"))
        assert one.namespace == "user-zlegoff"


def test_what_a_model_cannot_make_is_told_with_its_line() -> None:
    text = "identifiant;nom;prenom;email;login;collegue\n219;N;P;a@e.fr;;\n220;N;P;b@e.fr;é é;\n"
    assert [str(each) for each in _told(text, NamespaceModel("user-{login}"))] == [
        "ligne 2 : namespace est vide.",
        "ligne 3 : « user-é é » (namespace) ne peut pas être le nom d’un namespace : des "
        "minuscules sans accent, des chiffres et des tirets, par exemple user-alice.",
    ]
    (told,) = _told(text.replace("login", "compte"), NamespaceModel("user-{login}"))[:1]
    assert str(told).startswith(
        "ligne 1 : --namespace-modele nomme la colonne « login », que cette liste n’a pas."
    )


@pytest.mark.parametrize("text", ["user-", "user-{", "user-{}", "user-{a!r}", "user-{a:>9}", ""])
def test_a_model_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="doit nommer une colonne de la liste entre accolades"):
        NamespaceModel(text)


# -- colleagues ------------------------------------------------------------------------------------


def test_in_a_pair_each_is_the_other_s_and_among_three_each_the_next_one_s() -> None:
    found = _read(_people(["G1", "G2", "g1", "G2", "", "G2", "G3"]))
    assert [one.colleague for one in found] == [
        "user-p2",
        "user-p3",
        "user-p0",
        "user-p5",
        "",
        "user-p1",
        "",
    ]


@given(st.lists(st.sampled_from(["", "A", "B", "C", "D"]), min_size=1, max_size=12))
def test_everybody_of_a_small_group_has_one_colleague_and_is_one_s(groups: list[str]) -> None:
    found = _read(_people(groups))
    for group in {*groups}:
        them = [one for one, name in zip(found, groups, strict=True) if name == group]
        if group and len(them) in (2, 3):
            assert sorted(one.colleague for one in them) == sorted(one.namespace for one in them)
            assert all(one.colleague != one.namespace for one in them)
        else:
            assert {one.colleague for one in them} == {""}


def test_a_class_is_no_group_of_work_and_both_are_said() -> None:
    found = _read(_people(["TD 1, B1", "TD 1, B1", "TD 1", "TD 1"]))
    assert [one.colleague for one in found] == ["user-p1", "user-p0", "", ""]
    console = output(stderr=True)
    with console.capture() as said:
        tell_groups(console, Path("classe.csv"), found)
    told = " ".join(said.get().split())
    assert "classe.csv : collègues d’après les groupes, 1 groupe de 2." in told
    assert "trop de monde pour dire qui travaille avec qui dans « TD 1 » (4 personnes)" in told


def test_two_groups_of_work_leave_the_colleague_unknown() -> None:
    told = _told(_people(["A, B", "A", "B"]))
    assert [str(each) for each in told] == [
        "ligne 2 : cette personne est dans 2 groupes de deux ou trois, « A » et « B » : on ne sait "
        "pas avec qui elle travaille."
    ]


def test_people_of_one_project_are_not_their_own_colleagues() -> None:
    found = _read(_people(["A", "A", "A"], ["projet-a", "projet-a", "user-c"]))
    assert [one.colleague for one in found] == ["user-c", "user-c", "projet-a"]
    found = _read(_people(["A", "A"], ["projet-a", "projet-a"]))
    assert [one.colleague for one in found] == ["", ""]


def test_a_column_of_colleagues_comes_before_the_groups() -> None:
    text = "groupe;" + ";".join(COLUMNS) + "\nA;p1;N;P;a@e.fr;user-a;\nA;p2;N;P;b@e.fr;user-b;\n"
    assert [one.colleague for one in _read(text)] == ["", ""]
