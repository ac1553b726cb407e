"""An invented class: the same for the same seed, nobody twice, and a roster that `noter` takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.cli.populate import _roster
from checks.errors import UsageError
from checks.grading.roster import parse_roster
from checks.local_sspcloud import class_work, classroom, invented, people
from checks.places import LEARNERS

SEEDS = st.integers(0, 10**6)


@given(SEEDS, st.integers(1, 100), st.integers(1, 100))
def test_a_larger_class_begins_with_the_smaller_one(seed: int, few: int, more: int) -> None:
    few, more = sorted((few, more))
    assert invented.people(more, seed)[:few] == invented.people(few, seed)


@given(SEEDS)
def test_nobody_is_there_twice_or_is_somebody_real(seed: int) -> None:
    class_ = invented.people(100, seed)
    assert len({one.account for one in class_}) == len(class_)
    assert len({(one.first_name, one.last_name) for one in class_}) == len(class_)
    assert all(people._NAME.fullmatch(one.account) for one in class_)
    assert all(one.email.endswith("@example.org") for one in class_)
    assert not {one.account for one in class_} & {*LEARNERS, people.TEACHER, people.ADMIN}


@given(SEEDS, st.integers(1, 40))
def test_the_roster_is_taken_as_it_is(seed: int, count: int) -> None:
    groups = invented.groups(invented.people(count, seed))
    text = _roster(groups, seed)
    assert "inventées" in text.splitlines()[0]
    learners, problems = parse_roster(text)
    assert problems == []
    assert [one.identifier for one in learners] == [f"p{n:03}" for n in range(1, count + 1)]
    assert all(one.colleague for one in learners) or count == 1


def test_the_work_is_the_same_for_the_same_seed_and_is_what_was_asked() -> None:
    groups = invented.groups(invented.people(30, 1))

    def names(*, right: bool, wrong: bool, seed: int = 1) -> list[str]:
        works = class_work.drawn(groups, seed, right=right, wrong=wrong)
        return [f"{one.person.account} {one.answer.lab.name} {one.answer.name}" for one in works]

    mixed = names(right=True, wrong=True)
    assert mixed == names(right=True, wrong=True)
    assert mixed != names(right=True, wrong=True, seed=2)
    assert len({one.partition(" ")[0] for one in mixed}) < 30  # somebody has not begun
    assert len({one.split()[1] for one in mixed}) > 1  # somebody has gone on
    for one in class_work.drawn(groups, 1, right=True, wrong=False):
        assert one.answer.name in {"solution", *one.answer.lab.cases("variantes")}
    for one in class_work.drawn(groups, 1, right=False, wrong=True):
        assert one.answer.name in one.answer.lab.cases("erreurs")


def test_a_roster_of_somebody_else_s_is_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path / "state"))
    folder = tmp_path / "classe"
    classroom.require_ours(folder, "ours")
    folder.mkdir()
    (folder / classroom.ROSTER).write_text("the teacher’s own", encoding="utf-8")
    with pytest.raises(UsageError, match="existe déjà"):
        classroom.require_ours(folder, "ours")
