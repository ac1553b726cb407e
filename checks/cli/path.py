"""`cahier chemin`: the path between two ends, outside any lab."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command
from checks.cli.options import Kubeconfig, Namespace, connect
from checks.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from checks.path.outcome import Hop, Path


_AGAIN = 3.0  # seconds between two looks


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
        bool, typer.Option("--suivre", help="Regarder de nouveau jusqu’à ce que le chemin passe.")
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

    if follow and as_json:
        raise UsageError("--suivre et --json ne vont pas ensemble.", "Choisissez l’un des deux.")
    console = output()
    typed = f"cahier chemin {' '.join(ends)}"
    while True:
        found = _once(
            console, ends, typed, namespace, kubeconfig,
            with_help=with_help, as_json=as_json, tries=not without_trial,
        )  # fmt: skip
        if as_json:
            sys.stdout.write(to_json(found) + "\n")
        if not follow or not found.exit_code:
            raise typer.Exit(found.exit_code)
        _wait(console)


def _once(
    console: Console,
    ends: Sequence[str],
    typed: str,
    namespace: str | None,
    kubeconfig: str | None,
    *,
    with_help: bool,
    as_json: bool,
    tries: bool,
) -> Path:
    """Walk the path, and show each hop as it is known."""
    from checks.output import output
    from checks.path import ends as path_ends
    from checks.path.ground import Ground
    from checks.path.walk import walk
    from checks.render.path import conclude, heading, show_hop
    from checks.waiting import told as waits

    cluster = connect(kubeconfig, namespace)
    source, destination = path_ends.pair(cluster, ends)
    ground = Ground(cluster, tries)
    if as_json:
        return walk(ground, source, destination)
    heading(console, str(source), str(destination))
    with output(stderr=True).status("Le chemin est essayé…") as status:

        def tell(what: str) -> None:
            status.update(f"J’attends toujours {what}" if what else "Le chemin est essayé…")

        def shown(hop: Hop) -> None:
            show_hop(console, hop, with_help)

        with waits(tell):
            found = walk(ground, source, destination, shown)
    conclude(console, found, with_help=with_help, typed=typed)
    return found


def _wait(console: Console) -> None:
    from checks.interruption import pause

    console.rule(style="dim")
    pause(_AGAIN)
