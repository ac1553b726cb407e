"""`cahier chemin`: the path between two ends, outside any lab."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command
from checks.cli.options import Kubeconfig, Namespace, connect
from checks.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checks.path.ends import End
    from checks.path.ground import Ground
    from checks.path.outcome import Path


_AGAIN = 3.0  # seconds between two looks
_TRIED = "Le chemin est essayé…"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("chemin", cls=Command, rich_help_panel="Pendant un TP")(path)


def path(
    ends: Annotated[
        list[str],
        typer.Argument(
            metavar="[DE] VERS",
            help="Un port de votre poste (localhost:5432), un objet (pod/api, svc/api:80, "
            "deploy/api:http), un nom d’hôte (base-rw.user-alice:5432), l’adresse /proxy/PORT/ "
            "d’un service VSCode ; en premier aussi une personne (oidc-bob, sa/NOM).",
        ),
    ],
    with_help: Annotated[
        bool, typer.Option("--aide", help="Montrer aussi le remède de ce qui est coupé.")
    ] = False,
    follow: Annotated[
        bool,
        typer.Option(
            "--suivre",
            help="Regarder de nouveau, et dire ce qui change, jusqu’à ce que le chemin passe.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Écrire le chemin en JSON (schéma 1).")
    ] = False,
    without_trial: Annotated[
        bool,
        typer.Option("--sans-essai", help="Lire seulement : ne placer aucun pod pour essayer."),
    ] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Suivre le chemin entre deux bouts, étape par étape, et nommer la première qui est coupée.

    Chaque étape est essayée pour de vrai, ou dite lue. Avec un seul bout, l’autre se comprend : un
    port de votre poste part de votre poste, un Service d’un pod de votre namespace.

    Code de sortie : 0 le chemin passe · 1 il est coupé · 2 mauvaise utilisation · 3 rien de faux,
    mais quelque chose n’a pas pu être vérifié.

    Exemples : cahier chemin localhost:5432 · cahier chemin svc/base:5432 · cahier chemin pod/api
    base-rw.user-bob:5432 · cahier chemin oidc-bob pod/base-1
    """
    from checks.output import output
    from checks.path.outcome import to_json
    from checks.path.walk import walk
    from checks.render.path import conclude, heading, show_hop

    if follow and as_json:
        raise UsageError("--suivre et --json ne vont pas ensemble.", "Choisissez l’un des deux.")
    begin = partial(_begun, ends, namespace, kubeconfig, tries=not without_trial)
    if as_json:
        found = walk(*begin())
        sys.stdout.write(to_json(found) + "\n")
        raise typer.Exit(found.exit_code)
    console = output()
    show = partial(show_hop, console, with_help=with_help)
    typed = f"cahier chemin {' '.join(ends)}"
    ground, source, destination = begin()
    heading(console, str(source), str(destination))
    found = _told(lambda: walk(ground, source, destination, show))
    conclude(console, found, with_help=with_help, typed=typed)
    while follow and found.exit_code:
        found = _told(partial(_changed, begin, found))
        console.rule(style="dim")
        for hop in found.hops:
            show(hop)
        conclude(console, found, with_help=with_help, typed=typed)
    raise typer.Exit(found.exit_code)


def _begun(
    ends: Sequence[str], namespace: str | None, kubeconfig: str | None, *, tries: bool
) -> tuple[Ground, End, End]:
    """What a walk begins with."""
    from checks.path.ends import pair
    from checks.path.ground import Ground

    cluster = connect(kubeconfig, namespace)
    return Ground(cluster, tries), *pair(cluster, ends)


def _told(walked: Callable[[], Path]) -> Path:
    """The path; meanwhile a terminal shows what is waited for."""
    from checks.output import output
    from checks.waiting import told as waits

    with output(stderr=True).status(_TRIED) as status:

        def tell(what: str) -> None:
            status.update(f"J’attends toujours {what}" if what else _TRIED)

        with waits(tell):
            return walked()


def _changed(begin: Callable[[], tuple[Ground, End, End]], before: Path) -> Path:
    """The path once something of it is no longer as it was."""
    from checks.interruption import pause
    from checks.path.walk import walk

    while True:
        pause(_AGAIN)
        found = walk(*begin())
        if found.hops != before.hops:
            return found
