"""An examination in a terminal: one line for each subject, its remedy below; 80 columns do."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from checks.doctor.lines import SUBJECTS, Line, Outcome, State
from checks.french import plural
from checks.render.terminal import STYLES
from checks.render.wrapping import NARROW, folded, put, say
from checks.verdict import Status

_TITLE_WIDTH = max(len(title) for lines in SUBJECTS.values() for title in lines.values())


def show(console: Console, outcome: Outcome) -> None:
    """Print the outcome."""
    margin = _TITLE_WIDTH + 7 if console.width >= NARROW else 5
    for subject, identifiers in SUBJECTS.items():
        console.print()
        console.print(Text(subject, "bold cyan"))
        for identifier in identifiers:
            line = outcome.line(identifier)
            _sentence(console, line, margin)
            _remedy(console, line, margin)
    console.print()
    console.print(_conclusion(outcome))


def _sentence(console: Console, line: Line, margin: int) -> None:
    """The subject, then what was found beside it, or below it on a narrow terminal."""
    status = Status(line.status)
    shade = "dim" if line.status is State.SKIPPED else ""
    found = [Text(text, shade) for text in folded(line.found, console.width - margin)]
    title = Text.assemble((f"  {status.symbol}  ", STYLES[status]), (line.title, shade or "bold"))
    if found and console.width >= NARROW:
        title.append(" " * (margin - len(title))).append(found.pop(0))
    for shown in (title, *found):
        put(console, shown, indent=0 if shown is title else margin)


def _remedy(console: Console, line: Line, margin: int) -> None:
    if line.cause:
        say(console, line.cause, "dim", indent=margin)
    mark = "→ "
    for text in folded(line.remedy, console.width - margin - 2) if line.remedy else ():
        put(console, Text.assemble((mark, "green"), text), indent=margin)
        mark = "  "
    for command in line.commands:
        put(console, command, "green", indent=margin + 2)


def _conclusion(outcome: Outcome) -> Text:
    wrong = sum(line.status is State.FAILED for line in outcome.lines)
    unknown = sum(line.status is State.UNVERIFIED for line in outcome.lines)
    if wrong:
        return Text(f"{plural(wrong, 'problème')} à corriger : commencez par le premier.", "bold")
    if unknown:
        one = "Une ligne n’a" if unknown == 1 else f"{unknown} lignes n’ont"
        return Text(
            f"Rien n’est faux. {one} pas pu être décidée{'s' if unknown > 1 else ''}.", "yellow"
        )
    return Text("Tout est en ordre.", "bold green")
