"""The terminal of the home page: a lab as it was recorded on a real cluster, from red to green.

`python -m checks.site.cast LAB FOLDER` writes what asciinema's player plays: `FOLDER/LAB.cast`, and
`FOLDER/LAB-etroit.cast` for a phone. What is shown is what `cahier demo --enregistrement` shows;
only the pace is ours.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from checks.demo.recording import Part, Typed, read
from checks.demo.replay import replayed
from checks.lab import Lab, find_lab
from checks.output import marked, terminal
from checks.render.terminal import show
from checks.render.wording import companion
from checks.site.colours import coloured

SCREENS = {"": (80, 28), "-etroit": (44, 32)}
"""The end of a file's name, and the columns and rows of its terminal."""
_KEY, _RETURN, _LINE, _PARAGRAPH, _READING = 0.03, 0.5, 0.05, 1.2, 4.0
"""Seconds: between two keys, after a command, a line, a paragraph, and a verdict."""
_LAST_COMMAND = 2.0
"""Seconds before the first verdict where the player begins: who comes sees a command typed, and no
empty screen."""
_CLEAR = "\x1b[2J\x1b[H"


@dataclass(frozen=True)
class Moment:
    """What a terminal is sent, and the seconds that have passed since what came before."""

    after: float
    sent: str


def moments(lab: Lab, columns: int) -> Iterator[Sequence[Moment]]:
    """The parts of a lab's recording, on a terminal of so many columns. Raises CahierError."""
    recording = read(lab)
    typed = recording.setup
    for number, part in enumerate(recording.parts):
        played = [] if number == 0 else [Moment(_READING, _CLEAR)]
        for command in (*typed, *part.commands):
            played += _command(command, columns)
        yield [*played, *_verdict(lab, part, columns)]
        typed = ()


def _command(typed: Typed, columns: int) -> Iterator[Moment]:
    who = typed.namespace.removeprefix("user-")
    yield Moment(_RETURN, _sent(columns, marked("[dim]{} $[/] ", who)))
    yield from (Moment(_KEY, key) for key in typed.command)
    yield Moment(_RETURN, "\r\n")


def _verdict(lab: Lab, part: Part, columns: int) -> Iterator[Moment]:
    """Its lines, with the time to read each paragraph."""
    before = ""
    for line in verdict_lines(lab, part, columns):
        pause = _PARAGRAPH if before and not line else _LINE
        yield Moment(pause, f"{line}\r\n")
        before = line


def verdict_lines(lab: Lab, part: Part, columns: int) -> Sequence[str]:
    """What a terminal is sent of a recorded verdict, line by line."""
    now = replayed(lab, part)
    with io.StringIO() as shown:
        show(
            terminal(shown, columns),
            lab,
            now.verdict,
            now.diagnostics,
            colleague=companion(now.cluster),
        )
        return shown.getvalue().splitlines()


def _sent(columns: int, text: Text) -> str:
    with io.StringIO() as shown:
        terminal(shown, columns).print(text, end="")
        return shown.getvalue()


def cast(lab: Lab, columns: int, rows: int) -> str:
    """The recording in asciinema's format, version 2."""
    header = {"version": 2, "width": columns, "height": rows, "title": lab.about.title}
    lines, now = [json.dumps(header, ensure_ascii=False)], 0.0
    for part in moments(lab, columns):
        for moment in part:
            now += moment.after
            lines.append(json.dumps([round(now, 2), "o", moment.sent], ensure_ascii=False))
    lines.append(json.dumps([round(now + _READING, 2), "o", ""]))
    return "\n".join(lines) + "\n"


def player(name: str) -> str:
    """The place of the player, as HTML: without scripts and on paper, all that it would have
    shown."""
    lab = find_lab(name)
    parts = [list(part) for part in moments(lab, SCREENS[""][0])]
    red = _lasts(parts[0])
    begins = red - _lasts(_verdict(lab, read(lab).parts[0], SCREENS[""][0])) - _LAST_COMMAND
    sent = "".join(moment.sent for part in parts for moment in part)
    whole = Text.from_ansi(sent.replace("\r", "").replace(_CLEAR, "")).plain
    return (
        f'<figure class="demo" data-cast="assets/{lab.short_name}" data-begins="{begins:.1f}" '
        f'data-red="{red:.1f}">'
        f'<pre class="terminal" tabindex="0">{coloured(whole)}</pre>'
        f"<figcaption>{_caption(lab)}</figcaption></figure>"
    )


def _lasts(played: Iterable[Moment]) -> float:
    """How many seconds."""
    return sum(moment.after for moment in played)


def _caption(lab: Lab) -> str:
    snapshot = read(lab).parts[0].snapshot
    version = ".".join(map(str, snapshot.version or ()))
    return (
        f"{lab.title}, enregistré sur un vrai cluster (Kubernetes {version}, "
        f"{snapshot.taken:%d/%m/%Y}) : d’abord le fichier de départ tel quel, puis complété. "
        "Seul le rythme de la frappe est ajouté."
    )


def main(name: str, folder: str) -> None:
    """Write the casts of a lab."""
    lab = find_lab(name)
    for end, (columns, rows) in SCREENS.items():
        path = Path(folder) / f"{lab.short_name}{end}.cast"
        path.write_text(cast(lab, columns, rows), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
