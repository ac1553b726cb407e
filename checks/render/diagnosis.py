"""A diagnosis in a terminal: one line for each subject, its remedy below. 80 columns are enough."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from checks.doctor.lines import SUBJECTS, Diagnosis, Line, State
from checks.render.terminal import STYLES
from checks.verdict import Status

_TITLE_WIDTH = max(len(title) for lines in SUBJECTS.values() for title in lines.values())


def show(console: Console, diagnosis: Diagnosis) -> None:
    """Print the diagnosis."""
    for subject, identifiers in SUBJECTS.items():
        console.print()
        console.print(Text(subject, "bold cyan"))
        for identifier in identifiers:
            line = diagnosis.line(identifier)
            console.print(_sentence(line))
            if line.cause or line.remedy or line.commands:
                console.print(Padding(_remedy(line), (0, 0, 0, _TITLE_WIDTH + 7)))
    console.print()
    console.print(_conclusion(diagnosis))


def _sentence(line: Line) -> RenderableType:
    status = Status(line.status)
    mark, style = status.symbol, STYLES[status]
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=3, no_wrap=True)
    row.add_column(width=_TITLE_WIDTH, no_wrap=True)
    row.add_column(overflow="fold")
    shade = "dim" if line.status is State.SKIPPED else ""
    row.add_row(Text(f"  {mark}", style), Text(line.title, shade or "bold"), Text(line.found, shade))
    return row


def _remedy(line: Line) -> RenderableType:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    if line.cause:
        table.add_row("", Text(line.cause, "dim"))
    if line.remedy:
        table.add_row(Text("→", "green"), Text(line.remedy))
    for command in line.commands:
        table.add_row("", Text(command, "green"))
    return table


def _conclusion(diagnosis: Diagnosis) -> Text:
    wrong = sum(line.status is State.FAILED for line in diagnosis.lines)
    unknown = sum(line.status is State.UNVERIFIED for line in diagnosis.lines)
    if wrong:
        return Text(f"{wrong} point{'s' if wrong > 1 else ''} à corriger : commencez par le premier.", "bold")
    if unknown:
        one = "Un point n’a" if unknown == 1 else f"{unknown} points n’ont"
        return Text(f"Rien n’est faux. {one} pas pu être décidé{'s' if unknown > 1 else ''}.", "yellow")
    return Text("Tout est en ordre.", "bold green")
