"""Commands that act for the learner: catch up, clean up, and the demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command
from checks.cli.options import Colleague, Kubeconfig, LabName, Namespace, only_one

if TYPE_CHECKING:
    from checks.lab import Lab


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("rattraper", cls=Command, rich_help_panel="Pendant un TP")(catch_up)
    app.command("nettoyer", cls=Command, rich_help_panel="Pendant un TP")(clean)
    app.command("demo", cls=Command, rich_help_panel="Petit SSPCloud local")(demo)


def apply_solution(
    lab: Lab,
    kubeconfig: str | None,
    namespace: str,
    colleague: str | None,
    database: str | None,
    colleague_user: str | None,
) -> None:
    """Apply the solution's files in `namespace`, with the learner's own access, and write them in
    the learner's folder: what they apply next must not undo it."""
    from pathlib import Path

    from checks import state
    from checks.actions import apply_files
    from checks.cli.remembered import place_of
    from checks.manifests import folder_of, replaced
    from checks.output import marked, output
    from checks.render.wrapping import say

    console = output()
    files = apply_files(lab, "solution", kubeconfig, namespace, colleague, database, colleague_user)
    for file in files:
        console.print(marked("[green]✔[/] {} appliqué dans {}", file, namespace), soft_wrap=True)
    begun = state.load().lab(place_of(kubeconfig, namespace), lab.name).begun
    folder = folder_of(lab, Path.cwd(), begun)
    changed = replaced(folder, files) if folder is not None else {}
    here = Path.cwd()
    for path, former in changed.items():
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        kept = f" ; ce que vous aviez écrit est dans {former.name}" if former else ""
        say(console, f"{shown} est maintenant celui du corrigé{kept}.")


def catch_up(
    name: LabName,
    namespace: Namespace = None,
    colleague: Colleague = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Vous amener au début d’un TP : ce que les TP précédents auraient laissé.

    Exemples : cahier rattraper tp3 · cahier rattraper tp6 --collegue user-bob
    """
    from checks.actions import catch_up as act
    from checks.lab import find_lab

    act(find_lab(name), kubeconfig, namespace, only_one(colleague or ()))


def clean(
    name: str | None = typer.Argument(
        None, metavar="[TP]", help="Le TP ; tous si aucun n’est donné."
    ),
    without_receipt: Annotated[
        bool,
        typer.Option("--sans-recu", help="Retirer sans regarder ce qu’un reçu en garde."),
    ] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Retirer de votre namespace ce qu’un TP y a fait, et rien d’autre.

    Ce qui est prouvé par un reçu compte encore une fois retiré : là où aucun reçu ne dit tout, le
    TP est d’abord vérifié.

    Seuls partent les objets que nomment les fichiers du TP, et ceux que son énoncé ou ses remèdes
    ajoutent ; vos fichiers, votre avancement, vos reçus et les bases du catalogue restent.

    Exemples : cahier nettoyer tp5 · cahier nettoyer
    """
    from checks.actions import clean as act
    from checks.actions import left_by
    from checks.cli.cleaning import secure
    from checks.lab import all_labs, find_lab

    labs = [find_lab(name)] if name else all_labs()
    if not without_receipt:
        labs = [
            lab
            for lab in labs
            if not left_by(lab, kubeconfig, namespace) or secure(lab, kubeconfig, namespace)
        ]
    act(labs, kubeconfig, namespace)


def demo(
    recorded: Annotated[
        bool,
        typer.Option(
            "--enregistrement", help="Montrer ce qui a été enregistré, sans aucun cluster."
        ),
    ] = False,
) -> None:
    """Toute l’histoire, jouée par alice et bob sur le petit SSPCloud local (créé s’il n’existe
    pas).

    Chaque TP est joué inachevé, puis réussi : le verdict de l’un et de l’autre est montré. Le code
    de sortie est 0 quand tous les verdicts sont ceux que l’on attend.

    Là où aucun cluster n’est possible, c’est l’enregistrement d’un vrai cluster qui est montré.
    """
    from checks.demo import live, replay
    from checks.demo.screen import Screen
    from checks.installation import MissingExtra
    from checks.lab import all_labs
    from checks.local_sspcloud.engine import NoEngine

    if recorded:
        raise typer.Exit(replay.play())
    try:
        code = live.play(all_labs(), Screen())
    except (NoEngine, MissingExtra) as nowhere:
        code = replay.play(nowhere)
    raise typer.Exit(code)
