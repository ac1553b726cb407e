"""The links that launch a service, and the address of the project, on every page of the site."""

from __future__ import annotations

import html
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, Route

from checks.lab import all_labs
from checks.site.address import onyxia
from tests.support.onyxia import opened

_LINK = re.compile(r'href="([^"]*/launcher/[^"]*)"')
_TO_FILL_IN = re.compile(r"\bADRESSE_\w+|\b\w+_DU_DÉPÔT\b|\bTODO\b|\bOWNER/REPO\b")
_FORM = """<!doctype html><meta charset="utf-8"><title>Onyxia</title><pre id="form"></pre><script>
const form = {};
for (const pair of location.search.slice(1).split("&")) {
  const [key, value, ...more] = pair.split("=");
  if (more.length) throw new Error(pair);
  const text = decodeURIComponent(value);
  form[decodeURIComponent(key)] = text === "true" ? true : text === "false" ? false
    : text.startsWith("«") && text.endsWith("»") ? text.slice(1, -1) : text;
}
document.getElementById("form").textContent = JSON.stringify(form);
</script>"""


def _pages(site: Path) -> dict[str, str]:
    return {
        page.parent.relative_to(site).as_posix(): page.read_text(encoding="utf-8")
        for page in site.rglob("index.html")
    }


def test_no_page_leaves_something_to_be_filled_in(site: Path) -> None:
    left = {
        name: found for name, text in _pages(site).items() if (found := _TO_FILL_IN.findall(text))
    }
    assert left == {}


def test_each_lab_is_opened_on_the_platform(site: Path) -> None:
    pages = _pages(site)
    for lab in all_labs():
        links = [html.unescape(link) for link in _LINK.findall(pages[f"labs/{lab.name}/enonce"])]
        forms = [opened(link) for link in links]
        assert {form.instance for form in forms} == {onyxia()}
        names = [form.settings["name"] for form in forms]
        assert names.count(f"Cahier {lab.short_name.upper()}") == 2


def test_a_link_fills_in_the_form(browser: Browser, page: Page, unsearched: str) -> None:
    """In a browser, where the platform's page is one that applies its rules. What a click leads to
    is opened beside the lab, which need not be loaded again."""
    asked: list[str] = []

    def stay(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=204)

    page.route(f"{onyxia()}/**", stay)
    form = browser.new_page()
    form.route(
        f"{onyxia()}/**",
        lambda route: route.fulfill(content_type="text/html; charset=utf-8", body=_FORM),
    )
    for name in ("tp2_port_forward", "tp5_proxy_socat"):
        page.goto(f"{unsearched}/labs/{name}/enonce/")
        links = page.locator("a[href*='/launcher/']")
        assert links.count() >= 2
        for link in links.all():
            expected = opened(str(link.get_attribute("href")))
            with page.expect_request(f"{onyxia()}/**"):
                link.click()
            form.goto(asked.pop())
            shown = form.evaluate("JSON.parse(document.getElementById('form').textContent)")
            assert asked == []
            assert shown == {
                **{key: _plain(value) for key, value in expected.settings.items()},
                **{".".join(path): value for path, value in expected.values.items()},
            }
    form.close()


def _plain(text: str) -> str | bool:
    return {"true": True, "false": False}.get(text, text)
