"""A path in a terminal: a line for each hop, the lesson below the one that stops it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from checks import inert
from checks.french import plural
from checks.path.outcome import Hop, Path, Proof
from checks.render import wording
from checks.render.terminal import STYLES, labelled
from checks.render.wrapping import folded, put, say
from checks.verdict import Status

_PROVEN: Mapping[Proof, str] = {
    Proof.TRIED: "essayé",
    Proof.READ: "lu",
    Proof.NONE: "",
}


def heading(console: Console, source: str, destination: str) -> None:
    """Print from where to where."""
    source, destination = inert.line(source), inert.line(destination)
    console.print()
    put(
        console,
        Text.assemble(("CHEMIN · ", "bold cyan"), (source, "bold"), " → ", (destination, "bold")),
    )
    console.print()


def show_hop(console: Console, hop: Hop, with_help: bool) -> None:
    """Print a hop, and its lesson where it does not hold."""
    start = Text.assemble("  ", (hop.status.symbol, STYLES[hop.status]), " ")
    margin = len(start) + 2  # what is folded stands further in than a hop
    words = hop.place + (f" : {hop.found}" if hop.found else "")
    proven = _PROVEN[hop.proof]
    for index, line in enumerate(folded(words, console.width - margin - 10)):
        shown = Text.assemble(start if index == 0 else Text(" " * margin), line)
        if index == 0 and proven:
            shown.append(f" ({proven})", "dim")
        put(console, shown)
    if hop.status is Status.PASSED:
        return
    labelled(console, wording.FINDING[hop.status], hop.finding)
    if hop.cause:
        labelled(console, wording.CAUSE, hop.cause)
    if hop.look_commands:
        labelled(console, wording.LOOK, commands=hop.look_commands, style="cyan")
    if hop.fix and (with_help or hop.status is not Status.FAILED):
        commands = (*hop.fix_lines, *hop.fix_commands)
        labelled(console, wording.REMEDY, hop.fix, commands=commands, style="green")


def conclude(console: Console, path: Path, *, with_help: bool, typed: str) -> None:
    """Print what became of the path. `typed`: the command, for the remedy."""
    console.print()
    if path.status is Status.PASSED:
        tried = any(one.proof is Proof.TRIED for one in path.hops)
        words = "Le chemin mène au bout." if tried else "Rien ne s’oppose à ce chemin."
        put(console, words, "bold green")
        return
    if path.broken is None:
        count = sum(one.status is not Status.PASSED for one in path.hops)
        said = f"Rien n’est faux, mais {plural(count, 'étape')} n’a pas pu être vérifiée."
        say(console, said, "yellow")
        return
    put(console, f"Le chemin s’arrête ici : {path.broken.place}.", "bold")
    if not with_help:
        put(console, f"Le remède : {typed} --aide", "dim")
