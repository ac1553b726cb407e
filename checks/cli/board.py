"""Commands for a class at work: `cahier classe suivre` is the board of whoever walks between the
tables."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command, Group
from checks.cli.options import Kubeconfig, NamespaceTemplate

if TYPE_CHECKING:
    from rich.console import Console

    from checks.board.board import Board

app = typer.Typer(
    cls=Group,
    subcommand_metavar="COMMANDE …",
    no_args_is_help=True,
    help="Pour l’enseignant : une classe au travail.",
)


@app.command("suivre", cls=Command)
def follow(
    roster: Annotated[
        Path,
        typer.Argument(
            metavar="CLASSE.csv", help="La liste, comme pour « noter » (CSV, tableur ou Moodle)."
        ),
    ],
    only: Annotated[
        str | None,
        typer.Option(
            "--labs", metavar="TP,TP", help="Les TP de la séance, par exemple tp2,tp5 (sinon tous)."
        ),
    ] = None,
    model: NamespaceTemplate = None,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Montrer le tableau ici, sans navigateur.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=1, max=65535, metavar="N", help="Port local de la page (sinon libre)."
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            "--historique",
            metavar="FICHIER",
            help="Où garder ce qui a été prouvé, et quand, comme « noter » (par défaut : "
            "historique-CLASSE.sqlite, à côté de la liste).",
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Suivre une classe pendant la séance : qui en est où, arrêté sur quelle phrase, depuis quand.

    La page s’ouvre dans un navigateur de ce poste, à l’adresse qui s’affiche, et suit chaque
    changement. Rien n’est écrit sur le cluster ; ce que chacun a prouvé, et quand, est gardé dans
    l’historique de la classe, que « noter » lit. Ctrl-C arrête tout.

    Il faut les droits de « cahier droits-enseignant », ou que chaque personne vous ait ouvert son
    namespace.

    Exemple : cahier classe suivre classe.csv --labs tp2,tp3
    """
    from checks import installation

    installation.need("enseignant")
    from checks.access.kubernetes_api import Api
    from checks.board.board import Board
    from checks.board.keeping import ClusterTime, Keeper, since
    from checks.board.pace import Pace
    from checks.cli import marks
    from checks.cli.grading import chosen
    from checks.grading.naming import NamespaceModel
    from checks.grading.roster import read_roster
    from checks.render.grading import console_of, tell_groups

    labs = chosen(only)
    learners = read_roster(roster, None if model is None else NamespaceModel(model))
    errors = console_of(stderr=True)
    if any(lab.about.colleague != "none" for lab in labs):
        tell_groups(errors, roster, learners)
    pace = Pace()
    api = Api(kubeconfig, without_secrets=True, pace=pace)
    with ExitStack() as opened:
        history_file = opened.enter_context(marks.opened(roster, history))

        def tell(why: str) -> None:
            errors.print(f"? L’historique ne s’écrit plus : {why}", style="yellow")

        clock = ClusterTime(api)
        keep = opened.enter_context(Keeper(history_file, clock, tell))
        known = partial(since, history_file, clock.here)
        board = opened.enter_context(Board(api, pace, learners, labs, keep, known))
        if terminal:
            from checks.render.board import follow as show

            show(console_of(), board)
        else:
            _serve(console_of(), board, roster.name, len(learners), port or 0)


def _serve(console: Console, board: Board, title: str, count: int, port: int) -> None:
    from checks import interruption
    from checks.board.pages import Pages
    from checks.board.server import serving

    with serving(board, Pages(title, count, board.labs), port) as address:
        console.print(f"Le tableau est à cette adresse, sur ce poste seulement :\n{address}")
        console.print("Ctrl-C l’arrête ; il ne laisse rien sur le cluster.")
        while True:
            interruption.pause(1.0)
