"""The roster: what is read, and every problem told at once with its line."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from checks.errors import UsageError
from checks.grading.columns import COLUMNS
from checks.grading.roster import parse_roster, read_roster
from checks.grading.table import decoded
from checks.lab import all_labs, find_lab

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


def test_a_team_is_written_in_one_cell() -> None:
    lines = (
        "identifiant;nom;prenom;email;namespace;collegue",
        "un;Un;U;u@b.fr;user-un;user-deux, user-trois",
        "deux;Deux;D;d@b.fr;user-deux;user-un user-deux",
        "trois;Trois;T;t@b.fr;user-trois;user-un,User_Deux",
    )
    learners, problems = parse_roster("\n".join(lines[:2]))
    assert problems == []
    assert learners[0].colleagues(find_lab("tp6")) == ["user-deux", "user-trois"]
    assert learners[0].colleagues(find_lab("tp5")) == ["user-deux"]
    _, problems = parse_roster("\n".join(lines))
    assert [problem.line for problem in problems] == [3, 4]
    assert "le collègue de deux est son propre namespace, « user-deux »" in problems[0].message
    assert "« User_Deux » (collegue)" in problems[1].message


def test_semicolons_any_order_accents_and_more_columns() -> None:
    columns = "Groupe;Collègue;NAMESPACE;Email;Prénom;Nom;Identifiant"
    text = f"{columns}\nA;;user-a;a@b.fr;Ana;Bé;x1\n\n;;;;;;\n"
    learners, problems = parse_roster(text)
    assert problems == []
    assert [(each.identifier, each.first_name, each.namespace) for each in learners] == [
        ("x1", "Ana", "user-a")
    ]


def test_decomposed_accents_are_composed() -> None:
    learners, _ = parse_roster(
        "identifiant,nom,prenom,email,namespace,collegue\nx1,E\u0301luard,A,a@b.fr,user-a,\n"
    )
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
    assert said[0] == "11 problèmes dans la liste de classe classe.csv :"
    for line, words in [
        (3, "« pas une adresse » n’est pas une adresse de courriel"),
        (3, "son propre namespace"),
        (4, "l’identifiant « UN » est déjà à la ligne 2"),
        (4, "l’adresse « UN@exemple.fr » est déjà à la ligne 2"),
        (5, "identifiant est vide"),
        (5, "« User_Quatre » (namespace) ne peut pas être le nom d’un namespace"),
        (6, "5 cellules au lieu de 6"),
        (7, "l’identifiant « six six » ne convient pas"),
        (9, "l’identifiant « =sept » ne convient pas"),
        (9, "« +sept@exemple.fr » n’est pas une adresse"),
        (9, "« é » (collegue) ne peut pas être"),
    ]:
        assert any(each.startswith(f"ligne {line} : ") and words in each for each in said), (
            line,
            words,
            said,
        )
    lines = [int(each.split()[1]) for each in said[1:]]
    assert lines == sorted(lines)
    assert "rien n’a été noté" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "la liste est vide"),
        ("\ufeff\r\n;;;\r\n", "la liste est vide"),
        (
            "p1;Un;U;un@exemple.fr;user-un;\n",
            "écrivez au-dessus identifiant;nom;prenom;email;namespace;collegue",
        ),
        (
            "identifiant,nom\na,b\n",
            "il manque les colonnes prenom, email, namespace, collegue. Colonnes lues : "
            "identifiant",
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
    learners, problems = parse_roster(
        "identifiant,nom,prenom,email,namespace\na,b,c,d,user-a\na,b,c,d@e.fr,E\n"
    )
    assert learners == []
    assert [problem.line for problem in problems] == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04...", "n’est pas un classeur entier"),
        (b"\xd0\xcf\x11\xe0...", "est un classeur d’un ancien Excel"),
        (b"%PDF-1.7", "est un document PDF"),
        (b"\xef\xbb\xbf <table><tr><td>identifiant", "est une page web"),
        (b"\xff\xfei", "n’est pas du texte"),
        (b"identifiant\x00nom", "n’est pas du texte"),
    ],
)
def test_what_is_no_text_is_told_for_what_it_is(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "classe.csv"
    file.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_roster(file)
    assert words in caught.value.message
    assert "CSV UTF-8" in caught.value.remedy


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_encoding_that_is_certain_is_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "classe.csv"
    file.write_bytes(GOOD.encode(encoding))
    assert [learner.name for learner in read_roster(file)] == [
        "Zoé Éluard-Hémon",
        "Noël L’Hôte, de",
    ]


@pytest.mark.parametrize(
    "data",
    [
        GOOD.replace("’", "'").encode("cp850"),
        GOOD.encode("mac-roman"),
        f"{','.join(COLUMNS)}\np,Zoé,Zoé,z@e.fr,user-z,\n".encode()
        + "q,Noël,N,n@e.fr,user-n,\n".encode("cp1252"),
        GOOD.replace("Éluard", "ÉLUARé").encode("cp1252"),
    ],
    ids=["dos", "mac", "two encodings", "an accent out of place"],
)
def test_an_encoding_that_is_not_certain_is_told_with_all_the_rest(
    tmp_path: Path, data: bytes
) -> None:
    file = tmp_path / "classe.csv"
    file.write_bytes(data + b"2,19E+07,A,A,a@b.fr,user-a,\n" + b"3,B,B,personne,user-b,\n")
    with pytest.raises(UsageError) as caught:
        read_roster(file)
    told = caught.value.message
    assert "un caractère est illisible : la liste n’est pas en UTF-8" in told
    assert "« personne » n’est pas une adresse" in told
    assert "CSV UTF-8" in caught.value.remedy


def test_the_encoding_is_named_where_the_rest_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "classe.csv"
    file.write_bytes(f"{HEADER}\n2,19E+07;Zoé;Zoé;z@e.fr;user-z;\n".encode("cp1252"))
    with pytest.raises(
        UsageError, match=r"1 problème dans .*, lue en Windows-1252 :\n  ligne 2 : .*2,19E\+07"
    ):
        read_roster(file)


HEADER = "identifiant;nom;prenom;email;namespace;collegue"
ONE = "p1;Le Goff;Zoé;zoe@exemple.fr;user-zoe;"
TWO = "p2;Benali;Ali;ali@exemple.fr;user-ali;user-zoe"
CERTAIN = {
    "sep": f"sep=;\r\n{HEADER}\r\n{ONE}\r\n{TWO}\r\n",
    "sep, quoted": f'"sep=;"\n{HEADER}\n{ONE}\n{TWO}\n',
    "CR": f"{HEADER}\r{ONE}\r{TWO}",
    "trailing": f"{HEADER};\n{ONE};;\n{TWO}\n",
    "titles": f"Master 1;;;;;\nListe du 3 mars\n\n{HEADER}\n{ONE}\n{TWO}\nTotal;2\nEffectif : "
    "2;;;;;\n",
    "glued": f"\ufeff{HEADER}\n{ONE}\n\n\ufeff{HEADER}\n{TWO}\n",
    "glued, another order": f"{HEADER}\n{ONE}\nnom;prenom;identifiant;collegue;namespace;email\n"
    "Benali;Ali;p2;user-zoe;user-ali;ali@exemple.fr\n",
    "invisible": f"{HEADER}\n\u200b{ONE}\xad\n{TWO}\xa0\n",
    "blanks": f'{HEADER}\n{ONE}\np2; "Benali" ;Ali;ali@exemple.fr;user-ali;\xa0"user-zoe"\n',
    "wrapped": f'{HEADER}\n{ONE}\n"=""p2""";Benali;Ali;ali@exemple.fr;user-ali;user-zoe\n',
}


@pytest.mark.parametrize("text", CERTAIN.values(), ids=CERTAIN)
def test_what_is_certain_is_read(text: str) -> None:
    learners, problems = parse_roster(text)
    assert problems == []
    assert [
        (each.identifier, each.last_name, each.email, each.namespace, each.colleague)
        for each in learners
    ] == [
        ("p1", "Le Goff", "zoe@exemple.fr", "user-zoe", ""),
        ("p2", "Benali", "ali@exemple.fr", "user-ali", "user-zoe"),
    ]


def test_a_semicolon_inside_a_quoted_header_separates_nothing() -> None:
    text = '"Groupe; parcours; site","identifiant","nom","prenom","email","namespace","collegue"\n'
    learners, problems = parse_roster(text + '"G1; G2",p1,"Le Goff",Zoé,z@e.fr,user-zoe,\n')
    assert (problems, [each.last_name for each in learners]) == ([], ["Le Goff"])


@pytest.mark.parametrize(
    "header",
    [
        "Prénom,Nom de famille,Numéro d’identification,Adresse de courriel,Groupes",
        "Prénom,Nom de famille,Numéro d'identification,Adresse de courriel,Groupes",
        "First name,Last name,ID number,Email address,Groups",
        "First name,Surname,Username,Email address,Groups",
    ],
)
def test_the_participants_of_moodle_lack_their_namespaces(header: str) -> None:
    person = 'Zoé,Le Goff,21900001,z@e.fr,"G1, G2"'
    learners, problems = parse_roster(f"{header}\n{person}\n")
    assert learners == []
    (told,) = problems
    assert "il manque la colonne namespace : ajoutez-la" in told.message
    assert "« user- » suivi du nom de connexion" in told.message
    assert "(c’est « identifiant »)" in told.message
    (learner,), problems = parse_roster(f"{header},namespace\n{person},user-zoe\n")
    assert problems == []
    assert (learner.identifier, learner.first_name, learner.last_name) == (
        "21900001",
        "Zoé",
        "Le Goff",
    )
    assert (learner.email, learner.namespace, learner.colleague) == ("z@e.fr", "user-zoe", "")


def test_a_column_of_pairs_under_another_name_is_not_passed_over() -> None:
    _, problems = parse_roster(
        "First name,Last name,ID number,Email "
        "address,namespace,Binôme\nZ,L,1,z@e.fr,user-z,user-a\n"
    )
    assert ["la colonne collegue" in problem.message for problem in problems] == [True]


def test_the_number_comes_before_the_name_of_the_account() -> None:
    header = (
        "Nom d’utilisateur,Numéro d’identification,Nom,Prénom,Adresse de "
        "courriel,namespace,collegue"
    )
    (learner,), _ = parse_roster(f"{header}\nzoe,219,L,Z,z@e.fr,user-z,\n")
    assert learner.identifier == "219"


def test_a_namespace_may_be_shared_but_nobody_is_listed_twice() -> None:
    three = "p3;Diop;Awa;awa@exemple.fr;user-zoe;"
    learners, problems = parse_roster("\n".join([HEADER, ONE, three]))
    assert (problems, [each.namespace for each in learners]) == ([], ["user-zoe", "user-zoe"])
    _, problems = parse_roster("\n".join([HEADER, ONE, three.replace("p3", "P1")]))
    assert [str(each) for each in problems] == [
        "ligne 3 : l’identifiant « P1 » est déjà à la ligne 2."
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2,19E+07;A;B;a@b.fr;user-a;", "« 2,19E+07 » est un nombre qu’un tableur a transformé"),
        ("2.19e+07;A;B;a@b.fr;user-a;", "« 2.19e+07 » est un nombre qu’un tableur a transformé"),
        (
            "21900001.0;A;B;a@b.fr;user-a;",
            "« 21900001.0 » est un nombre qu’un tableur a transformé",
        ),
        ('"=""00123""";A;B;a@b.fr;user a;', "« user a » (namespace) ne peut pas être"),
        ('p1;"A;B;a@b.fr;user-a;', "les guillemets ne vont pas par deux"),
        ('p1;"A"x;B;a@b.fr;user-a;', "les guillemets ne vont pas par deux"),
        ("p1;A;B;a@b.fr", "4 cellules au lieu de 6"),
        ("p1;A;B;a@b.fr;user-a;;;user-b", "8 cellules au lieu de 6"),
        (
            "p1,A,B,a@b.fr,user-a,",
            "1 cellule au lieu de 6 : il y a un séparateur de trop ou de moins (cette liste est "
            "séparée par « ; »)",
        ),
        ("Groupe B;;;;;", "« Groupe B » ne décrit personne : supprimez cette ligne"),
        ("p1;;;;;", "nom est vide"),
        ("Total;Zoé;;;;", "email est vide"),
    ],
)
def test_what_is_not_certain_is_told_with_its_line_and_hides_nothing(row: str, words: str) -> None:
    learners, problems = parse_roster(
        f"sep=;\n{HEADER}\n{TWO}\n{row}\nfin;Fin;F;pas une adresse;user-fin;\n"
    )
    assert learners == []
    assert any(problem.line == 4 and words in problem.message for problem in problems), problems
    assert any(
        problem.line == 5 and "pas une adresse" in problem.message for problem in problems
    ), problems


def test_somebody_above_the_header_is_not_forgotten() -> None:
    _, problems = parse_roster(f"{ONE}\n{HEADER}\n{TWO}\n")
    assert [str(each) for each in problems] == [
        "ligne 1 : quelqu’un figure au-dessus de l’en-tête, qui est à la ligne 2 : mettez-le "
        "dessous."
    ]


# -- the same people, however they are written -----------------------------------------------------

NAMES = (
    st.text(st.sampled_from("abcdeéèêçïœ'’-;,\t \" "), min_size=1, max_size=12)
    .map(str.title)
    .filter(lambda name: any(letter.isalpha() for letter in name))
)
CAPITALS = str.maketrans("ÉÈÊÇÏŒ", "EEECIO")
TITLES = {
    "fr": COLUMNS,
    "Moodle": (
        "Numéro d’identification",
        "Nom de famille",
        "Prénom",
        "Adresse de courriel",
        "Namespace",
        "Collègue",
    ),
    "en": ("ID number", "Last name", "First name", "Email address", "namespace", "collegue"),
}


@st.composite
def a_class(draw: st.DrawFn) -> list[tuple[str, ...]]:
    """People whose names hold what separates and quotes."""
    rows = []
    for number in range(draw(st.integers(1, 4))):
        names = [" ".join(draw(NAMES).translate(CAPITALS).split()) for _ in range(2)]
        namespace = draw(st.sampled_from(("projet-enquete", f"user-p{number}")))
        rows.append(
            (
                f"p{number:03}",
                *names,
                f"p{number}@exemple.fr",
                namespace,
                draw(st.sampled_from(("", "user-bob"))),
            )
        )
    return rows


@st.composite
def written(draw: st.DrawFn, people: list[tuple[str, ...]]) -> bytes:
    """A file of these people in some dialect."""
    separator, end = draw(st.sampled_from(";,\t")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    order = draw(st.permutations(range(7)))
    all_quoted = draw(st.booleans())
    blank = draw(st.sampled_from(["", " ", "\xa0"]))

    def row(cells: Sequence[str]) -> str:
        cells = [(*cells, "G1; G2")[place] for place in order]
        quoted = [all_quoted or any(letter in cell for letter in ';,\t" ') for cell in cells]
        return separator.join(
            blank + '"' + cell.replace('"', '""') + '"' + blank if quote else cell
            for cell, quote in zip(cells, quoted, strict=True)
        )

    header = row(TITLES[draw(st.sampled_from(sorted(TITLES)))])
    lines = [header, *map(row, people)]
    if draw(st.booleans()):
        lines.insert(
            draw(st.integers(1, len(lines))), "\ufeff" + header if draw(st.booleans()) else header
        )
    if draw(st.booleans()):
        lines = ["Liste du groupe A", "", *lines]
    if draw(st.booleans()):
        lines += [separator * 6, "Total" + separator + str(len(people))]
    if draw(st.booleans()):
        lines.insert(0, f"sep={separator}")
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    encoding = draw(
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
    )
    if encoding != "cp1252":
        return text.encode(encoding)
    data = text.replace("\ufeff", "").encode(encoding)
    # « çœœ » is a Chinese character in UTF-8: nothing tells which it is
    assume(data.isascii() or not _is_utf8(data))
    return data


def _is_utf8(data: bytes) -> bool:
    with contextlib.suppress(UnicodeDecodeError):
        return bool(data.decode("utf-8"))
    return False


@given(st.data())
def test_the_same_people_are_read_whatever_the_dialect(data: st.DataObject) -> None:
    people = data.draw(a_class())
    found = decoded(data.draw(written(people)), "classe.csv")
    assert found.line == 0
    learners, problems = parse_roster(found.text)
    assert problems == []
    read = [
        (one.identifier, one.last_name, one.first_name, one.email, one.namespace, one.colleague)
        for one in learners
    ]
    assert read == people


def test_a_roster_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="n’existe pas"):
        read_roster(tmp_path / "rien.csv")
    with pytest.raises(UsageError, match="illisible"):
        read_roster(tmp_path)


@given(st.text(max_size=200))
def test_any_text_gives_learners_or_problems(text: str) -> None:
    for body in (text, ",".join(COLUMNS) + "\n" + text):
        learners, problems = parse_roster(body)
        assert bool(learners) is not bool(problems)
        assert all(problem.line >= 1 for problem in problems)


# -- roles -----------------------------------------------------------------------------------------

_TWO = "identifiant;nom;prenom;email;namespace;collegue;{}\n" + "".join(
    f"p{n};N;P;p{n}@exemple.fr;user-p{n};user-p{3 - n};{{}}\n" for n in (1, 2)
)


@pytest.mark.parametrize("written", ["relaie", "Relais"])
def test_a_role_tells_whose_labs_they_do(written: str) -> None:
    learners, problems = parse_roster(_TWO.format("Rôle", written, "possède"))
    assert not problems
    relaying, owning = learners
    labs = {lab.short_name: (relaying.does(lab), owning.does(lab)) for lab in all_labs()}
    assert {name for name, (one, other) in labs.items() if one and other} >= {"tp1", "tp2", "tp3"}
    assert (labs["tp5"], labs["tp7"]) == ((True, False), (True, False))
    assert (labs["tp4"], labs["tp6"], labs["tp8"]) == ((False, True),) * 3


def test_the_roles_of_another_program_are_none() -> None:
    learners, problems = parse_roster(_TWO.format("Rôle", "Étudiant", "Étudiant"))
    assert not problems
    assert [one.role for one in learners] == ["", ""]


def test_a_strange_role_among_ours_is_told() -> None:
    _learners, problems = parse_roster(_TWO.format("role", "relaie", "regarde"))
    assert [(one.line, "« regarde »" in one.message) for one in problems] == [(3, True)]
