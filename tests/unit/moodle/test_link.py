"""What ties a class to a grade book: a key that is never shown, and where to send."""

from __future__ import annotations

import logging
import os
import stat
import time
from fractions import Fraction
from pathlib import Path

import pytest

from checks import redaction
from checks.errors import UsageError
from checks.moodle import link as links
from checks.moodle.link import (
    Link,
    checked,
    key_file,
    load,
    of_moodle,
    private_key,
    public_key,
    save,
)
from checks.moodle.live import Live
from checks.moodle.platform import Platform
from checks.moodle.sending import Mark, Sender
from checks.moodle.sent import Sent, path_of
from tests.support.grade_book import GradeBook, once
from tests.support.graded_class import LABS, learner
from tests.support.sent_marks import NOON, mark
from tests.support.watched_class import wait_for


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def body(pem: str) -> list[str]:
    return [line for line in pem.splitlines() if line and "-----" not in line]


def test_moodle_s_addresses_follow_from_its_page_of_the_tool() -> None:
    assert of_moodle("https://moodle.exemple.fr/", "AbC", "7", "42") == Link(
        issuer="https://moodle.exemple.fr",
        client="AbC",
        tokens="https://moodle.exemple.fr/mod/lti/token.php",
        line_items="https://moodle.exemple.fr/mod/lti/services.php/42/lineitems?type_id=7",
        members="https://moodle.exemple.fr/mod/lti/services.php/CourseSection/42/bindings/7"
        "/memberships",
    )


@pytest.mark.parametrize(
    "site", ["http://moodle.exemple.fr", "moodle.exemple.fr", "https://u:p@m.fr", "https://[", ""]
)
def test_marks_never_travel_in_the_clear(site: str) -> None:
    with pytest.raises(UsageError, match=r"https|adresse"):
        of_moodle(site, "AbC", "7", "42")


def test_numbers_are_numbers() -> None:
    with pytest.raises(UsageError, match="--cours"):
        of_moodle("https://moodle.exemple.fr", "AbC", "7", "42/../..")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX’s")
def test_keys_and_settings_are_for_their_owner_alone(front: GradeBook, tmp_path: Path) -> None:
    key_file().unlink()
    key_file().parent.rmdir()
    private_key()
    assert (mode(key_file()), mode(key_file().parent)) == (0o600, 0o700)
    roster = tmp_path / "classe.csv"
    assert mode(save(roster, front.link)) == 0o600
    with Sent(path_of(roster), "x"):
        assert mode(path_of(roster)) == 0o600
    key_file().chmod(0o644)
    private_key()
    assert mode(key_file()) == 0o600
    for line in body(private_key()):
        assert line not in links.path_of(roster).read_text()


def test_a_key_is_made_once() -> None:
    assert public_key() == public_key()
    assert public_key().startswith("-----BEGIN PUBLIC KEY-----\n")


def test_the_key_and_the_tokens_are_in_nothing_that_is_said(
    book: GradeBook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        Sent(path_of(tmp_path / "classe.csv"), "x") as sent,
    ):
        platform = Platform(book.link)
        Sender(platform, sent, book.users()).once(mark(1, "1"))
        (token,) = {one for one, _ in platform._connector._kept.values()}
    secrets = [token, *body(private_key())]
    assert not [one for one in secrets if one in caplog.text]
    said = f"{private_key()} {token} {body(private_key())[3]}"
    assert not [one for one in secrets if one in redaction.redact(said)]
    assert load_and_say(tmp_path, book) not in ("", token)


def load_and_say(folder: Path, book: GradeBook) -> str:
    save(folder / "classe.csv", book.link)
    return repr(load(folder / "classe.csv"))


def test_a_link_to_this_machine_needs_no_certificate(front: GradeBook) -> None:
    assert checked(front.link) == front.link


# -- while a class is watched ----------------------------------------------------------------------


def grades(points: str, number: int = 0) -> list[object]:
    class Grade:
        lab = LABS[number].name

    Grade.points = points  # type: ignore[attr-defined]
    return [Grade()]


def live(book: GradeBook, sent: Sent, told: list[object], before: list[Mark] | None = None) -> Live:
    own = Sender(Platform(book.link), sent, book.users())
    return Live(own, LABS, lambda at: at, told.append, before or [])


def test_a_mark_is_in_the_grade_book_within_five_seconds(book: GradeBook, tmp_path: Path) -> None:
    told: list[object] = []
    with Sent(path_of(tmp_path / "c.csv"), "x") as sent, live(book, sent, told) as own:
        for points in ("1", "2", "1"):
            own(learner(1), grades(points), NOON)  # type: ignore[arg-type]
            expected = max(Fraction(points), 2 if points == "2" else 0)
            if expected:
                took = wait_for(lambda: book.shown(LABS[0].name, 1) in (1, 2), seconds=5)
                assert took < 5
        wait_for(lambda: own.left == 0)
    assert book.shown(LABS[0].name, 1) == 2
    assert not told


def test_a_whole_class_that_turns_green_at_once_has_its_marks(
    book: GradeBook, tmp_path: Path
) -> None:
    told: list[object] = []
    with Sent(path_of(tmp_path / "c.csv"), "x") as sent, live(book, sent, told) as own:
        for number in range(1, 4):
            own(learner(number), grades("1"), NOON)  # type: ignore[arg-type]
        wait_for(lambda: len(book.taken()) == 3)
    assert len(book.columns()) == 1
    assert own.left == 0


def test_what_was_proven_before_goes_too(book: GradeBook, tmp_path: Path) -> None:
    before = [mark(1, "1"), mark(2, "2")]
    with Sent(path_of(tmp_path / "c.csv"), "x") as sent, live(book, sent, [], before) as own:
        wait_for(lambda: len(book.taken()) == 2)
        own(learner(2), grades("2"), NOON)  # type: ignore[arg-type]
        wait_for(lambda: own.left == 0)
    assert len(book.taken()) == 2


@pytest.mark.slow
def test_while_the_platform_is_down_nothing_is_lost_and_it_is_said_once(
    front: GradeBook, tmp_path: Path
) -> None:
    told: list[object] = []
    front.faults.append(once(503, service="scores", times=4))
    with Sent(path_of(tmp_path / "c.csv"), "x") as sent, live(front, sent, told) as own:
        own(learner(1), grades("1"), NOON)  # type: ignore[arg-type]
        own(learner(1), grades("3"), NOON)  # type: ignore[arg-type]
        wait_for(lambda: front.shown(LABS[0].name, 1) == 3)
        wait_for(lambda: told[-1:] == [None])
    assert len(told) == 2


def test_it_ends_with_what_is_left_where_nothing_answers(
    front: GradeBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checks.moodle.live._LEAVES", 0.5)
    front.faults.append(once(503, times=10**6))
    began = time.monotonic()
    with Sent(path_of(tmp_path / "c.csv"), "x") as sent, live(front, sent, []) as own:
        own(learner(1), grades("1"), NOON)  # type: ignore[arg-type]
    assert own.left == 1
    assert time.monotonic() - began < 5
