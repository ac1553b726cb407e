"""« Quand ça ne marche pas » is filtered, and each of its findings has its address."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from checks.findings import PAGE, findings
from checks.lab import all_labs
from checks.site.troubles import OTHER, SIGNS, signs

EVERY = [one for lab in all_labs() for one in findings(lab)]


def shown(page: Page) -> list[str]:
    return [str(one.get_attribute("id")) for one in page.locator("details:not([hidden]) h4").all()]


def test_findings_are_filtered_by_lab_by_sign_and_by_words(page: Page, unsearched: str) -> None:
    page.goto(f"{unsearched}/{PAGE}", wait_until="networkidle")
    assert shown(page) == [one.anchor for one in EVERY]
    page.get_by_label("TP", exact=True).select_option("tp5")
    assert shown(page) == [one.anchor for one in EVERY if one.lab.short_name == "tp5"]
    page.get_by_label("Ce que vous voyez").select_option("silence")
    wanted = [
        one.anchor for one in EVERY if one.lab.short_name == "tp5" and "silence" in signs(one)
    ]
    assert shown(page) == wanted != []
    expect(page.get_by_role("heading", level=2, name=re.compile("^TP"))).to_have_count(1)
    page.reload(wait_until="networkidle")  # what was chosen is in the address
    assert shown(page) == wanted
    page.get_by_role("button", name="Tout montrer").click()
    expect(page.locator("details:not([hidden])")).to_have_count(len(EVERY))
    page.get_by_label("Des mots de votre constat").fill("NOM COURT resout")
    assert "tp5-nom-court" in shown(page)
    expect(page.get_by_role("status")).to_contain_text(f"sur {len(EVERY)}")
    page.get_by_label("Des mots de votre constat").fill("rien de tel nulle part")
    assert shown(page) == []


def test_the_address_of_a_finding_opens_it(page: Page, unsearched: str) -> None:
    page.goto(f"{unsearched}/{PAGE}#tp5-nom-court", wait_until="networkidle")
    opened = page.locator("details[open]")
    expect(opened).to_have_count(1)
    expect(opened.locator("h4")).to_be_in_viewport()
    expect(opened).to_contain_text("Un nom de Service sans namespace")


def test_each_finding_has_one_place_on_the_page(page: Page, unsearched: str) -> None:
    page.goto(f"{unsearched}/{PAGE}", wait_until="networkidle")
    places = page.evaluate("[...document.querySelectorAll('article [id]')].map((one) => one.id)")
    assert sorted(one.anchor for one in EVERY) == sorted(
        one for one in places if one in {other.anchor for other in EVERY}
    )


def test_each_sign_is_that_of_some_findings() -> None:
    seen = [name for one in EVERY for name in signs(one)]
    assert set(SIGNS) <= set(seen)
    assert seen.count(OTHER) < len(EVERY) / 5


def test_the_search_shares_a_base_without_installing_kind(page: Page, address: str) -> None:
    page.goto(address, wait_until="networkidle")
    page.locator("input.md-search__input").click()
    page.locator("input.md-search__input").press_sequentially("comment partager ma base", delay=20)
    first = page.locator(".md-search-result__link").first
    expect(first).to_have_attribute("href", re.compile(r"/labs/|/quand-ca-ne-marche-pas/"))


def test_the_glossary_tells_the_two_services_apart(page: Page, unsearched: str) -> None:
    page.goto(f"{unsearched}/glossaire/#service")
    meaning = page.locator("dt#service + dd")
    expect(meaning.get_by_role("link")).to_have_attribute("href", "../idees/service-et-dns/")
    expect(page.locator("dl")).to_contain_text("Ce n’est pas un Service de Kubernetes")
    page.goto(f"{unsearched}/premiers-pas/moteur/")  # systemd’s [Service] is neither
    assert not [
        one
        for one in page.locator("abbr", has_text="Service").all()
        if "[" in one.evaluate("one => one.previousSibling?.textContent.slice(-1) ?? ''")
    ]
