"""Marks in a platform's grade book: exact, once, never lower, whatever the platform does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
import time
from datetime import timedelta
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest

from checks import interruption
from checks.errors import CahierError
from checks.grading.history import Found, History
from checks.moodle import link as links
from checks.moodle import sending, transport
from checks.moodle.link import load, save
from checks.moodle.people import matched
from checks.moodle.platform import Member, Platform
from checks.moodle.sending import Account, of_history, send
from checks.moodle.sent import Said, Sent, path_of
from checks.moodle.troubles import NoMember, Passing, TokenOver, TokenRefused, Trouble
from checks.render.grading import console_of
from checks.render.moodle import tell_unknown
from checks.verdict import Status
from tests.support.grade_book import Fault, GradeBook, once
from tests.support.graded_class import LABS, learner
from tests.support.hostile import HOSTILE, active
from tests.support.lti_platform import LtiPlatform
from tests.support.sent_marks import LAB, NOON, mark, sender

# -- what is there in the end ----------------------------------------------------------------------


def test_the_points_are_exact(book: GradeBook, tmp_path: Path) -> None:
    earned = dict(enumerate(("1", "0.5", "1.1", "2.75", "0"), 1))
    book.enrol(earned)
    with sender(book, tmp_path, people=len(earned)) as own:
        for number, points in earned.items():
            assert own.once(mark(number, points)) == "sent"
    for score, (number, points) in zip(book.taken(), earned.items(), strict=True):
        assert (score.points, score.maximum) == (Fraction(points), mark(1, "0").maximum)
        assert (score.at, score.user, score.progress) == (NOON, book.user(number), "FullyGraded")
        assert book.shown(LAB.name, number) == Fraction(points)
    (column,) = book.columns()
    assert column.maximum == mark(1, "0").maximum
    assert column.label.startswith("TP2 : ")


def test_each_mark_is_said_once_however_often_it_is_sent(book: GradeBook, tmp_path: Path) -> None:
    marks = [mark(1, "1"), mark(2, "2"), mark(3, "0")]
    for sent in (3, 0, 0):
        with sender(book, tmp_path) as own:
            account = send(own, marks)
        assert (account.sent, account.there, account.kept) == (sent, 3 - sent, [])
    assert len(book.taken()) == 3
    assert len(book.columns()) == 1


def test_what_was_lost_of_our_file_is_seen_in_the_grade_book(
    book: GradeBook, tmp_path: Path
) -> None:
    with sender(book, tmp_path) as own:
        own.once(mark(1, "1"))
    path_of(tmp_path / "classe.csv").unlink()
    with sender(book, tmp_path) as own:
        assert own.once(mark(1, "1")) == "there"
    assert len(book.taken()) == 1


def test_a_better_mark_follows_at_once_even_of_the_same_second(
    book: GradeBook, tmp_path: Path
) -> None:
    with sender(book, tmp_path) as own:
        for points in ("1", "2", "3"):
            assert own.once(mark(1, points)) == "sent"
    assert [score.points for score in book.taken()] == [1, 2, 3]


def test_a_lower_mark_never_replaces_a_higher_one(book: GradeBook, tmp_path: Path) -> None:
    with sender(book, tmp_path) as own:
        own.once(mark(1, "3"))
        assert own.once(mark(1, "2", minutes=5)) == "there"
    path_of(tmp_path / "classe.csv").unlink()  # nothing but the grade book says so now
    with sender(book, tmp_path) as own:
        assert own.once(mark(1, "2", minutes=9)) == "higher"
    assert book.shown(LAB.name, 1) == 3


def test_unless_it_is_asked_for(book: GradeBook, tmp_path: Path) -> None:
    with sender(book, tmp_path) as own:
        own.once(mark(1, "3"))
    with sender(book, tmp_path, replace=True) as own:
        assert own.once(mark(1, "2")) == "sent"
        assert own.once(mark(1, "2")) == "there"
    assert book.shown(LAB.name, 1) == 2


def test_what_a_teacher_has_written_by_hand_since_stays(book: GradeBook, tmp_path: Path) -> None:
    with sender(book, tmp_path) as own:
        own.once(mark(1, "1"))
        book.write(LAB.name, 1, Fraction(1, 2), NOON + timedelta(hours=1))
        with pytest.raises(Trouble, match="plus récente"):
            own.once(mark(1, "2", minutes=30))
        assert book.shown(LAB.name, 1) == Fraction(1, 2)
        assert own.once(mark(1, "3", minutes=90)) == "sent"


def test_a_platform_that_keeps_its_own_clock_takes_what_follows(
    book: GradeBook, tmp_path: Path
) -> None:
    """Older Moodles keep when a score came instead of its own moment."""
    with sender(book, tmp_path) as own:
        own.once(mark(1, "1"))
        book.write(LAB.name, 1, Fraction(1), NOON + timedelta(hours=1))
        assert own.once(mark(1, "2", minutes=30)) == "sent"
    assert book.shown(LAB.name, 1) == 2


# -- what the platform does ------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_INSISTS", 1.0)
    monkeypatch.setattr(transport, "_WHOLE", 1.0)
    monkeypatch.setattr(transport, "_SILENT", 1.0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked again is asked again without a rest."""
    monkeypatch.setattr(interruption, "pause", lambda seconds: None)


@pytest.mark.parametrize("service", ["token", "lineitems", "results", "scores"])
@pytest.mark.usefixtures("at_once")
def test_it_is_asked_again_after_a_failure(book: GradeBook, tmp_path: Path, service: str) -> None:
    book.faults.append(once(503, service=service, times=2))
    with sender(book, tmp_path) as own:
        assert own.patiently(mark(1, "1")) == "sent"
    assert len(book.taken()) == len(book.columns()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("service", ["token", "lineitems", "results", "scores"])
@pytest.mark.parametrize("code", [500, 502, 429])
@pytest.mark.usefixtures("at_once")
def test_and_after_any_that_passes(
    front: GradeBook, tmp_path: Path, service: str, code: int
) -> None:
    front.faults.append(once(code, service=service, times=2))
    with sender(front, tmp_path) as own:
        assert own.patiently(mark(1, "1")) == "sent"
    assert len(front.taken()) == len(front.columns()) == 1


def test_it_rests_before_it_asks_again(
    front: GradeBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(interruption, "pause", rests.append)
    front.faults.append(once(503, times=4))
    with sender(front, tmp_path) as own:
        assert own.patiently(mark(1, "1")) == "sent"
    assert len(rests) == 4
    assert rests == sorted(rests)
    assert 0.3 <= rests[0] < rests[-1] < 5


def cut(service: str, *, after: bool) -> Fault:
    """Close the connection, before or after what was asked is done."""
    left = [2]

    def fault(handler: BaseHTTPRequestHandler, method: str, asked: str) -> bool:
        if not left[0] or asked != service or method != "POST":
            return False
        left[0] -= 1
        if after:
            handler.say = lambda *_: None  # type: ignore[attr-defined]
        handler.close_connection = True
        return not after

    return fault


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("service", ["token", "lineitems", "scores"])
@pytest.mark.usefixtures("at_once")
def test_a_cut_neither_loses_nor_doubles(
    book: GradeBook, tmp_path: Path, service: str, after: bool
) -> None:
    book.faults.append(cut(service, after=after))
    with sender(book, tmp_path) as own:
        assert own.patiently(mark(1, "1")) in ("sent", "there")
    assert [score.points for score in book.taken()] == [1]
    assert len(book.columns()) == 1


def test_a_token_that_is_over_is_renewed(book: GradeBook, tmp_path: Path) -> None:
    """It is over sooner than was said with it: a machine that slept has not seen the hour pass."""
    book.tokens_last(-60)
    with sender(book, tmp_path) as own:
        with pytest.raises(TokenOver):
            own.once(mark(1, "1"))
        assert not book.taken()
        tokens = book.tokens
        book.tokens_last(3600)
        assert own.once(mark(1, "1")) == "sent"
    assert book.tokens == tokens + 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_token_that_is_refused_before_its_end_is_renewed_once(
    front: GradeBook, tmp_path: Path, code: int
) -> None:
    with sender(front, tmp_path) as own:
        own.once(mark(1, "1"))
        tokens = front.tokens
        front.faults.append(once(code, service="results"))
        assert own.once(mark(2, "1")) == "sent"
        front.faults.append(once(code, service="results", times=9))
        with pytest.raises(TokenOver):
            own.once(mark(3, "1"))
    assert front.tokens == tokens + 2


def test_a_key_that_the_platform_does_not_have_is_said(book: GradeBook, tmp_path: Path) -> None:
    book.trust(None)
    with sender(book, tmp_path) as own, pytest.raises(TokenRefused, match="clé publique") as said:
        own.patiently(mark(1, "1"))
    assert "cahier classe relier" in said.value.remedy


def test_a_right_that_lacks_is_said(front: GradeBook, tmp_path: Path) -> None:
    front.faults.append(once(400, b'{"error": "invalid_scope"}', service="token", times=9))
    with sender(front, tmp_path) as own, pytest.raises(TokenRefused) as said:
        own.patiently(mark(1, "1"))
    assert "gestion des colonnes" in said.value.remedy


def test_a_column_that_was_removed_is_made_again(book: GradeBook, tmp_path: Path) -> None:
    with sender(book, tmp_path) as own:
        own.once(mark(1, "1"))
        book.remove_columns()
        with pytest.raises(Trouble, match="404"):
            own.once(mark(2, "1"))
        assert own.once(mark(2, "1")) == "sent"


BODIES = [
    b"<!doctype html><title>Portail</title>",
    b"null",
    b"[]",
    b"{}",
    b"[[]]",
    b'[{"id": null}]',
    b'{"access_token": null}',
    b'{"access_token": ["a"], "expires_in": 3600}',
    b'{"access_token": "a\\r\\nX: b", "expires_in": 3600}',
    b'[{"resourceId": "cahier-tp2", "id": "http://ailleurs.exemple/", "scoreMaximum": 4}]',
    b'[{"resourceId": "cahier-tp2", "id": "http://[", "scoreMaximum": 4}]',
    b'[{"resourceId": "cahier-tp2", "id": 4, "scoreMaximum": "NaN"}]',
    b'[{"userId": "1001", "resultScore": NaN, "resultMaximum": 4}]',
    b'[{"userId": "1001", "resultScore": true}]',
    b'[{"userId": "1001", "resultScore": 1, "resultMaximum": -4}]',
    b"[" * 100_000,
    b"\xff\xfe",
    b"1e999",
]


@pytest.mark.slow
@pytest.mark.parametrize("service", ["token", "lineitems", "results", "scores", "memberships"])
@pytest.mark.usefixtures("hasty")
def test_whatever_it_answers_is_a_trouble_or_a_mark(
    front: GradeBook, tmp_path: Path, service: str
) -> None:
    for body in BODIES:
        front.faults[:] = [once(200, body, "text/html", service, times=99)]
        with sender(front, tmp_path) as own:
            with contextlib.suppress(CahierError):
                own.once(mark(1, "1"))
            with contextlib.suppress(CahierError):
                Platform(front.link).members()
    front.faults.clear()
    with sender(front, tmp_path) as own:
        own.patiently(mark(1, "2"))
    assert front.shown(LAB.name, 1) == 2


def test_a_portal_of_the_network_is_called_so(front: GradeBook, tmp_path: Path) -> None:
    front.faults.append(once(200, BODIES[0], "text/html", times=1))
    with sender(front, tmp_path) as own, pytest.raises(Passing, match="page web") as said:
        own.once(mark(1, "1"))
    assert "portail captif" in said.value.remedy


def test_it_never_follows_elsewhere(front: GradeBook, tmp_path: Path) -> None:
    def fault(handler: BaseHTTPRequestHandler, method: str, asked: str) -> bool:
        handler.send_response(307)
        handler.send_header("Location", f"{front.address}/ailleurs")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    front.faults.append(fault)
    with sender(front, tmp_path) as own, pytest.raises(Passing):
        own.once(mark(1, "1"))
    assert ("POST", "/ailleurs") not in front.asked


def endless(rest: float) -> Fault:
    def fault(handler: BaseHTTPRequestHandler, method: str, asked: str) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b" " * (65536 if not rest else 1))
                time.sleep(rest)
        handler.close_connection = True
        return True

    return fault


@pytest.mark.parametrize(("rest", "why"), [(0.0, "n’en finit pas"), (0.2, "lentement")])
@pytest.mark.usefixtures("hasty")
def test_neither_an_endless_nor_a_slow_answer_keeps_it(
    front: GradeBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: float, why: str
) -> None:
    if not rest:
        monkeypatch.setattr(transport, "_WHOLE", 30.0)
    front.faults.append(endless(rest))
    began = time.monotonic()
    with sender(front, tmp_path) as own, pytest.raises(Passing, match=why):
        own.once(mark(1, "1"))
    assert time.monotonic() - began < 10


def test_what_does_not_answer_at_all_ends_the_sending(
    front: GradeBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_INSISTS", 0.5)
    front.faults.append(once(503, times=10**6))
    with sender(front, tmp_path) as own:
        account = send(own, [mark(1, "1"), mark(2, "1")])
    assert [one.learner.identifier for one, _ in account.kept] == ["e1", "e2"]


# -- whose mark it is ------------------------------------------------------------------------------


def test_people_are_known_by_number_then_by_address() -> None:
    members = [
        Member("11", "e1", "autre@exemple.fr"),
        Member("12", "", "E2@Exemple.fr"),
        Member("13", "e9", "e9@exemple.fr"),
    ]
    users, missing = matched([learner(1), learner(2), learner(3)], members)
    assert users == {"e1": "11", "e2": "12"}
    (one,) = missing
    assert isinstance(one, NoMember)
    assert one.message.startswith("Ligne 4 : Prénom3 Nom3 (e3, e3@exemple.fr) n’est pas dans")


def test_nobody_has_the_mark_of_somebody_else() -> None:
    same = learner(2, email="e1@exemple.fr")
    users, missing = matched([learner(1), same], [Member("11", "", "e1@exemple.fr")])
    assert not users
    assert len(missing) == 2
    twins = [Member("11", "e1", ""), Member("12", "e1", "")]
    users, missing = matched([learner(1)], twins)
    assert not users
    assert "plusieurs personnes" in missing[0].message


def test_a_platform_that_tells_nothing_of_people_is_said() -> None:
    _, (one,) = matched([learner(1)], [Member("11")])
    assert "Vie privée" in one.remedy


def test_names_are_told_without_effect(capsys: pytest.CaptureFixture[str]) -> None:
    people = [learner(number, last_name=text) for number, text in enumerate(HOSTILE.values(), 1)]
    _, missing = matched(people, [])
    tell_unknown(console_of(stderr=True), missing)
    said = capsys.readouterr().err
    assert said.count("? Ligne ") == len(HOSTILE)
    assert not active(said)


def test_members_are_read_from_the_platform(book: GradeBook) -> None:
    users, missing = matched([learner(1), learner(2), learner(9)], Platform(book.link).members())
    assert users == book.users(2)
    assert [one.message.split(" : ")[0] for one in missing] == ["Ligne 10"]


def test_what_a_platform_does_not_say_of_somebody_is_an_empty_text(front: LtiPlatform) -> None:
    front.members[0] |= {"lis_person_sourcedid": None, "email": None, "user_id": 1001}
    told = Platform(front.link).members()
    assert told[:2] == [Member("1001", "", ""), Member("1002", "e2", "e2@exemple.fr")]


# -- killed ----------------------------------------------------------------------------------------


def test_killed_between_the_score_and_its_note_it_is_the_same_score(
    book: GradeBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Sent.note

    def killed(own: Sent, person: str, lab: str, said: Said) -> None:
        if said.taken:
            raise SystemExit
        note(own, person, lab, said)

    monkeypatch.setattr(Sent, "note", killed)
    with sender(book, tmp_path) as own, pytest.raises(SystemExit):
        own.once(mark(1, "1"))
    monkeypatch.setattr(Sent, "note", note)
    (before,) = book.taken()
    book.forget_scores()  # as if it had never come
    with sender(book, tmp_path) as own:
        assert own.once(mark(1, "1", minutes=7)) == "sent"
    assert book.taken() == [before, before]
    with Sent(path_of(tmp_path / "classe.csv"), book.link.line_items) as sent:
        assert sent.last("e1", LAB.name) == Said(Fraction(1), mark(1, "0").maximum, NOON, True)


KILLED = """
    import os, random, signal, sys, threading
    from pathlib import Path
    from checks.grading.history import History
    from checks.moodle.link import load
    from checks.moodle.people import matched
    from checks.moodle.platform import Platform
    from checks.moodle.sending import Sender, of_history, send
    from checks.moodle.sent import Sent, path_of
    from checks.moodle.transport import Transport
    from tests.support.graded_class import LABS, learner

    roster = Path(sys.argv[1])
    link = load(roster)
    people = [learner(number) for number in range(1, 31)]
    users, _ = matched(people, Platform(link).members())
    assert all(lab.checks for lab in LABS)  # imported once, rather than by each child

    def send_all():
        with History(roster.with_name("h.sqlite")) as history:
            marks = of_history(history, people, LABS)
        with Sent(path_of(roster), link.line_items) as sent:
            account = send(Sender(Platform(link), sent, users), marks)
        os._exit(bool(account.kept))

    def killed_at(left, rest):
        # at one of its requests, or a moment after its answer came
        ask = Transport.request

        def request(*words, **options):
            nonlocal left
            left -= 1
            if not left and rest is None:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = ask(*words, **options)
            if not left:
                threading.Timer(rest, os.kill, (os.getpid(), signal.SIGKILL)).start()
            return answer

        Transport.request = request
        send_all()

    drawn = random.Random(18)
    for _ in range(20):
        place, rest = drawn.randrange(2, 9), drawn.choice([None, 0.0, drawn.uniform(0, 0.02)])
        child = os.fork() or killed_at(place, rest)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    print("killed", flush=True)
    sys.stdin.readline()
    child = os.fork() or send_all()
    sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="it is forked")
def test_killed_twenty_times_nothing_is_lost_nor_counted_twice(
    book: GradeBook, tmp_path: Path
) -> None:
    book.enrol(range(1, 31))
    roster = tmp_path / "classe.csv"
    save(roster, book.link)
    points = {(number, lab.name): number % 4 + 1 for number in range(1, 31) for lab in LABS}
    with History(tmp_path / "h.sqlite") as history:
        for (number, lab), earned in points.items():
            check = Found(
                status=Status.PASSED, decided=True, points=str(earned), points_max="4", proof="seen"
            )
            history.record(f"e{number}", lab, {"a": check}, at=NOON, seen_by="suivi")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(roster)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "killed\n"
        soon = not book.taken()
        process.communicate("go on\n")
    assert not soon, "it was always killed too soon to say anything"
    assert process.returncode == 0, "the last one did not send all"
    shown = {(number, lab): book.shown(lab, number) for number, lab in points}
    assert shown == points
    assert len(book.taken()) == len(points)
    assert len(book.columns()) == len(LABS)


# -- what the history has --------------------------------------------------------------------------


def test_the_best_of_the_history_is_sent_with_its_moment(tmp_path: Path) -> None:
    def found(points: int) -> dict[str, Found]:
        status = Status.PASSED if points else Status.FAILED
        return {
            "a": Found(
                status=status, decided=True, points=str(points), points_max="4", proof="seen"
            )
        }

    with History(None) as history:
        for minutes, points in ((0, 0), (1, 2), (2, 1)):
            at = NOON + timedelta(minutes=minutes)
            history.record("e1", LAB.name, found(points), at=at, seen_by="suivi")
        history.record("e2", LAB.name, found(0), at=NOON, seen_by="suivi")
        (one,) = of_history(history, [learner(1), learner(2)], LABS)
    assert (one.points, one.at) == (Fraction(2), NOON + timedelta(minutes=1))


def test_people_who_are_unknown_are_left_out(front: GradeBook, tmp_path: Path) -> None:
    with sender(front, tmp_path) as own:
        assert send(own, [mark(9, "1")]) == Account()


def test_one_column_is_made_whoever_asks_at_the_same_time(book: GradeBook, tmp_path: Path) -> None:
    with sender(book, tmp_path) as own:
        threads = [
            threading.Thread(target=own.patiently, args=(mark(number, "1"),))
            for number in range(1, 4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(book.columns()) == 1
    assert len(book.taken()) == 3


def test_a_link_that_is_no_longer_one_is_said(tmp_path: Path) -> None:
    roster = tmp_path / "classe.csv"
    for text in (b"", b"null", b"[]", b"{}", b"\xff", msgspec.json.encode({"issuer": "x"})):
        links.path_of(roster).write_bytes(text)
        with pytest.raises(CahierError) as said:
            load(roster)
        assert "cahier classe relier" in said.value.remedy
