"""The home page: two clicks to a lab, and a terminal that plays what was recorded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from checks.lab import all_labs

DESK: ViewportSize = {"width": 1280, "height": 720}
PHONE: ViewportSize = {"width": 360, "height": 740}
WHOLE = 90_000
"""Milliseconds: longer than the recording."""


@pytest.mark.parametrize(
    "door", ["Dans un service VSCode", "Depuis votre ordinateur", "Linux", "macOS", "Windows"]
)
def test_a_lab_is_two_clicks_away(page: Page, unsearched: str, door: str) -> None:
    page.goto(unsearched)
    page.locator(".doors").get_by_role("link", name=door).click()
    page.locator("article").get_by_role("link", name="TP 1", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("TP 1")


def test_each_lab_has_its_card(page: Page, unsearched: str) -> None:
    page.goto(unsearched)
    cards = page.locator(".cards > li")
    assert cards.count() == len(all_labs())
    for card, lab in zip(cards.all(), all_labs(), strict=True):
        expect(card).to_contain_text(lab.about.title)
        expect(card).to_contain_text(f"{lab.about.duration_minutes} min")
        assert card.locator("li").count() == len(lab.about.objectives)
    cards.last.click()  # anywhere on it
    expect(page).to_have_url(re.compile(all_labs()[-1].name))


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_the_terminal_plays_from_red_to_green(
    browser: Browser, unsearched: str, screen: ViewportSize
) -> None:
    page = browser.new_page(viewport=screen)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.clock.install()
    with page.expect_response("**/*.cast"):  # a busy machine is idle before it asks
        page.goto(unsearched, wait_until="networkidle")
    wanted = "tp5-etroit.cast" if screen is PHONE else "tp5.cast"
    assert [name for name in asked if name.endswith(".cast")] == [wanted]
    shown = page.locator(".ap-term-text")
    button = page.locator(".demo__button")
    expect(button).to_have_text("Pause")
    page.clock.run_for(WHOLE)
    expect(shown).to_contain_text("Tout est juste.")
    expect(button).to_have_text("Revoir")
    page.close()


def test_the_terminal_can_be_paused(page: Page, unsearched: str) -> None:
    page.goto(unsearched, wait_until="networkidle")
    button = page.locator(".demo__button")
    button.click()
    expect(button).to_have_text("Reprendre")
    before = page.locator(".ap-term-text").inner_text()
    page.wait_for_timeout(1500)
    assert page.locator(".ap-term-text").inner_text() == before


def test_who_asks_for_less_motion_sees_the_first_red_and_nothing_moves(
    browser: Browser, unsearched: str
) -> None:
    page = browser.new_page(viewport=DESK, reduced_motion="reduce")
    page.goto(unsearched, wait_until="networkidle")
    expect(page.locator(".ap-term-text")).to_contain_text("erreurs à corriger")
    expect(page.locator(".demo__button")).to_have_text("Lire l’enregistrement")
    before = page.locator(".ap-term-text").inner_text()
    page.wait_for_timeout(1500)
    assert page.locator(".ap-term-text").inner_text() == before
    page.close()


def test_without_scripts_the_terminal_is_a_picture_in_colour(
    browser: Browser, unsearched: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(unsearched)
    still = page.locator("pre.terminal")
    expect(still).to_be_visible()
    expect(still.locator(".t-red", has_text="← le chemin s’arrête ici")).to_have_css(
        "color", "rgb(255, 123, 114)"
    )
    expect(still).to_contain_text("Tout est juste.")
    context.close()


def test_on_paper_the_terminal_is_whole(page: Page, unsearched: str) -> None:
    page.goto(unsearched, wait_until="networkidle")
    page.emulate_media(media="print")
    still = page.locator("pre.terminal")
    expect(still).to_be_visible()
    expect(page.locator(".demo__screen")).to_be_hidden()
    expect(page.locator(".demo__button")).to_be_hidden()
    assert still.evaluate("one => one.scrollHeight <= one.clientHeight + 1")
    expect(still.locator(".t-red").first).to_have_css("color", "rgb(179, 38, 30)")


def test_the_menu_opens_on_the_labs_and_first_steps_are_folded(page: Page, unsearched: str) -> None:
    page.set_viewport_size(DESK)
    page.goto(unsearched)
    menu = page.locator(".md-sidebar--primary")
    expect(menu.get_by_role("link", name=re.compile("^TP 1"))).to_be_visible()
    expect(menu.get_by_role("link", name="Par où entrer")).to_be_visible()
    expect(menu.get_by_text("kind sous Linux")).to_be_hidden()
    page.goto(f"{unsearched}/premiers-pas/")
    expect(menu.get_by_text("kind sous Linux")).to_be_visible()


@pytest.mark.parametrize("path", ["", "404.html"])
def test_nothing_around_a_page_is_in_english(page: Page, unsearched: str, path: str) -> None:
    page.goto(f"{unsearched}/{path}")
    expect(page.locator("footer")).to_contain_text("Fait avec")
    assert not re.search(r"\b(Made|with|found|Not)\b", page.locator("body").inner_text())


def test_each_page_says_what_it_is_to_who_shares_it(site: Path, paths: list[str]) -> None:
    assert (site / "assets" / "favicon.svg").is_file()
    assert (site / "assets" / "carte.png").read_bytes().startswith(b"\x89PNG")
    for path in paths:
        head = (site / path / "index.html").read_text(encoding="utf-8").partition("</head>")[0]
        for name in ('name="description"', 'property="og:title"', 'property="og:description"'):
            assert re.search(rf'<meta {name} content="[^"]{{5,}}"', head), (path, name)
        assert "favicon.svg" in head
