"""A verdict in a terminal: the path hop by hop, then each sentence with its lesson. 80 columns are enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from checks.facts import Cluster
from checks.lab import Hop, Lab
from checks.verdict import CheckResult, Diagnostic, Status, Verdict

STYLES: Mapping[Status, str] = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim",
    Status.UNVERIFIED: "yellow",
    Status.ERROR: "magenta",
}
_LABELS = {
    Status.UNVERIFIED: "Raison",
    Status.ERROR: "Problème",
    Status.FAILED: "Constat",
}


def show(
    console: Console,
    lab: Lab,
    verdict: Verdict,
    diagnostics: Mapping[str, Diagnostic],
    *,
    colleague: str = "",
    with_help: bool = False,
    recorded: Collection[str] = (),
) -> None:
    """Print the verdict. `with_help` adds the remedies (--aide); the checks in `recorded` are told to be so."""
    console.print()
    console.print(Text.assemble((f"{lab.short_name.upper()} · ", "bold cyan"), (lab.about.title, "bold")))
    console.print(Text(f"{verdict.user} dans {verdict.namespace}" + colleague, "dim"))
    if lab.about.path:
        console.print()
        for line in path_lines(lab.about.path, verdict):
            console.print(Padding(line, (0, 0, 0, 2)), soft_wrap=False)
    console.print()
    for result in verdict.checks:
        console.print(_sentence(result, " (enregistré)" if result.id in recorded else ""))
        detail = _lesson(result, diagnostics.get(result.id), with_help)
        if detail is not None:
            console.print(Padding(detail, (0, 0, 1, 5)))
    console.print()
    console.print(_conclusion(lab, verdict, with_help))


def companion(cluster: Cluster) -> str:
    """The colleague, in the words that follow the learner's own name; "" where there is none."""
    if not cluster.has_colleague:
        return ""
    user = cluster.colleague.user
    return f" · collègue : {cluster.colleague.namespace}" + (f" ({user})" if user else "")


def path_lines(path: Sequence[Hop], verdict: Verdict) -> list[Text]:
    """The way from the learner's machine to the server, the first broken hop marked."""
    lines: list[Text] = []
    broken = False
    for hop in path:
        status = _hop_status(hop, verdict)
        if hop.link:
            mark, style = status.symbol, STYLES[status]
            line = Text.assemble(("│ ", "dim"), (mark, style), " ", (hop.link, "dim" if broken else ""))
            if status is Status.FAILED and not broken:
                line.append("   ← le chemin s’arrête ici", "bold red")
                broken = True
            lines.append(line)
        reached = not broken and status is Status.PASSED
        lines.append(Text.assemble(("●", "green") if reached else ("○", "dim"), " ", hop.place))
    return lines


def _hop_status(hop: Hop, verdict: Verdict) -> Status:
    statuses = [verdict.check(name).status for name in hop.checks]
    for status in (Status.FAILED, Status.ERROR, Status.UNVERIFIED, Status.SKIPPED):
        if status in statuses:
            return status
    return Status.PASSED


def _sentence(result: CheckResult, note: str) -> RenderableType:
    mark, style = result.status.symbol, STYLES[result.status]
    row = Table.grid(expand=True)
    row.add_column(width=4)
    row.add_column(ratio=1)
    row.add_column(justify="right", width=8)
    points = f"{number(result.points)}/{number(result.points_max)}"
    shade = "dim" if result.status is Status.SKIPPED else ""
    row.add_row(Text(f"  {mark} ", style), Text.assemble((result.title, shade), (note, "dim")), Text(points, "dim"))
    return row


def _lesson(result: CheckResult, diagnostic: Diagnostic | None, with_help: bool) -> RenderableType | None:
    if result.status in (Status.PASSED, Status.SKIPPED):
        return None
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", width=9)
    table.add_column()
    table.add_row(_LABELS[result.status], Text(result.finding))
    if result.cause:
        table.add_row("Pourquoi", Text(result.cause))
    if diagnostic is not None and diagnostic.look:
        table.add_row("Où voir", Text("\n".join(diagnostic.look), "cyan"))
    if with_help or result.status is not Status.FAILED:
        if result.fix:
            table.add_row("Remède", Text(result.fix))
        for command in result.fix_commands:
            table.add_row("", Text(command, "green", overflow="fold"))
    return table


def _conclusion(lab: Lab, verdict: Verdict, with_help: bool) -> Text:
    score = f"{number(verdict.points)}/{number(verdict.points_max)} points"
    if verdict.status is Status.PASSED:
        return Text.assemble(("Tout est juste. ", "bold green"), f"{score}. ", (_farewell(lab), "green"))
    failed = sum(result.status is Status.FAILED for result in verdict.checks)
    if not failed:
        return Text(f"{score}. Rien n’est faux, mais tout n’a pas pu être vérifié.", "yellow")
    plural = "s" if failed > 1 else ""
    text = Text(f"{score}, {failed} point{plural} à corriger. ", "bold")
    if not with_help:
        text.append(f"Un indice : cahier indice {lab.short_name} · le remède : --aide", "dim")
    return text


def _farewell(lab: Lab) -> str:
    return f"{lab.title} est terminé : bravo !"


def number(value: float) -> str:
    """A count of points, with a decimal comma when there is one."""
    return f"{value:g}".replace(".", ",")
