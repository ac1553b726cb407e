"""The board of a class in a real browser: it follows what happens, and is for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from checks.board.pages import Pages
from checks.board.server import serving
from checks.grading.roster import Learner
from checks.lab import all_labs
from tests.support.accessible import violations
from tests.support.watched_api import WatchedApi, watched_api
from tests.support.watched_class import board_of, learners, pod

NAMES = ("ana", "bob", "lia", "max")
SEEN = 20_000.0  # milliseconds, on a busy machine
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WORST = "<img src=x onerror=alert(1)>"


@pytest.fixture
def api() -> Iterator[WatchedApi]:
    with watched_api() as api:
        for name in NAMES[:-1]:
            api.person(name)
        yield api


@pytest.fixture
def address(api: WatchedApi, tmp_path: Path) -> Iterator[str]:
    people = [*learners(NAMES[:-1]), Learner("max", WORST, "Max", "m@e.fr", "user-max", "", 9)]
    labs = all_labs()
    with (
        board_of(api, tmp_path, people, labs) as board,
        serving(board, Pages("classe.csv", len(people), labs)) as address,
    ):
        yield address


@pytest.fixture
def opened(page: Page, address: str) -> Iterator[Page]:
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.goto(address)
    expect(page.locator("#judged")).to_have_text("à jour")
    yield page
    assert troubles == []


def test_a_change_is_seen_without_a_reload(opened: Page, api: WatchedApi) -> None:
    opened.evaluate("window.unchanged = true")
    ana = opened.get_by_role("row").filter(has=opened.get_by_role("button", name="Zoé Ana"))
    expect(ana).to_contain_text("TP2 0/6")
    api.put("pods", pod("mon-api-1", ready=False), "user-ana")
    expect(ana).to_contain_text("Votre API est démarrée et prête.", timeout=SEEN)
    expect(opened.locator("#sentences")).to_contain_text("1 personne · TP2")
    api.drop("user-ana")
    expect(ana).to_contain_text("absent", timeout=SEEN)
    assert opened.evaluate("window.unchanged")
    api.cut(away=True)
    expect(opened.get_by_role("alert")).to_contain_text("n’est plus suivi", timeout=SEEN)
    api.back()
    expect(opened.get_by_role("alert")).to_be_hidden(timeout=SEEN)


def test_names_are_shown_as_they_are(opened: Page, api: WatchedApi) -> None:
    expect(opened.get_by_role("button", name=f"Max {WORST}")).to_be_visible()
    odd = pod("p", labels={"app": "mon-api"})
    odd["spec"]["containers"][0]["image"] = WORST
    odd["status"]["containerStatuses"] = [
        {
            "name": "api",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": "InvalidImageName", "message": WORST}},
        }
    ]
    odd["status"]["conditions"] = []
    api.put("pods", odd, "user-bob")
    opened.locator("#sentences").get_by_text("La leçon").first.click()
    opened.get_by_role("button", name="Zoé Bob").click()
    expect(opened.get_by_role("dialog")).to_contain_text("user-bob")
    assert opened.locator("img").count() == 0


def test_it_is_accessible_by_day_and_by_night_on_any_screen(
    opened: Page, api: WatchedApi, address: str
) -> None:
    api.put("pods", pod("mon-api-1", ready=False), "user-ana")
    expect(opened.locator("#sentences li")).to_have_count(1, timeout=SEEN)
    opened.locator("#sentences summary").click()
    for name in ("", "personne", "projeter"):
        if name == "personne":
            opened.get_by_role("button", name="Zoé Ana").click()
            expect(opened.get_by_role("dialog")).to_contain_text("user-ana")
        elif name:
            opened.goto(f"{address}projeter")
            expect(opened.get_by_role("heading", level=2).first).not_to_have_text("…")
        for scheme in SCHEMES:
            opened.emulate_media(color_scheme=scheme)
            assert violations(opened) == [], (name, scheme)
        opened.set_viewport_size({"width": 360, "height": 740})
        assert opened.evaluate("document.documentElement.scrollWidth") <= 360, name
        assert violations(opened) == [], name
        opened.set_viewport_size({"width": 1280, "height": 900})


def test_the_keyboard_is_enough(opened: Page, api: WatchedApi, address: str) -> None:
    api.put("pods", pod("mon-api-1", ready=False), "user-ana")
    expect(opened.locator("#sentences li")).to_have_count(1, timeout=SEEN)
    opened.get_by_label("Chercher une personne").press_sequentially("zoe ana")
    expect(opened.locator("#shown")).to_have_text("1 personne sur 4")
    for _ in range(4):
        opened.keyboard.press("Tab")
    expect(opened.get_by_role("button", name="Zoé Ana")).to_be_focused()
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("dialog")).to_contain_text("user-ana")
    opened.keyboard.press("Escape")
    expect(opened.get_by_role("dialog")).to_be_hidden()
    expect(opened.get_by_role("button", name="Zoé Ana")).to_be_focused()


def test_what_is_projected_has_the_lesson_and_no_name(
    opened: Page, api: WatchedApi, address: str
) -> None:
    api.put("pods", pod("mon-api-1", ready=False), "user-ana")
    show = opened.locator("#sentences").get_by_role("link", name="Montrer à tous")
    expect(show).to_have_count(1, timeout=SEEN)
    with opened.expect_popup() as popup:
        show.click()
    slide = popup.value
    expect(slide.locator("#lesson h2")).to_have_text("Votre API est démarrée et prête.")
    expect(slide.locator("#place")).to_have_text("1 sur 1")
    words = slide.locator("body").inner_text()
    assert not [name for name in ("Zoé", *NAMES) if name in words]
    api.put("pods", pod("autre", labels={"app": "autre"}), "user-bob")
    api.put("pods", pod("mon-api-1"), "user-ana")
    expect(slide.locator("#lesson h2")).not_to_have_text(
        "Votre API est démarrée et prête.", timeout=SEEN
    )
