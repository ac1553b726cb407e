"""A lab's page in a terminal: the same words as on the site, its commands as they are typed.

What is in a line is read by markdown-it; not the blocks, of which a page's own (admonitions, tabs,
included files) are Python-Markdown's, that it does not know.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from functools import cache

from markdown_it import MarkdownIt
from rich.console import Console

from checks.lab import Lab, labs_folder
from checks.render.wrapping import put, say

_SNIPPET = re.compile(r'^--8<-- "(?P<path>[^"]+)"$', re.MULTILINE)
_EXECUTED = re.compile(r'^```python exec="on"\n(?P<code>.*?)^```$', re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r'^ *```(?P<language>\w*)(?: title="(?P<title>[^"]*)")?')
_TITLED = re.compile(r'^ *(?:!!!|\?\?\?\+?|===)(?: \w+)? "(?P<title>[^"]*)"$')
_ATTRIBUTES = re.compile(r"^\{[^}]*\}")  # of the link before, for the site alone
_TYPED = ("kubectl ", "cahier ", "export ", "psql ")
_HIDDEN = re.compile(r"^ *<!--.*?-->\n|^.*\]\((?:\.\./)+notebooks/.*\n", re.MULTILINE)


def whole_page(lab: Lab, translate: Callable[[str], str] = str) -> str:
    """The page with the files that it includes and what it derives from the labs."""
    text = translate(lab.page.read_text(encoding="utf-8"))
    text = _SNIPPET.sub(lambda found: translate(_file(found["path"])), text)
    return _EXECUTED.sub(lambda found: _printed(found["code"]), text)


def _file(path: str) -> str:
    return (labs_folder() / path).read_text(encoding="utf-8").rstrip()


def _printed(code: str) -> str:
    """What the page derives from the labs when it is built."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, {})  # our own pages
    return output.getvalue()


def show(console: Console, lab: Lab, translate: Callable[[str], str]) -> None:
    """Print the page; a drawing that only a browser shows is left out."""
    language: str | None = None
    for line in _HIDDEN.sub("", whole_page(lab, translate)).splitlines():
        fence = _FENCE.match(line)
        if fence is not None:
            language = fence["language"] if language is None else None
            if language and fence["title"]:
                put(console, fence["title"], "bold", indent=2)
        elif language is not None:
            if language != "mermaid":
                put(console, line, "cyan", indent=2)
        else:
            _prose(console, line)


def _prose(console: Console, line: str) -> None:
    titled = _TITLED.match(line)
    if not line.strip():
        console.print()
    elif titled is not None:
        say(console, titled["title"], "bold")
    elif line.startswith("#"):
        say(console, line.lstrip("# "), "bold cyan")
    elif line.lstrip().startswith("|"):
        put(console, _plain(line))
    else:
        text = _plain(line.strip())
        say(console, text, indent=2 if text.startswith("- ") or line.startswith("    ") else 0)


def _plain(line: str) -> str:
    """What a line says, without its marks."""
    (whole,) = _reader().parseInline(line)
    told: list[str] = []
    linked = False
    for token in whole.children or ():
        words = _code(token.content) if token.type == "code_inline" else token.content
        told.append(_ATTRIBUTES.sub("", words) if linked else words)
        linked = token.type in ("link_close", "image")
    return "".join(told)


def _code(text: str) -> str:
    # a command is said as one, so that it is never cut
    return f"«\u00a0{text}\u00a0»" if text.startswith(_TYPED) else text


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark")
