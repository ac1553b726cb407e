"""The built site, served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.support.served import served

_PATIENCE_MILLISECONDS = 90_000


@pytest.fixture
def page(page: Page) -> Page:
    """A page that loads in its own time: three other workers have the same two processors."""
    page.set_default_navigation_timeout(_PATIENCE_MILLISECONDS)
    return page


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    with served(site) as where:
        yield where


@pytest.fixture(scope="session")
def unsearched(site: Path) -> Iterator[str]:
    """Where it is served with nothing to search: a page that is loaded indexes the whole site,
    which takes as long as the rest."""
    index = json.loads((site / "search/search_index.json").read_bytes())
    nothing = json.dumps({**index, "docs": []}).encode()
    with served(site, {"/search/search_index.json": nothing}) as where:
        yield where


@pytest.fixture(scope="session")
def paths(site: Path) -> list[str]:
    """Every page, as its path on the site."""
    return sorted(
        page.parent.relative_to(site).as_posix() + "/" for page in site.rglob("index.html")
    )
