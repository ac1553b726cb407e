"""`cahier demo` where no cluster can be had: the labs as they were recorded, their checks asked
again of the snapshots.

What a snapshot cannot show (a tunnel, a connection, a deleted pod) keeps the answer that it had on
the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checks.demo.recording import Part, Recording, read
from checks.demo.screen import EXPECTED, Screen
from checks.errors import EXIT_FAILED, EXIT_PASSED, CahierError
from checks.lab import Lab, all_labs
from checks.output import marked
from checks.runner import run
from checks.sources.snapshot import SnapshotCluster
from checks.verdict import CheckResult, Diagnostic, Status, Verdict


@dataclass(frozen=True)
class Replayed:
    """A part's verdict today. `kept`: checks that a snapshot cannot answer, as they were answered
    on the cluster."""

    cluster: SnapshotCluster
    verdict: Verdict
    diagnostics: Mapping[str, Diagnostic]
    kept: frozenset[str]

    @property
    def asked_again(self) -> int:
        """How many checks the snapshot has answered."""
        return sum(
            one.status is not Status.SKIPPED and one.id not in self.kept
            for one in self.verdict.checks
        )


def replayed(lab: Lab, part: Part) -> Replayed:
    """Ask the lab's checks of the part's snapshot."""
    cluster = SnapshotCluster(part.snapshot)
    before = {result.id: result for result in part.verdict.checks}
    kept: set[str] = set()

    def as_it_was(result: CheckResult) -> CheckResult:
        if result.id not in before:  # a check that is newer than the recording
            return result
        kept.add(result.id)
        return before[result.id]

    verdict, found = run(lab, cluster, refresh=cluster.refresh, seconds=0, settle=as_it_was)
    known = {name: part.diagnostics[name] for name in kept if name in part.diagnostics}
    return Replayed(cluster, verdict, {**known, **found}, frozenset(kept))


def play(why: CahierError | None = None) -> int:
    """Show every lab's recording; the exit code says whether each verdict is the expected one.

    `why`: what keeps the demonstration from being played.
    """
    screen = Screen()
    labs = all_labs()
    recordings: dict[str, Recording | CahierError] = {}
    for lab in labs:
        try:
            recordings[lab.name] = read(lab)
        except CahierError as trouble:
            recordings[lab.name] = trouble
    _announce(screen, [one for one in recordings.values() if isinstance(one, Recording)], why)
    right = sum(_show(screen, lab, recordings[lab.name]) for lab in labs)
    screen.end(right, len(labs), "comme à l’enregistrement")
    screen.console.print("\nÀ vous maintenant, sur le SSPCloud ou sur un cluster à vous :")
    screen.console.print("  cahier diagnostiquer", style="green")
    screen.console.print("  cahier commencer tp1", style="green")
    return EXIT_PASSED if right == len(labs) else EXIT_FAILED


def _announce(screen: Screen, recordings: Sequence[Recording], why: CahierError | None) -> None:
    """Say first that it was recorded, where and when; then why it is not played, and how it could
    be."""
    taken = [part.snapshot for recording in recordings for part in recording.parts]
    days = dict.fromkeys(f"{moment:%d/%m/%Y}" for moment in sorted(one.taken for one in taken))
    versions = sorted({one.version for one in taken if one.version})
    when, where = (
        " et ".join(told) for told in (days, (f"{major}.{minor}" for major, minor in versions))
    )
    console = screen.console
    console.print(
        marked(
            "[bold yellow]Démonstration enregistrée[/] sur un vrai cluster (Kubernetes {}, {}).",
            where,
            when,
        )
    )
    if why is None:
        console.print("Rien n’est joué maintenant. Pour la jouer : cahier demo")
    else:
        console.print(f"Rien n’est joué maintenant. {why.message}")
        console.print(marked("[green]→[/] {}", why.remedy))
    console.print(
        "\nalice et bob y suivent les TP : d’abord un travail inachevé, puis la solution.\nLes "
        "vérifications sont refaites sur un instantané du cluster ; celles qui n’ont de sens que "
        "sur un cluster en marche gardent la réponse qu’elles y ont eue (enregistré)."
    )


def _show(screen: Screen, lab: Lab, recording: Recording | CahierError) -> bool:
    screen.lab(lab)
    if isinstance(recording, CahierError):
        screen.trouble(recording)
        return False
    for typed in recording.setup:
        screen.command(typed.namespace, typed.command)
    ended: list[tuple[str, Status]] = []
    for part in recording.parts:
        screen.part(part.title)
        for typed in part.commands:
            screen.command(typed.namespace, typed.command)
        now = replayed(lab, part)
        screen.verdict(lab, now.cluster, now.verdict, now.diagnostics, now.kept)
        counts = f"{now.asked_again} ; gardées de l’enregistrement : {len(now.kept)}."
        screen.console.print(f"Vérifications refaites sur l’instantané : {counts}", style="dim")
        ended.append((part.title, now.verdict.status))
    return ended == list(EXPECTED.items())
