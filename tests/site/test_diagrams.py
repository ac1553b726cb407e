"""Diagrams are legible and nothing overprints, on a desk and on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 740}
LEGIBLE = 12
"""Pixels of the letters, at least."""
_OPEN = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (how) {
  return attach.call(this, { ...how, mode: "open" });
};
"""
_SIZE = "host => 16 * host.shadowRoot.querySelector('svg').getScreenCTM().a"
_OVERPRINTED = """host => {
  const root = host.shadowRoot;
  const words = [...root.querySelectorAll(".edgeLabel p, .cluster-label p, .nodeLabel p")]
    .filter((one) => one.textContent.trim());
  const box = (one) => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return range.getBoundingClientRect();
  };
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const found = [];
  words.forEach((one, at) => {
    for (const other of words.slice(at + 1))
      if (meet(box(one), box(other))) found.push(`${one.textContent} / ${other.textContent}`);
    if (one.closest(".node")) return;
    for (const node of root.querySelectorAll("g.node"))
      if (meet(box(one), node.getBoundingClientRect()))
        found.push(`${one.textContent} / ${node.textContent.trim()}`);
  });
  return found;
}"""


@pytest.fixture(scope="module")
def drawn(site: Path) -> list[str]:
    """The pages that have a diagram."""
    return [
        page.parent.relative_to(site).as_posix() + "/"
        for page in sorted(site.rglob("index.html"))
        if '<pre class="mermaid">' in page.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_each_diagram_is_legible_and_nothing_overprints(
    browser: Browser, address: str, drawn: list[str], screen: ViewportSize
) -> None:
    page = browser.new_page(viewport=screen)
    page.add_init_script(_OPEN)
    troubles = [one for path in drawn for one in _troubles(page, address, path)]
    page.close()
    assert len(drawn) > 10
    assert troubles == []


def _troubles(page: Page, address: str, path: str) -> list[str]:
    page.goto(f"{address}/{path}", wait_until="networkidle")
    found = []
    for diagram in page.locator("div.mermaid").all():
        button = diagram.locator("xpath=following-sibling::*[1]")
        if diagram.evaluate(_SIZE) < LEGIBLE:
            button.click()
            diagram.focus()
        if diagram.evaluate(_SIZE) < LEGIBLE:
            found.append(f"{path}: letters of {diagram.evaluate(_SIZE)} px")
        found += [f"{path}: {words}" for words in diagram.evaluate(_OVERPRINTED)]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{path}: wider than the screen")
    return found
