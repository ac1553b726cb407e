"""`cahier verifier`: the verdict of one lab."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli import remembered
from checks.cli.french import Command
from checks.cli.options import (
    Colleagues,
    ColleagueUsers,
    Kubeconfig,
    LabName,
    Namespace,
    Port,
    connect,
)
from checks.errors import AccessError, CahierError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status as RichStatus

    from checks.capabilities import Cluster
    from checks.cli.remembered import Options
    from checks.lab import Lab
    from checks.runner import Findings
    from checks.sources.live_cluster import LiveCluster
    from checks.sources.witness import WatchedCluster
    from checks.verdict import Diagnostic, Verdict
    from checks.verification import Check


_WAITS = "J’attends toujours"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("verifier", cls=Command, rich_help_panel="Pendant un TP")(verify)


def verify(
    name: LabName,
    namespace: Namespace = None,
    colleague: Colleagues = None,
    colleague_user: ColleagueUsers = None,
    port: Port = None,
    with_help: Annotated[
        bool, typer.Option("--aide", help="Montrer aussi le remède de chaque erreur.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--suivre", help="Vérifier de nouveau à chaque changement.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Écrire le verdict en JSON (schéma 1).")
    ] = False,
    delay: Annotated[
        str,
        typer.Option(
            "--delai",
            metavar="DURÉE",
            help="Attente maximale de ce qui est en train de démarrer (30s, 2m).",
        ),
    ] = "30s",
    without_receipt: Annotated[
        bool,
        typer.Option(
            "--sans-recu", help="Ne pas laisser de reçu dans votre namespace (pour la notation)."
        ),
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--depuis",
            metavar="FICHIER",
            help="Vérifier d’après un instantané (cahier instantane).",
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Vérifier un TP : ce qui marche, ce qui ne marche pas, pourquoi, et comment continuer.

    Code de sortie : 0 tout est juste · 1 une erreur au moins · 2 mauvaise utilisation · 3 rien de
    faux, mais quelque chose n’a pas pu être vérifié.

    Ce que seul votre poste montre, comme un tunnel, est noté dans un reçu, la ConfigMap «
    cahier-recus » de votre namespace : « cahier noter » peut ainsi en tenir compte. Il ne contient
    aucun secret ; --sans-recu l’évite.

    Exemples : cahier verifier tp2 · cahier verifier tp5 --collegue user-alice --aide ·
    cahier verifier tp6 --collegue user-bob --collegue user-chloe
    """
    from checks.lab import find_lab
    from checks.manifests import unreadable
    from checks.output import output
    from checks.render.problem import show as show_error

    lab = find_lab(name)
    seconds = parse_duration(delay)
    if follow and as_json:
        raise UsageError("--suivre et --json ne vont pas ensemble.", "Choisissez l’un des deux.")
    if source is not None:
        if follow:
            raise UsageError(
                "--suivre et --depuis ne vont pas ensemble.", "Un instantané ne change pas."
            )
        raise typer.Exit(
            check_snapshot(source, lab, namespace, colleague, with_help=with_help, as_json=as_json)
        )
    given = remembered.options(lab, kubeconfig, namespace, colleague, colleague_user, port)
    cluster = connect(kubeconfig, namespace, given.colleagues, given.colleague_users, given.port)
    remembered.require_somebody(lab, cluster, given)
    given.tell()
    for problem in unreadable(lab, Path.cwd()):
        show_error(CahierError(problem.message, problem.remedy))
    console = output()
    receipt = not without_receipt
    once = partial(
        check_once, console, lab, seconds=seconds, given=given, with_help=with_help, receipt=receipt
    )
    if not follow:
        raise typer.Exit(once(cluster, as_json=as_json).exit_code)
    again = partial(
        connect, kubeconfig, namespace, given.colleagues, given.colleague_users, given.port
    )
    raise typer.Exit(_followed(console, lab, cluster, once, again).exit_code)


def _followed(
    console: Console,
    lab: Lab,
    cluster: WatchedCluster,
    once: Callable[[WatchedCluster], Verdict],
    again: Callable[[], WatchedCluster],
) -> Verdict:
    """The verdict, once it is right: asked `once` more at each change, of the cluster that `again`
    gives where the access has changed."""
    from checks.follow import Watch
    from checks.output import output
    from checks.verdict import Status

    blind = partial(output(stderr=True).print, style="dim", soft_wrap=True)
    while True:
        # before the first look: what changes during it is seen too
        with Watch(cluster, lab, blind) as watch:
            verdict, other_access = once(cluster), False
            while verdict.exit_code and not other_access:
                other_access = watch.wait(spoilt=verdict.status is Status.ERROR)
                console.rule(style="dim")
                cluster.refresh()
                if not other_access:
                    verdict = once(cluster)
        if not other_access:
            return verdict
        with contextlib.suppress(AccessError):  # half-written: what comes next will tell
            cluster = again()


def check_once(
    console: Console,
    lab: Lab,
    cluster: WatchedCluster,
    *,
    seconds: float,
    given: Options,
    with_help: bool = False,
    as_json: bool = False,
    receipt: bool = True,
) -> Verdict:
    """Run the lab's checks once, show the verdict and remember it, here and in a receipt in the
    namespace."""
    from checks import state
    from checks.output import output
    from checks.sources.witness import leave_receipt
    from checks.verdict import only_remedy

    cluster.forget()
    progress = output(stderr=True)
    verdict, diagnostics = _shown_run(progress, lab, cluster, seconds)
    done = state.load().lab(place(cluster), lab.name).done
    state.remember(place(cluster), verdict, given.kept(remembered.base_of(lab, cluster)))
    shortage = role_too_small(lab, cluster, verdict)
    if shortage is not None:
        verdict = only_remedy(verdict, shortage.remedy)
    tell(
        console, lab, cluster, verdict, diagnostics,
        with_help=with_help, as_json=as_json, done=done, typed=given.typed,
    )  # fmt: skip
    if not as_json:
        guidance(console, lab, cluster, verdict, shortage)
    trouble = leave_receipt(cluster, lab, verdict) if receipt else ""
    if trouble:
        progress.print(f"Aucun reçu n’a pu être laissé pour la notation : {trouble}", style="dim")
    return verdict


def _shown_run(
    console: Console, lab: Lab, cluster: WatchedCluster, seconds: float
) -> tuple[Verdict, Findings]:
    """What the checks say; meanwhile a terminal shows the one that is asked, and what is waited
    for."""
    from checks.runner import run
    from checks.waiting import told as waits

    with console.status(f"Vérification de {lab.short_name}…") as status:
        shown = _Shown(console, status, cluster, seconds)
        with waits(shown.on_silence):
            return run(
                lab,
                cluster,
                refresh=cluster.refresh,
                seconds=seconds,
                on_check=shown.on_check,
                on_wait=shown.on_wait,
            )


class _Shown:
    """What is said of a verification while it lasts: at once on a terminal, which shows it for as
    long; elsewhere, once for each thing that is waited for."""

    def __init__(
        self, console: Console, status: RichStatus, cluster: WatchedCluster, seconds: float
    ) -> None:
        self._console = console
        self._status = status
        self._cluster = cluster
        self._seconds = seconds
        self._asked = ""
        self._told: list[str] = []

    def on_check(self, check: Check) -> None:
        """That check is asked."""
        self._cluster.begin(check)
        self._asked = check.title
        self._show(self._asked)

    def on_silence(self, what: str) -> None:
        """Nothing has come for a while: `what` is waited for, "" once it has come."""
        words = f"{_WAITS} {what}" if what else ""
        self._show(f"{self._asked}\n{words}" if words else self._asked)
        self._tell_once(words)

    def on_wait(self, diagnostic: Diagnostic) -> None:
        """What is wrong may settle by itself."""
        words = f"J’attends, {self._seconds:.0f} secondes au plus : {diagnostic.finding}"
        self._show(words)
        self._tell_once(words)

    def _show(self, words: str) -> None:
        from rich.text import Text

        self._status.update(Text(words))

    def _tell_once(self, words: str) -> None:
        if words and not self._console.is_terminal and words not in self._told:
            self._told.append(words)
            self._console.print(words, style="dim", soft_wrap=True)


def role_too_small(lab: Lab, cluster: Cluster, verdict: Verdict) -> AccessError | None:
    """Why our rights do not suffice for the lab, where that may be why it is not passed; None where
    it is not."""
    from checks.diagnosis.rights.role import too_small
    from checks.verdict import Status

    statuses = {result.status for result in verdict.checks}
    # a cluster in trouble is not asked more
    if verdict.status is Status.PASSED or Status.ERROR in statuses:
        return None
    with contextlib.suppress(AccessError):  # the verdict matters more
        return too_small(cluster, lab.about.role, lab.title)
    return None


def guidance(
    console: Console, lab: Lab, cluster: LiveCluster, verdict: Verdict, shortage: AccessError | None
) -> None:
    """After the verdict: what the role keeps from being done, or where a browser finds what has
    been done."""
    from checks.diagnosis.connections.workplace import in_a_browser
    from checks.render.problem import show
    from checks.verdict import Status

    if shortage is not None:
        console.print()
        show(shortage, console)
    elif verdict.status is not Status.ERROR:
        _next_steps(console, lab, cluster, verdict)
    if verdict.status is Status.PASSED and lab.about.port_speaks == "http" and lab.about.port:
        where = in_a_browser(cluster.local_port(lab.about.port))
        if where:
            console.print(where, soft_wrap=True)


def _next_steps(console: Console, lab: Lab, cluster: LiveCluster, verdict: Verdict) -> None:
    """What to do first with one's files; where nothing is wrong, those that the cluster has in an
    older text."""
    from checks import state
    from checks.manifests import edited_since, first_step, folder_of, next_steps
    from checks.render.wrapping import put, say
    from checks.verdict import Status

    here, begun = Path.cwd(), state.load().lab(place(cluster), lab.name).begun
    first = next((result for result in verdict.checks if result.status is Status.FAILED), None)
    if first is None:
        steps = list(edited_since(lab, cluster, here, begun))
    elif folder_of(lab, here, begun) is not None:
        steps = list(next_steps(lab, cluster, here, begun))
    else:
        solved = any(command.startswith("cahier solution ") for command in first.fix_commands)
        steps = [step for step in (first_step(lab),) if step is not None and solved]
    for number, step in enumerate(steps):
        if number == 0:
            put(console, "À faire d’abord :" if first else "À noter :", "bold")
        say(console, step.sentence, indent=2)
        if step.command:
            put(console, step.command, "green", indent=2)


def check_snapshot(
    file: Path,
    lab: Lab,
    namespace: str | None,
    colleagues: Sequence[str] | None,
    *,
    with_help: bool,
    as_json: bool,
) -> int:
    """Show the verdict of a snapshot; the exit code. Nothing is remembered. Raises UsageError."""
    from checks.output import output
    from checks.runner import run
    from checks.sources.snapshot import SnapshotCluster, read

    cluster = SnapshotCluster(read(file))
    taken_with = [one.namespace for one in cluster.colleagues]
    if namespace and namespace != cluster.namespace:
        raise UsageError(f"{file} est l’instantané de {cluster.namespace}.", "Retirez --namespace.")
    if colleagues and list(colleagues) != taken_with:
        with_whom = (
            f"avec --collegue {' --collegue '.join(taken_with)}"
            if taken_with
            else "sans --collegue"
        )
        raise UsageError(
            f"{file} a été pris {with_whom}.", "Retirez --collegue, ou prenez un autre instantané."
        )
    if lab.about.colleague == "required":
        _ = cluster.colleague
    console = output()
    if not as_json:
        taken = f"{cluster.snapshot.taken.astimezone():%d/%m/%Y à %H:%M}"
        console.print(
            f"Instantané de {cluster.namespace}, pris le {taken} : ce qui suit n’est pas en direct."
        )
    verdict, diagnostics = run(lab, cluster, refresh=cluster.refresh, seconds=0)
    tell(console, lab, cluster, verdict, diagnostics, with_help=with_help, as_json=as_json)
    return verdict.exit_code


def tell(
    console: Console,
    lab: Lab,
    cluster: Cluster,
    verdict: Verdict,
    diagnostics: Findings,
    *,
    with_help: bool,
    as_json: bool,
    done: float = 0,
    typed: str = "",
) -> None:
    """Show a verdict to a person, in a terminal or a notebook, or to a program. `done`: when the
    lab was wholly right before."""
    from checks import kernel
    from checks.render.terminal import show
    from checks.render.wording import companion, online
    from checks.verdict import to_json

    if as_json:
        sys.stdout.write(to_json(verdict) + "\n")
        return
    colleague, site = companion(cluster), online(lab, verdict)
    port = cluster.local_port(lab.about.port) if lab.about.port else 0
    if kernel.shows_pages():
        from checks.redaction import disclose
        from checks.render.card import page

        # where there is no room for a file, the text is there
        with contextlib.suppress(OSError):
            card = page(
                lab, verdict, diagnostics,
                colleague=colleague, with_help=with_help, done=done, typed=typed,
                port=port, site=site,
            )  # fmt: skip
            disclose(kernel.announced(card))
            return
    show(
        console, lab, verdict, diagnostics,
        colleague=colleague, with_help=with_help, done=done, typed=typed, port=port, site=site,
    )  # fmt: skip


def place(cluster: LiveCluster) -> str:
    """Where progress is remembered for."""
    from checks import state

    return state.place_at(cluster.credentials.server, cluster.namespace)


def parse_duration(text: str, option: str = "--delai") -> float:
    """Seconds of `30s`, `2m`, `1h`, `500ms` or `30`, the value of `option`. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*(ms|s|m|min|h)?", text.strip())
    if found is None:
        raise UsageError(
            f"« {text} » n’est pas une durée.", f"Écrivez par exemple {option} 30s ou {option} 2m"
        )
    unit = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, None: 1}[found[2]]
    return float(found[1].replace(",", ".")) * unit
