"""What MkDocs is told besides mkdocs.yml: where the project is published, and the links at the top
of each lab's page, which are of no use in a terminal nor in a notebook."""

from __future__ import annotations

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from checks.lab import find_lab
from checks.site import address
from checks.site.installing import doors

_LAB = re.compile(r"labs/(?P<lab>tp\w+)/enonce\.md")
_TITLE = re.compile(r"^# .*\n", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give the theme the addresses of the repository and of the site."""
    config.site_url = config.site_url or address.site()
    config.repo_url = config.repo_url or address.repository() or None
    if config.repo_url and not config.repo_name:
        config.repo_name = config.repo_url.rpartition("/")[2]
    return config


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put a lab's links under its title."""
    found = _LAB.fullmatch(page.file.src_uri)
    if found is None:
        return markdown
    links = f"\n{doors(find_lab(found['lab']))}\n"
    return _TITLE.sub(lambda title: title[0] + links, markdown, count=1)
