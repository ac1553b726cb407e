"""The exports, to the byte: French names, formulas, absences, decimal signs; a worksheet filled in
place; the pages."""

from __future__ import annotations

import re
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from checks.errors import UsageError
from checks.grading.exports import feedback, junit, moodle, report, spreadsheet, worksheet
from checks.grading.exports.cells import defuse
from checks.grading.exports.marks import decimal, short
from checks.grading.results import (
    ClassGrades,
    LabGrade,
    from_verdict,
    lab_info,
    of_learner,
    without_verdict,
)
from checks.grading.roster import Learner
from checks.lab import find_lab
from checks.verdict import Status
from tests.support.graded_class import verdict

LAB = find_lab("tp2")
PATHS = {LAB.name: LAB.about.path}
ZOE = Learner("zoe", "Éluard-Hémon", "Zoé", "zoe@exemple.fr", "user-zoe", "user-max")
EVIL = Learner("max", "=cmd|'/C calc'!A0", "Max <b>&", "max@exemple.fr", "user-max", "user-zoe")
IDA = Learner("ida", "L’Hôte", "Ida", "ida@exemple.fr", "user-ida")
LEO = Learner("leo", "Nuit", "Léo", "leo@exemple.fr", "user-leo")
UNA = Learner("una", "Zéro", "Una", "una@exemple.fr", "user-una")


def grades() -> ClassGrades:
    """One right, one nearly, one to review, one absent, one at zero."""
    labs: list[tuple[Learner, LabGrade]] = [
        (ZOE, from_verdict(LAB, verdict(LAB, ZOE))),
        (EVIL, from_verdict(LAB, verdict(LAB, EVIL, failed=["l_api_repond_dans_son_pod"]))),
        (
            IDA,
            from_verdict(LAB, verdict(LAB, IDA, unverified=["un_tunnel_ecoute_sur_votre_poste"])),
        ),
        (
            LEO,
            without_verdict(LAB, "Le namespace user-leo n’existe pas sur ce cluster.", absent=True),
        ),
        (UNA, from_verdict(LAB, verdict(LAB, UNA, failed=["l_api_est_deployee"]))),
    ]
    return ClassGrades(
        labs=(lab_info(LAB),), learners=tuple(of_learner(who, [grade]) for who, grade in labs)
    )


# -- marks and cells -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "two", "read"),
    [
        (Fraction(0), "0,00", "0"),
        (Fraction(20), "20,00", "20"),
        (Fraction(25, 2), "12,50", "12,5"),
        (Fraction(1, 3), "0,33", "0,33"),
        (Fraction(2, 3), "0,67", "0,67"),
        (Fraction(1, 200), "0,01", "0,01"),  # halves go up, not to the even digit
        (Fraction(3, 200), "0,02", "0,02"),
        (Fraction(1999999, 100000), "20,00", "20"),
    ],
)
def test_rounding_happens_once_and_halves_go_up(number: Fraction, two: str, read: str) -> None:
    assert (decimal(number), short(number)) == (two, read)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+33",
        "-2",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\u00a0=1",
        "\n=1",
        "\x00=1",
        "\x1b[2J",
        "＝1",
    ],
)
def test_formulas_are_defused(text: str) -> None:
    assert defuse(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Éluard", "12,50", "a=b", "L’Hôte", "«\u00a0x\u00a0»", "'=1"])
def test_ordinary_cells_stay_as_they_are(text: str) -> None:
    assert defuse(text) == text


# -- files -----------------------------------------------------------------------------------------


def test_moodle_to_the_byte() -> None:
    assert moodle.render(grades()).decode("utf-8") == (
        "Numéro d'identification,Adresse de courriel,TP2 : Joindre son API par un tunnel,Total\r\n"
        "zoe,zoe@exemple.fr,20.00,20.00\r\n"
        "max,max@exemple.fr,8.00,8.00\r\n"
        "ida,ida@exemple.fr,,\r\n"
        "leo,leo@exemple.fr,,\r\n"
        "una,una@exemple.fr,0.00,0.00\r\n"
    )


def test_spreadsheet_to_the_byte() -> None:
    data = spreadsheet.render(grades())
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.decode("utf-8-sig") == (
        "Identifiant;Nom;Prénom;Adresse de courriel;Namespace;État;TP2 /20;Total /20;Points "
        "acquis;Points à vérifier;Points possibles;À revoir;Points d’après un reçu "
        "seul;Explications\r\n"
        "zoe;Éluard-Hémon;Zoé;zoe@exemple.fr;user-zoe;noté;20,00;20,00;10,00;0,00;10,00;;0,00;\r\n"
        "max;'=cmd|'/C calc'!A0;Max "
        "<b>&;max@exemple.fr;user-max;noté;8,00;8,00;4,00;0,00;10,00;;0,00;\r\n"
        "ida;L’Hôte;Ida;ida@exemple.fr;user-ida;à revoir;;;5,00;5,00;10,00;TP2 : unverified : "
        "un_tunnel_ecoute_sur_votre_poste dans user-ida.;0,00;\r\n"
        "leo;Nuit;Léo;leo@exemple.fr;user-leo;absent;;;0,00;10,00;10,00;Le namespace user-leo "
        "n’existe pas sur ce cluster.;0,00;\r\n"
        "una;Zéro;Una;una@exemple.fr;user-una;noté;0,00;0,00;0,00;0,00;10,00;;0,00;\r\n"
    )


def test_junit_is_read_by_others(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_bytes(junit.render(grades()))
    suites = {suite.name: suite for suite in JUnitXml.fromfile(str(file))}
    assert list(suites) == ["zoe", "max", "ida", "leo", "una"]
    counted = {
        name: (each.tests, each.failures, each.errors, each.skipped)
        for name, each in suites.items()
    }
    assert counted == {
        "zoe": (6, 0, 0, 0),
        "max": (6, 1, 0, 2),
        "ida": (6, 0, 0, 3),
        "leo": (1, 0, 0, 1),
        "una": (6, 1, 0, 5),
    }
    kinds = [type(result) for case in suites["max"] for result in case.result]
    assert kinds == [Failure, Skipped, Skipped]
    text = file.read_text(encoding="utf-8")
    assert "time" not in text
    assert "Votre API est démarrée et prête." in text


def test_junit_survives_control_characters_and_errors() -> None:
    found = grades()
    learner = found.learners[1]
    checks = learner.labs[0].checks
    broken = msgspec.structs.replace(
        checks[2], finding="\x1b[31m\x00<&>", status=Status.ERROR, decided=False
    )
    lab = msgspec.structs.replace(learner.labs[0], checks=(*checks[:2], broken, *checks[3:]))
    one = ClassGrades(labs=found.labs, learners=(msgspec.structs.replace(learner, labs=(lab,)),))
    document = JUnitXml.fromstring(junit.render(one).decode())
    result = next(each for suite in document for case in suite for each in case.result)
    assert isinstance(result, Error)
    assert result.message == "␀<&>"


# -- the teacher's worksheet -----------------------------------------------------------------------

SHEET = (
    '\ufeffIdentifiant,"Nom complet","Adresse de courriel",Statut,Note,"Note maximale",'
    '"La note peut être modifiée","Dernière modification (travail remis)","Dernière modification '
    '(note)",'
    '"Feedback par commentaires"\r\n'
    'Participant 101,"Zoé Éluard-Hémon",Zoe@exemple.fr,"Remis, en retard",,"20,00",Oui,"lundi 3, '
    '10:00",-,'
    '"dit ""bien""\r\n'
    'sur deux lignes"\r\n'
    'Participant 102,"Max",max@exemple.fr,Rien,"3,50","20,00",Oui,-,"mardi 4",\r\n'
    'Participant 103,"Ida",ida@exemple.fr,Rien,"7,00","20,00",Oui,-,-,\r\n'
    'Participant 104,"Una",una@exemple.fr,Rien,,"20,00",Non,-,-,\r\n'
    'Participant 105,"Inconnue",qui@exemple.fr,Rien,,"20,00",Oui,-,-,'
)


def test_a_worksheet_is_filled_in_place_and_nothing_else_changes(tmp_path: Path) -> None:
    file = tmp_path / "feuille.csv"
    file.write_bytes(SHEET.encode())
    filled = worksheet.fill(file, grades())
    wanted = SHEET.replace('"Remis, en retard",,', '"Remis, en retard","20,00",').replace(
        'Rien,"3,50"', 'Rien,"8,00"'
    )
    assert file.read_bytes() == wanted.encode()
    assert (filled.marks, filled.unknown, filled.left) == (
        2,
        ["qui@exemple.fr"],
        ["ida", "leo", "una"],
    )
    worksheet.fill(file, grades())
    assert file.read_bytes() == wanted.encode()


def test_a_worksheet_keeps_its_scale_sign_and_separator() -> None:
    text = "ID number;Grade;Maximum Grade\nzoe;;10.00\nMAX;;5.00\nuna;4.00;10.00\n"
    filled, _ = worksheet.filled_text(text, grades(), "x.csv")
    assert (
        filled == "ID number;Grade;Maximum Grade\nzoe;10.00;10.00\nMAX;2.00;5.00\nuna;0.00;10.00\n"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "est vide"),
        ("Identifiant,Nom complet\n", "pas de colonne « Note »"),
        ("Identifiant,Note\nParticipant 1,\n", "devoir anonyme"),
        ("Adresse de courriel,Note\nzoe@exemple.fr\n", "n’est pas celui de l’en-tête"),
        (
            "Adresse de courriel,Note,Note maximale\nzoe@exemple.fr,,Excellent\n",
            "n’est pas un nombre",
        ),
        ('Adresse de courriel,Note\n"zoe@exemple.fr"x,\n', "guillemets"),
    ],
)
def test_what_is_no_worksheet_is_left_as_it_was(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "feuille.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        worksheet.fill(file, grades())
    assert file.read_text() == text


# -- pages -----------------------------------------------------------------------------------------

_VOID = {"meta", "input", "br", "link"}


class _Page(HTMLParser):
    """Tags opened and closed, ids, addresses, headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[int] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        self.addresses += [
            str(values[name]) for name in ("href", "src", "action", "srcset") if name in values
        ]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check_page(text: str) -> _Page:
    page = _Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(address.startswith("#") and address[1:] in page.ids for address in page.addresses)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", text)
    assert '<html lang="fr">' in text
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(
        after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False)
    )
    assert "default-src 'none'" in text
    return page


def test_the_report_is_one_file_that_needs_no_network() -> None:
    text = report.render(grades(), PATHS).decode()
    page = _check_page(text)
    assert {"img", "link", "iframe"}.isdisjoint(page.tags)
    assert "https:" not in text
    assert "http:" not in text
    for words in (
        "5 personnes, 1 TP : 3 entièrement notées, 1 à revoir, 1 absente.",
        "Zoé Éluard-Hémon",
        "Max &lt;b&gt;&amp; =cmd|",
        "← le chemin s’arrête ici",
        "kubectl port-forward, par l’API du cluster",
        "9,33 (3)",  # the mean of the marks that there are
        "? à revoir : 10 à 20 sur 20",
        "Le namespace ‹namespace› n’existe pas",
    ):
        assert words in text, words
    assert "<b>" not in text


def test_mistakes_are_counted_over_people() -> None:
    def failing(who: Learner) -> LabGrade:
        return from_verdict(LAB, verdict(LAB, who, failed=["l_api_est_prete"]))

    people = [of_learner(who, [failing(who)]) for who in (ZOE, EVIL)]
    people.append(
        of_learner(UNA, [from_verdict(LAB, verdict(LAB, UNA, failed=["l_api_est_deployee"]))])
    )
    text = report.render(ClassGrades(labs=(lab_info(LAB),), learners=tuple(people)), PATHS).decode()
    first, second = text.index("TP2 · Votre API est démarrée"), text.index("TP2 · Un pod qui porte")
    assert first < second
    assert 'failed : l_api_est_prete dans ‹namespace›. <span class="soft">(2 fois)' in text


def test_a_mistake_has_its_lesson_and_leads_to_the_statement() -> None:
    """The lesson is that of most of them, and names nobody; a statement that is nowhere on the web
    is read by a command."""
    causes = {ZOE: "Dans {}, elle attend.", EVIL: "Dans {}, elle attend.", UNA: "Autre chose."}
    people = []
    for who, cause in causes.items():
        grade = from_verdict(LAB, verdict(LAB, who, failed=["l_api_est_prete"]))
        checks = tuple(
            msgspec.structs.replace(
                check, cause=cause.format(who.namespace) if check.status == "failed" else ""
            )
            for check in grade.checks
        )
        people.append(of_learner(who, [msgspec.structs.replace(grade, checks=checks)]))
    grades = ClassGrades(labs=(lab_info(LAB),), learners=tuple(people))
    here = report.render(grades, PATHS).decode()
    assert "Pourquoi cela compte : Dans ‹namespace›, elle attend." in here
    assert "Son énoncé : « cahier enonce tp2 »" in here
    assert "Pourquoi cela compte : Autre chose." not in here
    there = report.render(grades, PATHS, site="https://cahier.exemple.fr/").decode()
    assert f'<a href="https://cahier.exemple.fr/labs/{LAB.name}/enonce/">Énoncé du TP2 : ' in there
    assert "cahier enonce tp2" not in there


def test_a_learner_is_shown_nobody_else() -> None:
    found = grades()
    for learner in found.learners:
        text = feedback.render(found, learner, PATHS).decode()
        _check_page(text)
        assert learner.first_name.partition(" ")[0] in text
        for other in found.learners:
            if other is not learner:
                assert other.email not in text
                assert other.first_name not in text
                assert other.namespace not in text or other.namespace == learner.colleague
    assert "Ce n’est pas un zéro" in feedback.render(found, found.learners[3], PATHS).decode()
    assert "ni juste ni fausse" in feedback.render(found, found.learners[2], PATHS).decode()


def test_a_learner_sees_what_is_left_and_how_to_go_on() -> None:
    found = grades()
    lab = found.learners[1].labs[0]
    checks = tuple(
        msgspec.structs.replace(check, fix="kubectl get pods" if check.status == "failed" else "")
        for check in lab.checks
    )
    told = msgspec.structs.replace(lab, checks=checks)
    theirs = msgspec.structs.replace(found.learners[1], labs=(told,))
    text = feedback.render(found, theirs, PATHS).decode()
    _check_page(text)
    title = next(check.title for check in lab.checks if check.status == "failed")
    assert "Vous avez 3 phrases justes sur 6." in text
    assert (
        f"La prochaine&nbsp;: «&nbsp;{title}&nbsp;»<br>Pour continuer&nbsp;: kubectl get pods"
        in text
    )
    assert "Pas encore vérifiée&nbsp;:" in feedback.render(found, found.learners[2], PATHS).decode()
    whole = feedback.render(found, found.learners[0], PATHS).decode()
    assert "Il ne vous reste rien à faire ici." in whole
    assert "Ce qu’il vous reste" not in whole


@pytest.mark.parametrize(
    "reason",
    [
        "10 points d’après le seul reçu de la personne, laissé le 12/03/2026 à 12 h 00.",
        "10 points à décider : seul le reçu de la personne le dit.",
        "Le reste n’était pas juste quand la personne l’a vérifié, le 12/03/2026 à 12 h 00.",
    ],
)
def test_a_learner_is_spoken_to(reason: str) -> None:
    found = grades()
    zoe = found.learners[0]
    theirs = msgspec.structs.replace(
        zoe, labs=(msgspec.structs.replace(zoe.labs[0], reason=reason),)
    )
    text = feedback.render(found, theirs, PATHS).decode()
    assert "personne" not in text
    assert re.search("votre (seul )?reçu|vous l’avez vérifié", text)


def _luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_can_be_read_in_light_and_in_dark() -> None:
    text = report.render(grades(), PATHS).decode()
    themes = [
        dict(re.findall(r"--(\w+): (#\w{6})", block))
        for block in re.findall(r":root \{(.*?)\}", text, re.S)
    ]
    assert len(themes) == 2
    pairs = [("ink", each) for each in ("paper", "full", "partial", "none", "review", "absent")]
    pairs += [("soft", "paper"), ("link", "paper")]
    for theme in themes:
        for ink, ground in pairs:
            dark, light = sorted((_luminance(theme[ink]), _luminance(theme[ground])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)
