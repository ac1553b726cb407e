"""The French of every page and finding, read by Grammalecte from the built site."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

WORDS = Path(__file__).parent / "french_words.txt"
_NAMES = re.compile(r"[\d_:/.=-]")  # names of objects, addresses, options: not words
_NOT_GRAMMAR = {
    "nbsp",
    "typo",
    "esp",
    "apos",
    "maj",
    "tab",
    "unit",
    "num",
    "nf",
    "eif",
    "tu",
    "virg",
    "notype",
}
_BLOCKS = ["p", "li", "td", "th", "dd", "dt", "summary", "h1", "h2", "h3"]
_RIGHT = (  # what Grammalecte takes for a mistake, and why it is none
    "gn_la_2m",  # « la variable PORT », « la clé membres »: a name beside its noun
    "gn_adverbe_juste",  # « deux règles justes »
    "conj_que_où_comment_verbe_sujet_sing",  # « se lisent une image, un quota, une sonde »
    "imp_verbe_groupe",  # a table’s heading: « convient quand »
)


Remark = Mapping[str, Sequence[Mapping[str, str]]]
"""Grammalecte’s own: lists of grammar and spelling errors."""


@dataclass(frozen=True)
class Sentence:
    """A block of text, and the page it is on."""

    page: str
    text: str


@pytest.fixture(scope="module")
def sentences(site: Path) -> list[Sentence]:
    """Every block of prose of the site, once."""
    found: dict[str, Sentence] = {}
    for page in sorted(site.rglob("index.html")):
        article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find("article")
        assert article is not None
        for aside in article.select("pre, .mermaid, .headerlink"):
            aside.decompose()
        for code in article.select("code"):
            code.replace_with("Kubernetes")  # a noun, so that the sentence stays one
        for block in article.find_all(_BLOCKS):
            if block.find(["p", "li"]) is None:
                text = " ".join(block.get_text().split())
                found.setdefault(text, Sentence(page.parent.relative_to(site).as_posix(), text))
    return [sentence for text, sentence in found.items() if text]


@pytest.fixture(scope="module")
def remarks(
    sentences: list[Sentence], tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Sentence, Remark]]:
    """What Grammalecte says of each."""
    program = shutil.which("grammalecte-cli")
    if program is None:
        reason = "no Grammalecte on this machine: apt-get install -y grammalecte-cli"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(f"FRENCH IS NOT CHECKED: {reason}")
    text = tmp_path_factory.mktemp("french") / "site.txt"
    text.write_text("\n".join(sentence.text for sentence in sentences) + "\n", encoding="utf-8")
    answer = subprocess.run(
        [program, "-f", str(text), "-j"], capture_output=True, text=True, check=True
    )
    return [(sentences[one["iParagraph"] - 1], one) for one in json.loads(answer.stdout)["data"]]


def test_grammar(remarks: list[tuple[Sentence, Remark]]) -> None:
    wrong = [
        f"{sentence.page}: « {sentence.text} » {error['sMessage']}"
        for sentence, remark in remarks
        for error in remark["lGrammarErrors"]
        if error["sType"] not in _NOT_GRAMMAR
        and not any(rule in error["sRuleId"] for rule in _RIGHT)
    ]
    assert wrong == []


def test_spelling(remarks: list[tuple[Sentence, Remark]]) -> None:
    known = set(WORDS.read_text(encoding="utf-8").split())
    wrong = {
        f"{error['sValue']} ({sentence.page})"
        for sentence, remark in remarks
        for error in remark["lSpellingErrors"]
        if not _NAMES.search(error["sValue"]) and error["sValue"] not in known
    }
    assert sorted(wrong) == []
