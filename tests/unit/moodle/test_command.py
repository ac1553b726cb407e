"""`cahier classe relier`, `cahier classe envoyer` and `--moodle`, as a teacher types them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.access.kubernetes_api import PATHS
from checks.cli import _run
from checks.errors import CahierError, UsageError
from checks.grading.history import Found, History
from checks.lab import find_lab
from checks.moodle.link import path_of, private_key
from checks.sources.snapshot import Snapshot, write
from checks.verdict import Status
from tests.support.grade_book import GradeBook, once

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["cahier", *words])
    return _run()


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "classe.csv"
    lines = [f"e{n},Nom{n},Zoé,e{n}@exemple.fr,user-e{n}," for n in (1, 2, 3)]
    path.write_text("\n".join(["identifiant,nom,prenom,email,namespace,collegue", *lines]))
    return path


def options(book: GradeBook) -> list[str]:
    link = book.link
    return [
        *("--plateforme", link.issuer, "--client", link.client, "--jetons", link.tokens),
        *("--colonnes", link.line_items, "--membres", link.members),
    ]


def test_without_options_it_shows_what_moodle_needs_and_no_secret(
    roster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "classe", "relier", str(roster)) == 0
    said = "".join(capsys.readouterr())
    assert "-----BEGIN PUBLIC KEY-----" in said
    assert "PRIVATE" not in said
    assert not [line for line in private_key().splitlines() if line and line in said]
    assert not path_of(roster).exists()


def test_a_class_is_tied_then_sent(
    book: GradeBook,
    roster: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    book.enrol((1, 2, 9))
    assert typed(monkeypatch, "classe", "relier", str(roster), *options(book)) == 3
    said = capsys.readouterr()
    assert "2 sur 3" in said.out
    assert "Ligne 4 : Zoé Nom3" in said.err
    check = Found(status=Status.PASSED, decided=True, points="2", points_max="4", proof="seen")
    with History(roster.with_name("historique-classe.sqlite")) as history:
        history.record("e1", find_lab("tp2").name, {"a": check}, at=NOON, seen_by="suivi")
    for sent in ("1 note envoyée, 0 déjà", "0 note envoyée, 1 déjà"):
        assert typed(monkeypatch, "classe", "envoyer", str(roster), "--labs", "tp2") == 3
        assert sent in capsys.readouterr().out
    assert book.shown(find_lab("tp2").name, 1) == 2


def test_what_is_refused_is_not_kept(
    book: GradeBook, roster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.trust(None)
    with pytest.raises(CahierError, match="clé publique"):
        typed(monkeypatch, "classe", "relier", str(roster), *options(book))
    assert not path_of(roster).exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["classe", "envoyer", "{}"], "cahier classe relier"),
        (["noter", "{}", "--moodle"], "cahier classe relier"),
        (["noter", "{}", "--remplacer"], "--moodle"),
        (["classe", "relier", "{}", "--cours", "4"], "--plateforme"),
    ],
)
def test_what_lacks_is_said(
    roster: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    with pytest.raises(UsageError) as said:
        typed(monkeypatch, *(word.format(roster) for word in words))
    assert told in f"{said.value.message} {said.value.remedy}"


def test_a_portal_during_the_sending_is_said_with_its_remedy(
    front: GradeBook, roster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "classe", "relier", str(roster), *options(front))
    front.faults.append(once(200, b"<html>", "text/html", times=99))
    with pytest.raises(CahierError, match="page web"):
        typed(monkeypatch, "classe", "envoyer", str(roster))


def test_what_a_teacher_has_settled_is_sent_with_the_files_of_ever(
    book: GradeBook, roster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "classe", "relier", str(roster), *options(book))
    for n in (1, 2):
        seen = Snapshot(taken=NOON, namespace=f"user-e{n}", objects={kind: [] for kind in PATHS})
        write(seen, tmp_path / "instantanes" / f"user-e{n}.json")
    settled = tmp_path / "tranche.csv"
    settled.write_text("personnes;tp;note;motif\ne1;tp2;15;vu en séance\n", encoding="utf-8")
    words = ["noter", str(roster), "--labs", "tp2", "--depuis", str(tmp_path / "instantanes")]
    words += ["--decisions", str(settled), "--sortie", str(tmp_path / "notes"), "--moodle"]
    assert typed(monkeypatch, *words) == 3  # the third is still to be decided
    lab = find_lab("tp2").name
    assert book.shown(lab, 1) == 7.5
    assert book.shown(lab, 2) == 0  # has begun nothing
    assert book.shown(lab, 3) is None  # what nothing could judge is no zero
    assert "e1,e1@exemple.fr,15" in (tmp_path / "notes" / "notes-moodle.csv").read_text("utf-8")
