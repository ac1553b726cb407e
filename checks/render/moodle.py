"""What came of sending marks to a grade book, on the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from checks.errors import CahierError
from checks.french import enumeration, plural
from checks.moodle.sending import Account, Mark

_NAMED = 10  # people that a sentence names


def conclude_sending(console: Console, account: Account) -> None:
    """How many marks went, and what did not, once a reason."""
    console.print(
        f"Carnet de notes : {plural(account.sent, 'note envoyée')}, {account.there} déjà à jour."
    )
    if account.higher:
        console.print(
            f"? Plus haute dans le carnet de notes, et laissée : {_who(account.higher)}. Pour que "
            "celle du cahier l’emporte : --remplacer",
            style="yellow",
        )
    reasons: dict[tuple[str, str], list[Mark]] = {}
    for mark, trouble in account.kept:
        reasons.setdefault((trouble.message, trouble.remedy), []).append(mark)
    for (message, remedy), marks in reasons.items():
        console.print(f"? Non envoyée : {_who(marks)}. {message} {remedy}", style="yellow")


def tell_unknown(console: Console, missing: Sequence[CahierError]) -> None:
    """Who of the list has nobody on the platform, by line, and the remedy once."""
    for one in missing:
        console.print(f"? {one.message}", style="yellow")
    for remedy in dict.fromkeys(one.remedy for one in missing):
        console.print(f"  {remedy}")


def tell_trouble(console: Console, trouble: CahierError | None) -> None:
    """What keeps marks from leaving while a class is watched, or that they leave again."""
    if trouble is None:
        console.print("Le carnet de notes répond de nouveau.")
    else:
        console.print(f"? Carnet de notes : {trouble.message} {trouble.remedy}", style="yellow")


def tell_left(console: Console, left: int, roster: Path) -> None:
    """How many marks had not gone when a class was over."""
    if left:
        console.print(
            "? Une note n’a pas pu partir. Pour l’envoyer : cahier classe envoyer "
            f"{shlex.quote(str(roster))}"
            if left == 1
            else f"? {left} notes n’ont pas pu partir. Pour les envoyer : cahier classe envoyer "
            f"{shlex.quote(str(roster))}",
            style="yellow",
        )


def _who(marks: Sequence[Mark]) -> str:
    named = [f"{one.learner.identifier} ({one.lab.short_name.upper()})" for one in marks[:_NAMED]]
    others = len(marks) - len(named)
    return enumeration([*named, plural(others, "autre")] if others else named)
