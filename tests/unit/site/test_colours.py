"""A verdict on a page has the colours that the terminal gives it."""

from __future__ import annotations

import io
from importlib import import_module

import markdown
import pytest
from bs4 import BeautifulSoup
from rich.style import Style
from rich.text import Text

from checks.demo.recording import read
from checks.demo.replay import replayed
from checks.lab import Lab, all_labs
from checks.output import terminal
from checks.render.terminal import show
from checks.render.wording import companion
from checks.site.colours import coloured, console, runs, verdict

Look = tuple[bool, bool, int | None]


@pytest.mark.parametrize("columns", [80, 44])
@pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.short_name)
def test_each_letter_looks_as_in_the_terminal(lab: Lab, columns: int) -> None:
    for part in read(lab).parts:
        now = replayed(lab, part)
        sent = io.StringIO()
        show(
            terminal(sent, columns),
            lab,
            now.verdict,
            now.diagnostics,
            colleague=companion(now.cluster),
            recorded=now.kept,
        )
        shown = Text.from_ansi(sent.getvalue())
        lines = shown.plain.split("\n")
        assert len(lines) > 15
        for text, line, parts in zip(
            shown.split("\n", allow_blank=True), lines, runs(lines), strict=True
        ):
            assert "".join(words for _, words in parts) == line
            ours = [_look(Style.parse(style)) for style, words in parts for _ in words]
            theirs = [_look(Style())] * len(line)
            for span in text.spans:
                style = span.style if isinstance(span.style, Style) else Style.parse(span.style)
                theirs[span.start : span.end] = [_look(style)] * (span.end - span.start)
            assert _letters(line, ours) == _letters(line, theirs), line


def _look(style: Style) -> Look:
    return bool(style.bold), bool(style.dim), style.color.number if style.color else None


def _letters(line: str, looks: list[Look]) -> list[tuple[str, Look]]:
    return [one for one in zip(line, looks, strict=True) if one[0] != " "]


def _built(page: str) -> BeautifulSoup:
    """The page, with the site's own fences."""
    validator = import_module("pymdownx.superfences").highlight_validator
    fences = [
        {"name": "verdict", "class": "terminal", "format": verdict},
        {"name": "console", "class": "highlight", "format": console, "validator": validator},
    ]
    html = markdown.markdown(
        page,
        extensions=["pymdownx.highlight", "pymdownx.superfences"],
        extension_configs={"pymdownx.superfences": {"custom_fences": fences}},
    )
    return BeautifulSoup(html, "html.parser")


def test_a_diagnosis_and_a_problem_have_theirs() -> None:
    page = _built("```verdict\nLe chemin\n  ✘  Nom (DNS)   <rien>\n\n✘ Non.\n→ Si.\n```\n")
    marks = {one.get_text(): one["class"] for one in page.select("code span")}
    assert marks == {
        "✘": ["t-bold", "t-red"],
        "Nom (DNS)": ["t-bold"],
        "→": ["t-green"],
    }
    assert "<rien>" in page.get_text()


def test_a_console_block_keeps_its_prompt_its_title_and_its_answers() -> None:
    page = _built('```console title="Ici"\n$ true\n✔ base & co supprimés (tp4)\n$ false\n```\n')
    assert [one.get_text() for one in page.select(".gp")] == ["$ ", "$ "]
    assert [one.get_text() for one in page.select(".go .t-green")] == ["✔"]
    assert page.select_one(".filename")
    code = page.select_one("code")
    assert code is not None
    assert code.get_text() == "$ true\n✔ base & co supprimés (tp4)\n$ false\n"


def test_nothing_of_a_text_is_markup() -> None:
    assert coloured("✔ <b>&amp;") == '<span class="t-green">✔</span> &lt;b&gt;&amp;amp;'
