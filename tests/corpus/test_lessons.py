"""What is found and what is said of it stay apart: a lesson is data, and a lab's checks read as its
sentences."""

from __future__ import annotations

import ast
import importlib
import string
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from checks.lab import Lab, all_labs
from checks.lesson import Clause, Lesson, Names

LABS = all_labs()
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
SHARED = ["checks.diagnosis.workloads.lessons"]
OF_LABS = [f"labs.{lab.name}.lessons" for lab in LABS]
each_room = pytest.mark.parametrize("room", [*OF_LABS, *SHARED])

T = TypeVar("T")
OF_THE_CLUSTER = {"namespace", "colleague"}
GIVEN_APART = set(Lesson.__struct_fields__)
LONGEST_FILE = 150  # lines
LONGEST_CHECK = 15  # lines of a check, beside its docstring


def said(room: str, kind: type[T]) -> Iterator[type[T]]:
    """All those of a lab, or of a shared room, but for what several have in common: that has no
    text, and each of its kinds has one."""
    module = importlib.import_module(room)
    text = "finding" if issubclass(kind, Lesson) else "text"
    for value in vars(module).values():
        ours = (
            isinstance(value, type)
            and issubclass(value, kind)
            and value.__module__ == module.__name__
        )
        if ours and (hasattr(value, text) or not value.__subclasses__()):
            yield value


def named_in(*texts: str) -> set[str]:
    """The fields that texts say."""
    names = [
        name
        for text in texts
        for _, name, _, _ in string.Formatter().parse(text)
        if name is not None
    ]
    return {name.partition(".")[0] for name in names}


@each_room
def test_a_lesson_says_all_that_it_is_given_and_nothing_else(room: str) -> None:
    assert list(said(room, Lesson))
    for lesson in said(room, Lesson):
        named = named_in(lesson.finding, lesson.cause, lesson.fix, *lesson.look)
        fields = set(lesson.__struct_fields__) - GIVEN_APART
        assert named - OF_THE_CLUSTER <= fields, lesson.__name__
        assert fields <= named, f"{lesson.__name__} is given what it does not say"


@each_room
def test_a_part_of_a_sentence_says_all_that_it_is_given(room: str) -> None:
    for clause in said(room, Clause):
        assert named_in(clause.text) == set(clause.__struct_fields__), clause.__name__


class Watched(Clause):
    text = "{names} {names:regarde|regardent} {place}"
    names: Names
    place: str


def test_a_word_agrees_with_the_number_of_names() -> None:
    assert str(Watched(names=Names(["a"]), place="{b}")) == "« a » regarde {b}"
    assert (
        str(Watched(names=Names(["a", "b", "c"]), place="d")) == "« a », « b » et « c » regardent d"
    )


@each_room
def test_a_sentence_is_mended_without_meeting_a_condition(room: str) -> None:
    file = Path(str(importlib.import_module(room).__file__))
    tree = ast.parse(file.read_text(encoding="utf-8"))
    decides = (ast.If, ast.IfExp, ast.BoolOp, ast.FunctionDef, ast.For, ast.Try)
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, decides)] == []


@each_lab
def test_the_checks_read_as_the_sentences_of_the_lab(lab: Lab) -> None:
    text = (lab.folder / "verifications.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    named = {check.id for check in lab.checks}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name in named:
            body = node.body[1:]  # after its sentence
            assert (body[-1].end_lineno or 0) - body[0].lineno < LONGEST_CHECK, node.name
