"""What is wrong with the diagrams of a page: letters too small, words over others."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page, expect

LEGIBLE = 12
"""Pixels of the letters, at least."""
_DRAWN_MILLISECONDS = 60_000
_KEPT = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (how) {
  return (this.attached = attach.call(this, how));
};
"""
_SIZE = "host => 16 * host.attached.querySelector('svg').getScreenCTM().a"
_OVERPRINTED = """host => {
  const root = host.attached;
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


def reachable(page: Page) -> Page:
    """The page, where what it will draw can be measured: diagrams are in closed shadow trees."""
    page.add_init_script(_KEPT)
    return page


def wait_until_drawn(page: Page) -> None:
    """Until every diagram is: once the network is idle, what it brought is still to be drawn, which
    takes seconds on a machine that is busy. Raises AssertionError."""
    undrawn = page.locator("pre.mermaid")
    expect(undrawn, "a diagram is not drawn").to_have_count(0, timeout=_DRAWN_MILLISECONDS)


def badly_drawn(page: Page) -> Iterator[str]:
    """What cannot be read, after the button that enlarges; and whether the page is too wide."""
    for diagram in page.locator("div.mermaid").all():
        button = diagram.locator("xpath=following-sibling::*[1]")
        if diagram.evaluate(_SIZE) < LEGIBLE:
            button.click()
            diagram.focus()
        if diagram.evaluate(_SIZE) < LEGIBLE:
            yield f"letters of {diagram.evaluate(_SIZE)} px"
        yield from diagram.evaluate(_OVERPRINTED)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        yield "wider than the screen"
