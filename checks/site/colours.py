"""What a terminal shows, on a page and in the terminal's colours: verdicts, diagnoses, answers.

Two fences of the site: `verdict`, and `console`, where what was typed keeps the colours of a shell.
They are read from the text, since a page may show a part of it; a test holds them to the
terminal's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape, unescape
from itertools import groupby
from typing import Any

from checks.render.terminal import STYLES
from checks.verdict import Status

Run = tuple[str, str]
"""A style of Rich, "" for none, and the text that has it."""

_DIM = STYLES[Status.SKIPPED]
_MARKS = {status.symbol: STYLES[status] for status in Status} | {
    "●": STYLES[Status.PASSED],
    "○": _DIM,
}
_STYLES = {
    "bar": "dim",
    "note": STYLES[Status.FAILED],
    "points": "dim",
    "label": "dim",
    "lab": "bold cyan",
    "title": "bold",
    "subject": "bold",
    "done": "bold green",
    "right": "green",
    "wrong": "bold red",
    "count": "bold",
    "unsure": STYLES[Status.UNVERIFIED],
    "hint": "dim",
    "prompt": "dim",
}
"""How a part of a line looks, by its name; what has no name looks like nothing. `mark` has its own
colour, `words` may be dim, `command` is a label's."""
_COMMANDS = {"Où voir": "cyan", "Remède": "green", "Corrigé": "green"}
"""Below these labels, the colour of commands."""
_MARK = f"(?P<mark>[{re.escape(''.join(_MARKS))}])"
_PATH = [
    re.compile(line)
    for line in (
        rf"  (?P<bar>│ )?{_MARK} (?P<words>.*?)(?:   (?P<note>← .*))?",
        r" +(?P<words>.*?) *(?P<note>← .*)?",
    )
]
_LINES = [
    re.compile(line)
    for line in (
        r"(?P<lab>TP\d+ · )(?P<title>.*)",
        rf"  {_MARK} (?P<words>\S.*?)(?P<recorded> \(enregistré\))?(?P<points> +[\d,]+/[\d,]+)?",
        r" {4}(?P<words>\S.*?)(?P<recorded> \(enregistré\))?",
        rf"  {_MARK}  (?P<subject>\S+(?: \S+)*).*",
        r" {5}(?P<label>Où voir)(?: +(?P<command>.*))?",
        r" {5}(?P<label>Constat|Raison|Problème|Pourquoi|Remède|Corrigé)(?: .*)?",
        r" {5,}(?P<command>(?:kubectl|cahier|curl|export|ps|psql|KUBECONFIG=\S+) .*)",
        r"(?P<done>Tout est juste\. )(?:[\d,]+/[\d,]+ points\. |\.\.\.)?(?P<right>.*)",
        r"(?P<count>[\d,]+/[\d,]+ points, .*)",
        r"(?P<unsure>[\d,]+/[\d,]+ points\. Rien n’est faux.*)",
        r"(?P<hint>(?:Un indice|Le remède) : cahier .*)",
        r"(?P<prompt>\w+ \$) .*",
        r"(?P<right>✔) .*",
        r"(?P<wrong>✘) .*",
        r" *(?P<right>→) .*",
    )
]
_SHOWN = re.compile(r'(?:<span class="go">[^<]*</span>\n*)+')
_TAG = re.compile(r"<[^>]*>")


def verdict(source: str, language: str, css_class: str, options: Any, md: Any, **_: Any) -> str:
    """A `verdict` fence, as HTML."""
    shown = coloured(source)
    return f'<div class="terminal highlight no-copy"><pre><code>{shown}\n</code></pre></div>'


def console(source: str, language: str, css_class: str, options: Any, md: Any, **more: Any) -> str:
    """A `console` fence, as HTML: Pygments’ own, with the answers in their colours."""
    fences = md.preprocessors["fenced_code_block"]
    highlighted: str = fences.highlight(source, language, options, md, **more)
    return _SHOWN.sub(lambda found: _answer(found[0]), highlighted)


def _answer(html: str) -> str:
    text = unescape(_TAG.sub("", html))
    return f'<span class="go">{coloured(text)}</span>' + "\n" * text.endswith("\n")


def coloured(text: str) -> str:
    """HTML of what a terminal shows; its classes are the words of Rich’s styles: `t-bold t-red`."""
    return "\n".join("".join(_span(*run) for run in line) for line in runs(text.splitlines()))


def _span(style: str, text: str) -> str:
    words = escape(text, quote=False)
    if not style or not text.strip():
        return words
    return f'<span class="{" ".join(f"t-{name}" for name in style.split())}">{words}</span>'


def runs(shown: Sequence[str]) -> Iterator[Sequence[Run]]:
    """The parts of each line that look the same."""
    for _, paragraph in groupby(shown, key=lambda line: bool(line.strip())):
        yield from _paragraph(list(paragraph))


def _paragraph(shown: Sequence[str]) -> Iterator[Sequence[Run]]:
    """Lines with none blank between them: a mark, a label or a title tells of those below it."""
    path = any(line.startswith("  │ ") for line in shown)
    rest = "dim" if _LINES[0].fullmatch(shown[0]) else ""
    shade = command = ""
    stopped = station = False
    for line in shown:
        kinds = (kind.fullmatch(line) for kind in (_PATH if path else _LINES))
        found = next((kind for kind in kinds if kind), None)
        if found is None:
            yield [(rest, line)]
            continue
        parts = found.groupdict()
        if "mark" in parts:
            # two stations that no way links: another path begins with the second
            stopped = stopped and not (station and not parts.get("bar"))
            station = not parts.get("bar")
            dim = stopped and bool(parts["bar"]) if path else _MARKS[parts["mark"]] == _DIM
            shade = "dim" if dim else ""
        if "label" in parts:
            command = _COMMANDS.get(parts["label"], "")
        stopped = stopped or (path and "s’arrête" in line)
        styles = {
            **_STYLES,
            "mark": _MARKS.get(parts.get("mark", ""), ""),
            "words": shade,
            "recorded": "dim",
            "command": command,
        }
        yield list(_parts(line, found, styles))


def _parts(line: str, found: re.Match[str], styles: Mapping[str, str]) -> Iterator[Run]:
    """The line, cut where what has a name begins and ends."""
    at = 0
    for name in found.re.groupindex:
        begin, end = found.span(name)
        if begin >= at:
            yield "", line[at:begin]
            yield styles[name], line[begin:end]
            at = end
    yield "", line[at:]
