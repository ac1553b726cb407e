"""`cahier demo` where no cluster can be had: the labs as they were recorded, their checks asked
again of the snapshots.

What a snapshot cannot show (a tunnel, a connection, a deleted pod) keeps the answer that it had on
the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.demo.recording import Part, Recording, read
from checks.demo.screen import EXPECTED, Screen
from checks.errors import EXIT_FAILED, EXIT_PASSED, CahierError
from checks.french import enumeration
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
    recordings = _recordings(labs)
    _announce(screen, recordings)
    if why is None:
        screen.console.print("Rien n’est joué maintenant. Pour la jouer : cahier demo")
    else:
        screen.console.print(f"Rien n’est joué maintenant. {why.message}")
        screen.console.print(marked("[green]→[/] {}", why.remedy))
    _explain(screen)
    right = sum([*_shown(screen, lab, recordings[lab.name])] == [*EXPECTED.items()] for lab in labs)
    screen.end(right, len(labs), "comme à l’enregistrement")
    screen.console.print("\nÀ vous maintenant, sur le SSPCloud ou sur un cluster à vous :")
    screen.console.print("  cahier diagnostiquer", style="green")
    screen.console.print("  cahier commencer tp1", style="green")
    return EXIT_PASSED if right == len(labs) else EXIT_FAILED


def play_meanwhile(screen: Screen, why: str, goes_on: Callable[[], bool]) -> None:
    """Show the recordings, verdict after verdict, while `goes_on()`, which is asked after each: it
    leaves the time to read. `why`: what is being waited for, a sentence."""
    labs = all_labs()
    recordings = _recordings(labs)
    _announce(screen, recordings)
    screen.console.print(why)
    _explain(screen)
    for lab in labs:
        for _ in _shown(screen, lab, recordings[lab.name]):
            if not goes_on():
                return


def _recordings(labs: Sequence[Lab]) -> Mapping[str, Recording | CahierError]:
    """Of each lab, by its name: what was recorded, or why it cannot be shown."""
    found: dict[str, Recording | CahierError] = {}
    for lab in labs:
        try:
            found[lab.name] = read(lab)
        except CahierError as trouble:
            found[lab.name] = trouble
    return found


def _announce(screen: Screen, recordings: Mapping[str, Recording | CahierError]) -> None:
    """Say first that it was recorded, where and when."""
    readable = [one for one in recordings.values() if isinstance(one, Recording)]
    taken = [part.snapshot for recording in readable for part in recording.parts]
    days = dict.fromkeys(f"{moment:%d/%m/%Y}" for moment in sorted(one.taken for one in taken))
    versions = sorted({one.version for one in taken if one.version})
    when = enumeration([*days])
    where = enumeration([f"{major}.{minor}" for major, minor in versions])
    screen.console.print(
        marked(
            "[bold yellow]Démonstration enregistrée[/] sur un vrai cluster (Kubernetes {}, {}).",
            where,
            when,
        )
    )


def _explain(screen: Screen) -> None:
    screen.console.print(
        "\nalice et bob y suivent les TP : d’abord un travail inachevé, puis la solution.\nLes "
        "vérifications sont refaites sur un instantané du cluster ; celles qui n’ont de sens que "
        "sur un cluster en marche gardent la réponse qu’elles y ont eue (enregistré)."
    )


def _shown(
    screen: Screen, lab: Lab, recording: Recording | CahierError
) -> Iterator[tuple[str, Status]]:
    """Show a lab; the title of each part, and how its verdict is today, once that is shown."""
    screen.lab(lab)
    if isinstance(recording, CahierError):
        screen.trouble(recording)
        return
    for typed in recording.setup:
        screen.command(typed.namespace, typed.command)
    for part in recording.parts:
        screen.part(part.title)
        for typed in part.commands:
            screen.command(typed.namespace, typed.command)
        now = replayed(lab, part)
        screen.verdict(lab, now.cluster, now.verdict, now.diagnostics, now.kept)
        counts = f"{now.asked_again} ; gardées de l’enregistrement : {len(now.kept)}."
        screen.console.print(f"Vérifications refaites sur l’instantané : {counts}", style="dim")
        yield part.title, now.verdict.status
