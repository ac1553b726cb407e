"""What can be said of every lab without a cluster: whole, no stray file, nothing missing from its
page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from checks.errors import UsageError
from checks.lab import Lab, Story, all_labs, find_lab, next_lab
from checks.stage import rename

LABS = list(all_labs())
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)

ALLOWED = re.compile(
    r"lab\.toml|enonce\.md|enregistrement\.json\.gz|corpus\.json\.xz|[a-z_]+\.py|(depart|solution)/[\w-]+\.yaml"
    r"|(erreurs|variantes)/[\w-]+/(case\.toml|[\w-]+\.yaml)|erreurs/[\w-]+/constat\.md"
)


@each_lab
def test_no_stray_file(lab: Lab) -> None:
    files = [
        path.relative_to(lab.folder).as_posix() for path in lab.folder.rglob("*") if path.is_file()
    ]
    stray = [file for file in files if not ALLOWED.fullmatch(file) and "__pycache__" not in file]
    assert stray == []


@each_lab
def test_every_name_in_the_lab_file_is_a_check(lab: Lab) -> None:
    names = {check.id for check in lab.checks}
    assert names, "a lab proves something"
    assert set(lab.about.start.fails) <= names
    assert set(lab.about.hints) <= names
    assert {name for hop in lab.about.path for name in hop.checks} <= names
    for case in lab.cases("erreurs").values():
        assert case.fails in names
        assert case.finding, "a mistake is caught for its own reason"
    for case in lab.cases("variantes").values():
        assert not case.fails


@each_lab
def test_checks_are_french_sentences(lab: Lab) -> None:
    for check in lab.checks:
        assert re.match(r"[A-ZÀÂÉÈÊÎÔ]", check.title), check.id
        assert check.title.endswith("."), check.id
        assert len(check.title) <= 90, check.id
        assert check.points > 0


@each_lab
def test_hints_are_whole(lab: Lab) -> None:
    for texts in lab.about.hints.values():
        assert texts
        assert all(text.strip() for text in texts)


@each_lab
def test_enough_mistakes_and_other_right_answers(lab: Lab) -> None:
    assert len(lab.cases("erreurs")) >= 5
    assert len(lab.cases("variantes")) >= 2


@each_lab
def test_each_check_has_a_mistake_that_it_catches(lab: Lab) -> None:
    caught = {case.fails for case in lab.cases("erreurs").values()} | set(lab.about.start.fails)
    assert {check.id for check in lab.checks} - caught == set(lab.about.proven_elsewhere)


@each_lab
def test_starter_manifests_are_yaml_and_appear_in_the_page(lab: Lab) -> None:
    page = lab.page.read_text(encoding="utf-8")
    for name, text in lab.files("depart").items():
        assert list(yaml.safe_load_all(text))
        assert f"{lab.name}/depart/{name}" in page, f"{name} is not shown in the page"
    assert set(lab.files("depart")) == set(lab.files("solution"))
    if lab.files("depart"):
        assert any("À FAIRE" in text for text in lab.files("depart").values()), (
            "nothing left to write"
        )


def test_the_tenth_lab_comes_after_the_ninth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tp10_dix", "tp9_neuf", "tp1_un"):
        (tmp_path / name).mkdir()
        about = 'title = ""\nsummary = ""\nduration_minutes = 1\nobjectives = []\n'
        (tmp_path / name / "lab.toml").write_text(about, encoding="utf-8")
    monkeypatch.setattr("checks.lab.labs_folder", lambda: tmp_path)
    labs = all_labs()
    assert [one.short_name for one in labs] == ["tp1", "tp9", "tp10"]
    assert next_lab(labs[1]) == labs[2]
    assert next_lab(labs[2]) is None


@pytest.mark.parametrize("name", ["tp5_proxy_socat", "tp5", "5", " TP5 ", "labs/tp5_proxy_socat/"])
def test_a_lab_is_found_by_each_of_its_names(name: str) -> None:
    assert find_lab(name).name == "tp5_proxy_socat"


def test_an_unknown_lab_names_those_that_exist() -> None:
    with pytest.raises(UsageError) as error:
        find_lab("tp42")
    assert "tp5" in error.value.remedy


def test_names_of_the_story_may_cross() -> None:
    story = Story(namespace="user-bob", colleague="user-alice", database="base-1")
    text = "user-alice user-bob oidc-alice base-1-rw.user-alice.svc user-alicea"
    assert rename(text, story, "user-alice", "user-bob", "autre") == (
        "user-bob user-alice oidc-bob autre-rw.user-bob.svc user-alicea"
    )
