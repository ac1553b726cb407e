"""The card that a notebook shows says what the terminal says, in any page that holds it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from checks.lab import Lab, all_labs, find_lab
from checks.output import output
from checks.redaction import remember
from checks.render import card, terminal, wording
from checks.verdict import Diagnostic, Verdict
from tests.support.accessible import violations
from tests.support.html_words import Words
from tests.support.screen import lessons, verdict

PAGES: Mapping[str, str] = {
    "JupyterLab, light": '<body data-jp-theme-light="true" style="background: #fff">',
    "JupyterLab, dark": '<body data-jp-theme-light="false" style="background: #111; color: #eee">',
    "VSCode, light": '<body class="vscode-light" style="background: #fff">',
    "VSCode, dark": '<body class="vscode-dark" style="background: #1f1f1f; color: #ccc">',
    "a page": "<body>",
}
# what both style of their own accord, and how
STYLED = (
    "dt { float: left; width: 20%; font-weight: bold } dd { float: left; width: 80% } dl { width: "
    "100% } ul, ol { padding-left: 2em; list-style: decimal } pre { background: white; color: "
    "black }"
)
PHONE = 360  # pixels
WIDE = 500  # columns: no word is longer


def mistakes() -> Iterator[tuple[Lab, Verdict, Mapping[str, Diagnostic]]]:
    for lab in all_labs():
        for failed, lesson in lessons(lab):
            yield lab, verdict(lab, failed, lesson), {failed: lesson}


def wrong(short_name: str = "tp5") -> tuple[Lab, Verdict, Mapping[str, Diagnostic]]:
    """A verdict that has something of everything: a remedy, lines, commands, what to look at."""
    lab = find_lab(short_name)
    failed, found = next((one, lesson) for one, lesson in lessons(lab) if lesson.commands)
    lesson = Diagnostic(
        found.finding,
        found.cause,
        found.fix,
        found.commands,
        look=["kubectl get pods"],
        lines=["# proxy.yaml, conteneur « socat »", 'args: ["TCP-LISTEN:5432,fork"]'],
    )
    return lab, verdict(lab, failed, lesson), {failed: lesson}


def in_page(name: str, *, with_help: bool = False) -> str:
    return (
        '<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>Carnet</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLED}</style></head>{PAGES[name]}<main><h1>Carnet</h1>"
        f"{card.page(*wrong(), with_help=with_help)}{card.page(*wrong('tp2'))}</main></body></html>"
    )


@pytest.mark.slow
def test_it_says_what_the_terminal_says_of_every_mistake_of_the_corpus() -> None:
    seen = 0
    for lab, told, diagnostics in mistakes():
        console = output()
        console.file, console.width = io.StringIO(), WIDE
        terminal.show(console, lab, told, diagnostics, colleague=" · avec bob", with_help=True)
        words = Words(card.page(lab, told, diagnostics, colleague=" · avec bob")).said
        assert set(console.file.getvalue().split()) - {"│"} <= {*words}, told
        seen += 1
    assert seen > 100


def test_a_remedy_is_folded_unless_it_was_asked_for() -> None:
    assert "<details><summary>Remède" in card.page(*wrong())
    assert "<details open><summary>Remède" in card.page(*wrong(), with_help=True).replace(
        'open=""', "open"
    )


def test_no_secret_goes_through_it() -> None:
    secret = "Zq7!v<b>&kW2p"
    remember(secret)
    lab, told, _ = wrong()
    shown = card.page(lab, told, {}, colleague=f" · {secret}")
    assert "(masqué)" in shown
    assert "kW2p" not in shown


@pytest.mark.parametrize("name", PAGES)
def test_it_is_legible_and_accessible_in_any_page(name: str, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "carnet.html"
    file.write_text(in_page(name, with_help=True), encoding="utf-8")
    page.goto(file.as_uri())
    assert violations(page) == []
    page.set_viewport_size({"width": PHONE, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    sides = page.evaluate(
        "[...document.querySelectorAll('section.cahier, section.cahier *')]"
        ".map(one => one.getBoundingClientRect().right)"
    )
    assert max(sides) <= PHONE


def test_its_button_copies_the_commands_and_nothing_else(page: Page, tmp_path: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    file = tmp_path / "carnet.html"
    file.write_text(in_page("a page"), encoding="utf-8")
    page.goto(file.as_uri())
    _, told, _ = wrong()
    _, answer = wording.parted(next(one for one in told.checks if one.fix_commands).fix_commands)
    page.get_by_text("Remède", exact=True).first.click()
    page.get_by_text("Corrigé", exact=True).first.click()
    page.locator("details[open] details[open] button").click()
    expect(page.get_by_role("button", name="Copié")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").splitlines() == [*answer]
    expect(page.get_by_role("button", name="Copié")).to_have_count(0)


def test_it_is_whole_without_scripts_and_on_paper(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "carnet.html"
    file.write_text(in_page("JupyterLab, dark"), encoding="utf-8")
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(file.as_uri())
    page.get_by_text("Remède", exact=True).first.click()
    _, told, _ = wrong()
    failed = next(one for one in told.checks if one.fix)
    expect(page.get_by_text(failed.fix, exact=True).first).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("button")).to_have_count(0)


def test_what_a_notebook_strips_takes_the_button_with_it(page: Page, tmp_path: Path) -> None:
    """JupyterLab, where it does not trust a notebook."""
    file = tmp_path / "carnet.html"
    file.write_text(in_page("a page", with_help=True), encoding="utf-8")
    page.goto(file.as_uri())
    page.evaluate(
        "document.querySelectorAll('section style').forEach(one => one.remove());"
        "document.querySelectorAll('[onclick]').forEach(one => one.removeAttribute('onclick'))"
    )
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.get_by_text("Remède", exact=True).first).to_be_visible()
