"""The report and a learner's feedback in a real browser: offline, accessible, on a phone, on
paper."""

from __future__ import annotations

import random
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from checks.grading.exports import write_all
from checks.grading.results import (
    ClassGrades,
    LabGrade,
    from_verdict,
    lab_info,
    of_learner,
    without_verdict,
)
from checks.grading.roster import Learner
from checks.lab import Lab, all_labs
from tests.support.accessible import violations
from tests.support.graded_class import verdict

LABS = all_labs()
NAMES = (
    "Zoé Éluard-Hémon",
    "Max Hôte",
    "Ida Nuit",
    "Éloïse Martin-Dupont",
    "Aïcha Nguyên",
    "Max-Emmanuel de La Rochefoucauld",
)
SESSIONS = (datetime(2026, 11, 23, 13, tzinfo=UTC), datetime(2026, 11, 25, 8, tzinfo=UTC))
PHONE = {"width": 360, "height": 740}
OPEN = (
    "document.querySelectorAll('details:not(.person ~ .person ~ .person ~ .person)').forEach(one "
    "=> one.open = true)"
)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PAPER = {"width": 718, "height": 1047}  # A4 without its margins


def people() -> ClassGrades:
    """A class of thirty who did all the labs over two sessions: right, wrong, open, absent."""
    chance = random.Random(5)
    learners = []
    for number in range(30):
        first, _, last = NAMES[number % len(NAMES)].partition(" ")
        who = Learner(
            f"p{number}",
            f"{last} {number}",
            first,
            f"p{number}@exemple.fr",
            f"user-p{number}",
            "user-p0",
        )
        began = SESSIONS[number % 2] + timedelta(minutes=chance.randrange(15))
        learners.append(of_learner(who, [_grade(chance, who, lab, began) for lab in LABS]))
    return ClassGrades(labs=tuple(map(lab_info, LABS)), learners=tuple(learners))


def _grade(chance: random.Random, who: Learner, lab: Lab, began: datetime) -> LabGrade:
    if int(who.identifier[1:]) % 10 == 9:
        return without_verdict(
            lab, f"Le namespace {who.namespace} n’existe pas sur ce cluster.", absent=True
        )
    one = chance.choice(lab.checks).id
    when = began + timedelta(minutes=20 * LABS.index(lab) + chance.randrange(30))
    if lab is LABS[-1]:  # nobody has verified the last one
        return from_verdict(lab, verdict(lab, who, unverified=[one]))
    if chance.random() < 0.6:
        return from_verdict(lab, verdict(lab, who), when)
    return from_verdict(lab, verdict(lab, who, failed=[one]))


GRADES = people()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    paths = {lab.name: lab.about.path for lab in LABS}
    write_all(folder, GRADES, paths, site="https://cahier.exemple.fr/")
    return folder / "rapport.html"


@pytest.fixture
def opened(page: Page, report: Path) -> Page:
    page.goto(report.as_uri())
    return page


def shown(page: Page) -> list[str]:
    """Names of the rows of the class that can be seen."""
    return page.locator("#map tbody tr:visible th").all_inner_texts()


def test_it_opens_offline_and_asks_for_nothing(
    context: BrowserContext, page: Page, report: Path
) -> None:
    asked: list[str] = []
    troubles: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    context.set_offline(True)
    for file in (report, report.parent / "retours" / "p0.html"):
        asked.clear()
        page.goto(file.as_uri())
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert (asked, troubles) == ([file.as_uri()], [])


@pytest.mark.parametrize("name", ["rapport.html", "retours/p1.html"])
def test_it_is_accessible_by_day_and_by_night(page: Page, report: Path, name: str) -> None:
    page.goto((report.parent / name).as_uri())
    page.evaluate(OPEN)
    shades = set()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        shades.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert violations(page) == [], scheme
    assert len(shades) == len(SCHEMES)


def test_search_and_filter_show_the_same_people_everywhere(opened: Page) -> None:
    everybody = shown(opened)
    assert len(everybody) == len(GRADES.learners)
    opened.get_by_label("Chercher une personne").fill("eloise MARTIN")
    wanted = [learner for learner in GRADES.learners if learner.first_name == "Éloïse"]
    assert shown(opened) == [learner.name for learner in wanted]
    expect(opened.get_by_role("status")).to_contain_text(
        f"{len(wanted)} personnes sur {len(everybody)}"
    )
    assert opened.locator("details.person:visible").count() == len(wanted)
    for index, lane in enumerate(opened.locator(".lane:has(.count)").all()):
        dots = sum(learner.labs[index].receipt is not None for learner in wanted)
        assert lane.locator("i:visible").count() == dots
        expect(lane.locator(".count")).to_have_text(str(dots))
    opened.get_by_label("Chercher une personne").fill("")
    opened.get_by_label("Montrer").select_option(label="absents")
    assert shown(opened) == [
        learner.name for learner in GRADES.learners if learner.state == "absent"
    ]
    assert opened.locator(".timeline i:visible").count() == 0


def test_columns_sort_both_ways(opened: Page) -> None:
    def orders() -> list[float]:
        return [float(str(cell.get_attribute("data-order"))) for cell in cells.all()]

    header = opened.locator("#map").get_by_role("columnheader", name="TP2")
    cells = opened.locator("#map tbody td:nth-child(3)")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    rising = orders()
    assert rising == sorted(rising)
    assert rising[0] < rising[-1]
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    assert orders() == rising[::-1]
    opened.get_by_role("button", name="Personne").click()
    initials = [
        one.get_attribute("data-name") or "" for one in opened.locator("#map tbody tr").all()
    ]
    letters = [unicodedata.normalize("NFD", name)[0].lower() for name in initials]
    assert letters == sorted(letters)


def test_a_name_leads_to_the_person_s_path(opened: Page) -> None:
    learner = next(
        one
        for one in GRADES.learners
        if any(check.status == "failed" for check in one.labs[1].checks)
    )
    opened.locator("#map").get_by_role("link", name=learner.name, exact=True).click()
    person = opened.locator(f"#p-{learner.identifier}")
    expect(person.get_by_text("← le chemin s’arrête ici").first).to_be_in_viewport()


def test_the_time_line_is_a_table_too(opened: Page) -> None:
    opened.get_by_text("Les mêmes moments, en tableau").click()
    moments = {
        lab.receipt.astimezone().strftime("%d/%m/%Y à %H:%M")
        for learner in GRADES.learners
        for lab in learner.labs
        if lab.receipt
    }
    region = opened.get_by_role("region", name="Moment de chaque reçu")
    assert set(region.locator("td").all_inner_texts()) == {*moments, "–"}
    titles = {
        str(dot.get_attribute("title")).partition(", ")[2]
        for dot in opened.locator(".timeline i").all()
    }
    assert titles == moments
    nobody = f"personne n’en a pour {LABS[-1].short_name.upper()}"
    expect(opened.get_by_text(nobody)).to_be_visible()


def test_dots_are_in_the_order_of_time(opened: Page) -> None:
    lane = opened.locator(".lane").first
    spots = [
        (str(dot.get_attribute("title")), dot.bounding_box()) for dot in lane.locator("i").all()
    ]
    placed = [(title.partition(", ")[2], box["x"]) for title, box in spots if box]
    days = sorted({title[:10] for title, _ in placed})
    assert len(days) == 2
    assert max(x for title, x in placed if title[:10] == days[0]) < min(
        x for title, x in placed if title[:10] == days[1]
    )
    in_time = sorted(
        placed, key=lambda one: (one[0][6:10], one[0][3:5], one[0][:2], one[0][-5:], one[1])
    )
    assert [x for _, x in in_time] == sorted(x for _, x in placed)


@pytest.mark.parametrize("name", ["rapport.html", "retours/p1.html"])
def test_a_phone_needs_no_sideways_scroll(browser: Browser, report: Path, name: str) -> None:
    page = browser.new_page(viewport=PHONE)  # type: ignore[arg-type]
    page.goto((report.parent / name).as_uri())
    page.evaluate(OPEN)
    width = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert width <= PHONE["width"]


def test_on_paper_nothing_is_cut_nor_lost(browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport=PAPER, color_scheme="dark")  # type: ignore[arg-type]
    page.goto(report.as_uri())
    page.get_by_label("Montrer").select_option(label="à revoir")
    page.emulate_media(media="print")
    expect(page.get_by_label("Chercher une personne")).to_be_hidden()
    expect(page.get_by_text("Ne sont montrées que")).to_be_visible()
    for region in page.locator(".scroll:visible").all():
        assert region.evaluate("each => each.scrollWidth <= each.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
    expect(page.locator("#map")).to_be_visible()
    assert page.locator(".timeline i:visible").count() > 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()


def test_without_receipts_the_time_line_says_why(page: Page, tmp_path: Path) -> None:
    who = Learner("seul", "Nuit", "Léo", "leo@exemple.fr", "user-leo")
    alone = of_learner(who, [from_verdict(LABS[1], verdict(LABS[1], who))])
    write_all(tmp_path, ClassGrades(labs=(lab_info(LABS[1]),), learners=(alone,)), {})
    page.goto((tmp_path / "rapport.html").as_uri())
    assert page.locator(".timeline").count() == 0
    expect(page.get_by_text("un moment n’est connu que par le reçu")).to_be_visible()
