"""What the demonstration shows of a lab, whether it is being played or was recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from checks.capabilities import Cluster
from checks.errors import CahierError
from checks.lab import Lab
from checks.output import marked, output
from checks.render.terminal import show
from checks.render.wording import companion
from checks.verdict import Diagnostic, Status, Verdict

UNFINISHED, SOLVED = "Un travail inachevé", "La solution"
EXPECTED = {UNFINISHED: Status.FAILED, SOLVED: Status.PASSED}
"""The two parts of a lab, in order, and the verdict that each must end with."""


class Screen:
    """Prints on standard output."""

    def __init__(self) -> None:
        self.console = output()

    def lab(self, lab: Lab) -> None:
        """A lab begins."""
        self.console.print()
        self.console.rule(
            marked("[bold cyan]{} · {}[/]", lab.short_name.upper(), lab.about.title), style="cyan"
        )

    def part(self, title: str) -> None:
        """One of the two parts of a lab begins."""
        self.console.print(marked("\n[bold]{}[/]", title))

    def command(self, namespace: str, command: str) -> None:
        """The owner of a namespace types a command."""
        self.console.print(
            marked("[dim]{} $[/] {}", namespace.removeprefix("user-"), command), soft_wrap=True
        )

    def verdict(
        self,
        lab: Lab,
        cluster: Cluster,
        verdict: Verdict,
        diagnostics: Mapping[str, Diagnostic],
        recorded: Collection[str] = (),
    ) -> None:
        """The verdict of a part, on its cluster; `recorded` are the checks that were not played
        again."""
        show(
            self.console, lab, verdict, diagnostics, colleague=companion(cluster), recorded=recorded
        )

    def trouble(self, error: CahierError) -> None:
        """A lab could not be shown to its end."""
        self.console.print(marked("[bold red]✘[/] {}", error.message), soft_wrap=True)
        if error.remedy:
            self.console.print(marked("[green]→[/] {}", error.remedy), soft_wrap=True)

    def end(self, right: int, labs: int, how: str) -> None:
        """Every lab has been shown: how many as expected, and how."""
        self.console.print()
        self.console.rule(style="cyan")
        self.console.print(
            marked("[bold]{} TP sur {}[/] : inachevé, puis réussi, {}.", right, labs, how)
        )
