"""The site, built strictly and seen in a real browser: whole, quiet, self-contained, searchable,
accessible."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.site.diagrams import badly_drawn, reachable, wait_until_drawn
from tests.support.accessible import violations

ROOT = Path(__file__).parents[2]
DESK: ViewportSize = {"width": 1280, "height": 720}
PHONE: ViewportSize = {"width": 360, "height": 740}
SHARES = 3  # of the pages, so that several workers look at them


def test_each_lab_has_its_page(paths: list[str]) -> None:
    labs = [folder.parent.name for folder in (ROOT / "labs").glob("tp*/lab.toml")]
    assert {f"labs/{lab}/enonce/" for lab in labs} <= set(paths)


@pytest.mark.parametrize("share", range(SHARES))
def test_each_page_is_whole_quiet_narrow_accessible_and_well_drawn(
    page: Page, unsearched: str, paths: list[str], share: int
) -> None:
    """Each page is loaded once and looked at by day, by night and on a phone; it asks for what it
    searches, which others index."""
    troubles: list[str] = []
    _listen(reachable(page), urlparse(unsearched).netloc, troubles)
    for path in paths[share::SHARES]:
        page.set_viewport_size(DESK)
        page.goto(f"{unsearched}/{path}", wait_until="networkidle")
        wait_until_drawn(page)
        seen = {_scheme(page)}
        troubles += violations(page)
        # no pointer, no tooltip
        page.locator("label[title^='Passer en mode']:visible").dispatch_event("click")
        seen.add(_scheme(page))
        troubles += violations(page)
        assert seen == {"default", "slate"}, path
        page.set_viewport_size(PHONE)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            troubles.append(f"on a phone it is {width} px wide")
        page.set_viewport_size(DESK)
        troubles += badly_drawn(page)  # last, for what it enlarges stays so
        assert troubles == [], path


def _listen(page: Page, host: str, troubles: list[str]) -> None:
    """Have what the console says, what fails to load and what is asked of another host told in
    `troubles`."""
    page.on(
        "console",
        lambda message: (
            troubles.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "response",
        lambda answer: (
            troubles.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        ),
    )
    page.on("requestfailed", lambda request: troubles.append(f"failed {request.url}"))
    page.on(
        "request",
        lambda request: (
            troubles.append(request.url) if urlparse(request.url).netloc != host else None
        ),
    )


def _scheme(page: Page) -> str | None:
    return page.locator("body").get_attribute("data-md-color-scheme")


def test_each_link_leads_somewhere(site: Path, paths: list[str]) -> None:
    lost: list[str] = []
    for path in paths:
        page = site / path
        for link in re.findall(
            r'href="([^"#?:]+)[#?]?[^":]*"', (page / "index.html").read_text(encoding="utf-8")
        ):
            target = (site / link.lstrip("/")) if link.startswith("/") else (page / link).resolve()
            if not (target.is_file() or (target / "index.html").is_file()):
                lost.append(f"{path} → {link}")
    assert lost == []


@pytest.mark.parametrize("words", ["port-forward", "rôle"])
def test_search_finds(page: Page, address: str, words: str) -> None:
    troubles: list[str] = []
    _listen(page, urlparse(address).netloc, troubles)
    page.goto(address, wait_until="networkidle")
    page.locator("input.md-search__input").click()
    page.locator("input.md-search__input").press_sequentially(words, delay=20)
    result = page.locator(".md-search-result__link").first
    expect(result).to_be_visible()
    expect(page.locator(".md-search-result__list mark").first).to_contain_text(
        re.compile(words[:4], re.IGNORECASE)
    )
    assert troubles == []


def test_copy_gives_the_command_without_its_prompt(browser: Browser, unsearched: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{unsearched}/labs/tp5_proxy_socat/enonce/", wait_until="networkidle")
    block = page.locator(".highlight", has_text="kubectl wait --for=condition=Ready").first
    block.hover()
    block.locator("button.md-clipboard, .md-code__button").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    typed = [
        "kubectl apply -f proxy.yaml",
        "kubectl wait --for=condition=Ready pod/pg-proxy --timeout=60s",
    ]
    assert copied.split() == " ".join(typed).split()
    context.close()
