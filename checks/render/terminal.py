"""A verdict in a terminal: the path hop by hop, then each sentence with its lesson. 80 columns are
enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from checks.drawing import Step, steps
from checks.lab import Lab
from checks.render import wording
from checks.render.wrapping import NARROW, folded, put, say
from checks.verdict import CheckResult, Diagnostic, Status, Verdict

STYLES: Mapping[Status, str] = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim",
    Status.UNVERIFIED: "yellow",
    Status.ERROR: "magenta",
}
_MARK = 4
_INDENT = 5
_LABEL = 10
_POINTS = 8


def show(
    console: Console,
    lab: Lab,
    verdict: Verdict,
    diagnostics: Mapping[str, Diagnostic],
    *,
    colleague: str = "",
    with_help: bool = False,
    recorded: Collection[str] = (),
    port: int = 0,
    done: float = 0,
    typed: str = "",
    site: str = "",
) -> None:
    """Print the verdict. `with_help` adds the remedies (--aide); the checks in `recorded` are told
    to be so.

    `port` is the learner's local port, `done` when the lab was wholly right before, `typed` the
    options to repeat in a command to be typed next, `site` where the site tells of what is wrong.
    """
    console.print()
    put(
        console,
        Text.assemble((f"{lab.short_name.upper()} · ", "bold cyan"), (lab.about.title, "bold")),
    )
    say(console, f"{verdict.user} dans {verdict.namespace}" + colleague, "dim")
    if lab.about.path:
        console.print()
        for step in steps(lab.about.path, verdict.statuses):
            _step(console, step, lab.with_port(step.words, port))
    console.print()
    for result in verdict.checks:
        _sentence(console, result, wording.RECORDED if result.id in recorded else "")
        if wording.has_lesson(result):
            _lesson(console, result, diagnostics.get(result.id), with_help)
            console.print()
    console.print()
    _conclude(console, lab, verdict, done)
    if not with_help and verdict.status is Status.FAILED:
        put(console, f"Un indice : cahier indice {lab.short_name}{typed}", "dim")
        put(console, f"Le remède : cahier verifier {lab.short_name}{typed} --aide", "dim")
    if site:
        put(console, f"Sur le site : {site}", "dim")


def _step(console: Console, step: Step, words: str) -> None:
    bar = Text() if step.is_station else Text("│ ", "dim")
    shade = "dim" if step.cut and not step.is_station else ""
    start = Text.assemble("  ", bar, (step.symbol, STYLES[step.status]), " ")
    margin = " " * len(start)
    lines = [Text(line, shade) for line in folded(words, console.width - len(start))]
    if step.note:
        note = Text(f"← {step.note}", STYLES[Status.FAILED])
        if len(start) + len(lines[-1]) + 3 + len(note) <= console.width:
            lines[-1] = Text.assemble(lines[-1], "   ", note)
        else:
            lines.append(note)
    for line in lines:
        put(console, Text.assemble(start, line))
        start = Text(margin)


def _sentence(console: Console, result: CheckResult, note: str) -> None:
    points = wording.points(result)
    shade = "dim" if result.status is Status.SKIPPED else ""
    room = console.width - _MARK - _POINTS
    mark = f"  {result.status.symbol}"
    for line in folded(result.title + note, room):
        shown = Text(line, shade)
        if note and line.endswith(note):
            shown.stylize("dim", len(line) - len(note))
        if points:
            shown.append(" " * (room - len(line)) + points.rjust(_POINTS), "dim")
        put(console, Text.assemble((mark.ljust(_MARK), STYLES[result.status]), shown))
        mark = points = ""


def _lesson(
    console: Console, result: CheckResult, diagnostic: Diagnostic | None, with_help: bool
) -> None:
    labelled(console, wording.FINDING[result.status], result.finding)
    if result.cause:
        labelled(console, wording.CAUSE, result.cause)
    if diagnostic is not None and diagnostic.look:
        labelled(console, wording.LOOK, commands=diagnostic.look, style="cyan")
    if with_help or result.status is not Status.FAILED:
        steps, answer = wording.parted(result.fix_commands)
        labelled(
            console, wording.REMEDY, result.fix, commands=(*result.fix_lines, *steps), style="green"
        )
        if answer:
            labelled(
                console,
                wording.ANSWER,
                wording.LAST_RESORT,
                commands=answer,
                style="green",
            )


def labelled(
    console: Console, label: str, text: str = "", *, commands: Sequence[str] = (), style: str = ""
) -> None:
    """A paragraph and commands beside their label, or below it on a narrow terminal."""
    if not text and not commands:
        return
    narrow = console.width < NARROW
    margin = _INDENT if narrow else _INDENT + _LABEL
    lines = [Text(line) for line in (folded(text, console.width - margin) if text else ())]
    lines += [Text(command, style) for command in commands]
    heading = Text.assemble(" " * _INDENT, (label.ljust(_LABEL), "dim"))
    if narrow:
        heading.rstrip()
        put(console, heading)
    else:
        put(console, Text.assemble(heading, lines.pop(0)))
    for line in lines:
        put(console, line, indent=margin)


def _conclude(console: Console, lab: Lab, verdict: Verdict, done: float) -> None:
    if verdict.status is Status.PASSED:
        put(
            console,
            Text.assemble(
                (f"{wording.ALL_RIGHT} ", "bold green"),
                f"{wording.score(verdict)}. ",
                (wording.farewell(lab), "green"),
            ),
        )
        after = wording.following(lab)
        if after:
            say(console, after)
        return
    wrong = Status.FAILED in verdict.statuses.values()
    say(console, wording.left_to_do(verdict), "bold" if wrong else "yellow")
    before = wording.once_done(verdict, done)
    if before:
        say(console, before)
