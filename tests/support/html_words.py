"""The words of a page, as somebody reads them."""

from __future__ import annotations

from html.parser import HTMLParser


class Words(HTMLParser):
    """The text of a page, without its style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._styled = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._styled = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._styled:
            self.said += data.split()
