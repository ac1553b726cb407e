"""What axe finds wrong with a page."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

_RUN = "async () => (await axe.run({ resultTypes: ['violations'] })).violations"


def violations(page: Page) -> list[str]:
    """Each rule that is broken, with the first element that breaks it. A page that was loaded once
    may be looked at many times: axe is put in it once."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE_SCRIPT)
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:160]}" for rule in page.evaluate(_RUN)]
