"""The board of a class in a terminal: who is stopped, where and for how long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from checks.board.board import Board, News
from checks.board.standing import Row, Sentence
from checks.french import duration, plural

_LINES = 6  # sentences that are shown
_AGAIN = 10.0  # seconds after which durations are shown anew
_WORDS = {
    "open": "à voir sur son poste",
    "done": "tout ce qui se voit est juste",
    "absent": "namespace absent",
    "unseen": "pas vu",
    "waiting": "pas encore regardé",
}
_ORDER = ("stuck", "open", "waiting", "done", "absent", "unseen")


def follow(console: Console, board: Board) -> None:
    """Show the board until it is closed. Where no person looks, each move is a line."""
    if console.is_terminal:
        _redraw(console, board)
    else:
        _write(console, board)


def _redraw(console: Console, board: Board) -> None:
    rows: dict[str, Row] = {}
    version = 0
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while not board.is_over:
            news = board.news(version)
            version = news.version
            rows |= {row.id: row for row in news.rows}
            live.update(drawn(news, [*rows.values()], console.height), refresh=True)
            _wait(board, version, _AGAIN)


def _write(console: Console, board: Board) -> None:
    known: dict[str, tuple[str, str, str]] = {}
    version, lost = 0, ""
    while not board.is_over:
        news = board.news(version)
        version = news.version
        if news.lost != lost:
            lost = news.lost
            console.print(f"{_clock(time.time())} {lost or 'Le cluster est suivi de nouveau.'}")
        for row in news.rows:
            spot = row.standing.kind, row.standing.lab, row.standing.sentence
            if row.standing.kind != "waiting" and known.get(row.id) != spot:
                known[row.id] = spot
                console.print(f"{_clock(row.since)} {row.name or row.id} · {_where(row)}")
        _wait(board, version, _AGAIN)


def _wait(board: Board, version: int, seconds: float) -> None:
    """As `board.wait`, in short waits: they keep Ctrl-C prompt on every system."""
    until = time.monotonic() + seconds
    while not board.wait(version, 0.3) and time.monotonic() < until and not board.is_over:
        pass


def drawn(news: News, rows: Sequence[Row], height: int) -> RenderableType:
    """The board as so many lines show it, `rows` being everybody's."""
    stuck = sum(row.standing.kind == "stuck" for row in rows)
    said = f"{plural(len(rows), 'personne')}, {stuck} à l’arrêt"
    if news.judged < len(rows):
        said += f" ; {news.judged} regardées sur {len(rows)}"
    parts: list[RenderableType] = [Text(f"{said} · Ctrl-C pour arrêter", style="bold")]
    if news.lost:
        words = f"Depuis {_clock(news.lost_since)}, le cluster n’est plus suivi. {news.lost}"
        parts.append(Text(words, style="red"))
    parts += [_line(one) for one in news.sentences[:_LINES]]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("Depuis", "Personne", "Où"):
        table.add_column(Text(name))
    table.columns[2].no_wrap = True
    waiting = sorted(rows, key=lambda row: (_ORDER.index(row.standing.kind), row.since))
    for row in waiting[: max(3, height - len(parts) - 2)]:
        table.add_row(Text(_since(row)), Text(row.name or row.id), Text(_where(row)))
    return Group(*parts, table)


def _line(one: Sentence) -> Text:
    return Text(f"  {plural(one.count, 'personne')} · {one.lab} · {one.title}", style="yellow")


def _since(row: Row) -> str:
    if row.standing.kind in ("waiting", "absent", "unseen"):
        return ""
    lasted = duration(timedelta(seconds=max(0.0, time.time() - row.since)))
    return f"≥ {lasted}" if row.at_least else lasted


def _where(row: Row) -> str:
    now = row.standing
    words = (now.lab, _WORDS.get(now.kind, ""), now.sentence or now.finding)
    told = " · ".join(word for word in words if word)
    return f"{told} (n’est plus vu : {row.lost})" if row.lost else told


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
