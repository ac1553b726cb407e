"""Diagrams are legible on a phone too, and nothing overprints; test_site.py looks at them on a
desk."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.site.diagrams import badly_drawn, reachable, wait_until_drawn

PHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def drawn(site: Path) -> list[str]:
    """The pages that have a diagram."""
    return [
        page.parent.relative_to(site).as_posix() + "/"
        for page in sorted(site.rglob("index.html"))
        if '<pre class="mermaid">' in page.read_text(encoding="utf-8")
    ]


def test_each_diagram_is_legible_and_nothing_overprints(
    browser: Browser, unsearched: str, drawn: list[str]
) -> None:
    """How it is drawn depends on the room that it has when the page is loaded."""
    page = reachable(browser.new_page(viewport=PHONE))
    troubles = []
    for path in drawn:
        page.goto(f"{unsearched}/{path}", wait_until="networkidle")
        wait_until_drawn(page)
        troubles += [f"{path}: {trouble}" for trouble in badly_drawn(page)]
    page.close()
    assert len(drawn) > 10
    assert troubles == []
