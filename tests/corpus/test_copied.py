"""What is printed can be copied: in a real terminal, wide or narrow, no command is cut by us."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pexpect
import pytest

from checks.lab import Lab, all_labs
from checks.render.wrapping import folded
from tests.support.screen import lessons
from tests.support.typed import typed

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_a_terminal(columns: int, *command: str) -> str:
    """What a command prints in a terminal, as it is copied: a line that the terminal folds is one
    line."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")
    }
    ended: Any = pexpect.run(
        " ".join(command),
        env={**environment, "TERM": "xterm-256color"},
        encoding="utf-8",
        timeout=60,
        withexitstatus=True,
        dimensions=(50, columns),
    )
    shown, code = ended
    assert code == 0, shown
    return str(_STYLE.sub("", shown)).replace("\r\n", "\n")


def piped(*command: str) -> str:
    """What a command prints where there is no terminal."""
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout


@pytest.fixture(
    params=[
        80,
        pytest.param(40, marks=pytest.mark.slow),
        pytest.param(0, marks=pytest.mark.slow),
    ],
    ids=["80 columns", "40 columns", "piped"],
)
def shown(request: pytest.FixtureRequest) -> str:
    """Every lesson of the corpus, remedies included."""
    command = (sys.executable, "-m", "tests.support.screen")
    return in_a_terminal(request.param, *command) if request.param else piped(*command)


def lines_of(shown: str) -> list[str]:
    return [line.strip() for line in shown.splitlines()]


LESSONS = [lesson for lab in all_labs() for _, lesson in lessons(lab)]


def test_what_is_shown_of_the_corpus_can_be_copied(shown: str) -> None:
    _every_command_is_whole(shown)
    _a_command_said_in_a_sentence_is_not_cut_either(shown)
    _guillemets_and_punctuation_stay_with_their_words(shown)


def _every_command_is_whole(shown: str) -> None:
    lines = set(lines_of(shown))
    commands = {line.strip() for lesson in LESSONS for line in (*lesson.lines, *lesson.commands)}
    assert commands
    assert commands - lines == set()


def _a_command_said_in_a_sentence_is_not_cut_either(shown: str) -> None:
    said = {
        command
        for lesson in LESSONS
        for text in (lesson.finding, lesson.cause, lesson.fix)
        for command in re.findall(r"«\s((?:kubectl|cahier) [^«»]+?)\s»", text)
    }
    assert said
    assert {command for command in said if command not in shown} == set()


def _guillemets_and_punctuation_stay_with_their_words(shown: str) -> None:
    assert [line for line in lines_of(shown) if re.search(r"«$|^[»:;?!]", line)] == []


@pytest.mark.parametrize("columns", [80, 40])
def test_the_drawing_fits_the_terminal(columns: int) -> None:
    shown = in_a_terminal(columns, sys.executable, "-m", "tests.support.screen", "tp8").splitlines()
    drawn = [line for line in shown if line.strip()[:1] in tuple("│●○←")]
    assert any("trop ouvert" in line for line in drawn)
    assert [line for line in drawn if len(line) > columns] == []


@pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.short_name)
def test_the_solution_is_printed_as_it_is_written(lab: Lab) -> None:
    story = lab.about.story
    command = [
        "cahier",
        "solution",
        lab.short_name,
        "--namespace",
        story.namespace,
        "--collegue",
        story.colleague,
    ]
    for solution in (typed(command[1:], None).said, in_a_terminal(40, *command)):
        for name, text in lab.files("solution").items():
            assert text in solution, name
        assert set(lab.about.solution.commands) <= set(lines_of(solution))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("un mot « deux mots » fin", ["un mot", "« deux", "mots » fin"]),
        ("dites « kubectl get pods » ici", ["dites", "« kubectl get pods »", "ici"]),
        ("Appliquez : kubectl apply -f a.yaml", ["Appliquez :", "kubectl apply -f a.yaml"]),
        ("vraiment non ?", ["vraiment", "non ?"]),
        ("/un/chemin/tres/long/entier", ["/un/chemin/tres/long/entier"]),
    ],
)
def test_prose_is_folded_between_words_alone(text: str, lines: list[str]) -> None:
    assert folded(text, 12) == lines
