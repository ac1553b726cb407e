"""What is found and what is said of it stay apart: a lesson is data, and a lab's checks read as its sentences."""

from __future__ import annotations

import ast
import importlib
import string
from collections.abc import Iterator

import pytest

from checks.lab import Lab, all_labs
from checks.lesson import Lesson

LABS = [lab for lab in all_labs() if (lab.folder / "lessons.py").exists()]
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)

OF_THE_CLUSTER = {"namespace", "colleague"}
GIVEN_APART = set(Lesson.__struct_fields__)
LONGEST_FILE = 150  # lines
LONGEST_CHECK = 15  # lines of a check, beside its docstring


def lessons(lab: Lab) -> Iterator[type[Lesson]]:
    """All those of a lab, but for what several have in common: that has no finding, and each of its kinds has one."""
    module = importlib.import_module(f"labs.{lab.name}.lessons")
    for value in vars(module).values():
        ours = isinstance(value, type) and issubclass(value, Lesson) and value.__module__ == module.__name__
        if ours and (hasattr(value, "finding") or not value.__subclasses__()):
            yield value


@each_lab
def test_a_lesson_says_all_that_it_is_given_and_nothing_else(lab: Lab) -> None:
    assert list(lessons(lab))
    for lesson in lessons(lab):
        texts = (lesson.finding, lesson.cause, lesson.fix, *lesson.look)
        named = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        roots = {name.partition(".")[0] for name in named}
        fields = set(lesson.__struct_fields__) - GIVEN_APART
        assert roots - OF_THE_CLUSTER <= fields, lesson.__name__
        assert fields <= roots, f"{lesson.__name__} is given what it does not say"


@each_lab
def test_a_sentence_is_mended_without_meeting_a_condition(lab: Lab) -> None:
    tree = ast.parse((lab.folder / "lessons.py").read_text(encoding="utf-8"))
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
