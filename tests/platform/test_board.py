"""The board of a class, on a real cluster: it says what `noter` says, as it happens, with the same
rights, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bench.classroom import Classroom
from checks.access.kubernetes_api import Api
from checks.board.board import Board
from checks.board.pace import Pace
from checks.grading.history import History
from checks.grading.roster import Learner, read_roster
from checks.lab import all_labs, find_lab
from checks.local_sspcloud import people, teacher
from checks.stage import Person, Stage
from checks.verdict import Status
from tests.support.faulty_api import faulty
from tests.support.watched_class import row, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SEEN = 60.0  # seconds, on a busy machine
ENDS = 15.0


@pytest.fixture(scope="module")
def prof(admin: Api, admin_kubeconfig: Path) -> Path:
    return people.create_teacher(admin, admin_kubeconfig)


@pytest.fixture
def pair(new_person: Callable[..., Person]) -> Sequence[Person]:
    return [new_person("b"), new_person("b")]


@pytest.fixture
def roster(pair: Sequence[Person], tmp_path: Path) -> Path:
    one, other = pair
    file = tmp_path / "classe.csv"
    file.write_text(
        "identifiant,nom,prenom,email,namespace,collegue\n"
        f"une,Éluard,Zoé,z@e.fr,{one.namespace},{other.namespace}\n"
        f"autre,Hôte,Noël,n@e.fr,{other.namespace},{one.namespace}\n",
        encoding="utf-8",
    )
    return file


def deploy(person: Person) -> None:
    """Do the first step of lab 2."""
    lab = find_lab("tp2")
    Stage(lab, person).apply(lab.files("solution"))


def following(roster: Path, kubeconfig: Path, *options: str) -> subprocess.Popen[str]:
    words = ["cahier", "classe", "suivre", str(roster), "--kubeconfig", str(kubeconfig), *options]
    environment = {**os.environ, "TMPDIR": str(roster.parent), "XDG_STATE_HOME": str(roster.parent)}
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        start_new_session=True,
    )


def said(process: subprocess.Popen[str], words: str) -> str:
    """The first line with these words."""
    assert process.stdout is not None
    return next(line.strip() for line in process.stdout if words in line)


def end(process: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _out, complaints = process.communicate(timeout=SEEN)
    assert process.returncode == 130, complaints
    assert "Traceback" not in complaints
    assert time.monotonic() - began < ENDS


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is POSIX")
def test_a_change_is_seen_in_the_browser_and_ctrl_c_leaves_nothing(
    page: Page, pair: Sequence[Person], roster: Path, prof: Path
) -> None:
    process = following(roster, prof, "--labs", "tp2,tp3")
    try:
        page.goto(said(process, "http://"))
        line = page.get_by_role("row").filter(has=page.get_by_role("button", name="Zoé Éluard"))
        expect(line).to_contain_text("TP2 0/6", timeout=SEEN * 1000)
        deploy(pair[0])
        expect(line).to_contain_text("TP2 2/6", timeout=SEEN * 1000)
    finally:
        end(process)
    expect(page.get_by_role("alert")).to_contain_text("ne répond plus")
    left = {file.name for file in roster.parent.iterdir()}
    assert left == {roster.name, "historique-classe.sqlite"}
    with History(roster.with_name("historique-classe.sqlite")) as history:
        best = history.best("une", find_lab("tp2").name)
    assert best is not None
    assert sum(one.status is Status.PASSED for one in best.change.checks.values()) == 2
    assert best.change.seen_by == "suivi"


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is POSIX")
def test_the_terminal_tells_the_same(pair: Sequence[Person], roster: Path, prof: Path) -> None:
    process = following(roster, prof, "--labs", "tp2", "--terminal")
    try:
        assert "Un pod qui porte l’étiquette" in said(process, "Zoé Éluard")
        deploy(pair[0])
        assert said(process, "à voir sur son poste")
    finally:
        end(process)


def board(kubeconfig: Path, learners: Sequence[Learner], labs: Sequence[str]) -> Board:
    pace = Pace(100.0)  # one waits for all that is to be asked
    api = Api(str(kubeconfig), without_secrets=True, pace=pace)
    return Board(api, pace, learners, [find_lab(name) for name in labs])


def test_it_goes_on_after_a_cut_and_an_expired_watch(
    pair: Sequence[Person], roster: Path, prof: Path, tmp_path: Path
) -> None:
    with (
        faulty({"prof": prof}, tmp_path) as (through, faults),
        board(through["prof"], read_roster(roster), ["tp2"]) as watched,
    ):
        wait_for(lambda: watched.news(0).judged == 2, SEEN)
        faults.plan(0, "status-410")
        faults.cut()
        deploy(pair[0])
        wait_for(lambda: row(watched, "une").cells[0].text == "2/6", SEEN)
        assert any("watch=true" in request for request in faults.asked)
        assert not any("secrets" in request for request in faults.asked)


def test_what_each_person_gives_is_enough(
    pair: Sequence[Person], roster: Path, new_person: Callable[..., Person]
) -> None:
    """One shares with somebody who teaches, the other does not, then takes it back."""
    who = new_person("b")
    user, own = Api(str(who.kubeconfig)).who_am_i(), Api(str(pair[0].kubeconfig))
    teacher.share(own, pair[0].namespace, user)
    with board(who.kubeconfig, read_roster(roster), ["tp2"]) as watched:
        wait_for(lambda: watched.news(0).judged == 2, SEEN)
        assert row(watched, "autre").standing.kind == "unseen"
        deploy(pair[0])
        wait_for(lambda: row(watched, "une").cells[0].text == "2/6", SEEN)


@pytest.fixture
def handed_in(admin: Api) -> Iterator[Classroom]:
    """Six people who have handed in something of each kind, right or wrong; nothing runs."""
    room = Classroom(admin, started=False)
    try:
        room.grow(6, lambda _: None)
        yield room
    finally:
        room.remove(lambda _: None)


def test_it_says_what_grading_says(handed_in: Classroom, prof: Path, tmp_path: Path) -> None:
    """Rights among them, which the board works out of what it watches."""
    roster = handed_in.roster(tmp_path, 6)
    with board(prof, read_roster(roster), [lab.name for lab in all_labs()]) as watched:
        wait_for(lambda: watched.news(0).judged == 6, SEEN)
        words = ["cahier", "noter", str(roster), "--sortie", str(tmp_path / "notes")]
        subprocess.run([*words, "--kubeconfig", str(prof)], check=False, timeout=120)
        wait_for(lambda: not watched.asking, SEEN)
        grades = json.loads((tmp_path / "notes" / "notes.json").read_text(encoding="utf-8"))
        for learner in grades["learners"]:
            wanted = {lab["lab"]: _found(lab["checks"]) for lab in learner["labs"]}
            found = watched.person(learner["identifier"])
            assert found is not None
            seen = {
                grade.lab: {one.id: (one.status.value, one.finding) for one in grade.checks}
                for grade in found[1]
            }
            assert seen == wanted


def _found(checks: Sequence[Mapping[str, str]]) -> Mapping[str, tuple[str, str]]:
    return {one["id"]: (one["status"], one["finding"]) for one in checks}
