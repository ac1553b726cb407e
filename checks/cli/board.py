"""Commands for a class at work: `cahier classe suivre` is the board of whoever walks between the
tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli import moodle
from checks.cli.french import Command, Group
from checks.cli.options import (
    CLUSTER,
    IN_CLUSTER,
    Image,
    Kubeconfig,
    NamespaceTemplate,
    PodsNamespace,
    require_coherent,
)

if TYPE_CHECKING:
    from rich.console import Console

    from checks.board.board import Board, OnGrades
    from checks.grading.history import History
    from checks.grading.results import LabGrade
    from checks.grading.roster import Learner
    from checks.lab import Lab

app = typer.Typer(
    cls=Group,
    subcommand_metavar="COMMANDE …",
    no_args_is_help=True,
    help="Pour l’enseignant : une classe au travail, et son carnet de notes.",
)


moodle.register(app)


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
            "--port",
            min=1,
            max=65535,
            metavar="N",
            help="Port local de la page (sinon libre ; 8765 avec --dans-le-cluster).",
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
    to_moodle: moodle.ToMoodle = False,
    in_cluster: Annotated[
        bool,
        typer.Option(
            IN_CLUSTER,
            help="Tenir le tableau par un Deployment du cluster, que vous rejoignez par un "
            "port-forward.",
            **CLUSTER,
        ),
    ] = False,
    fetch: Annotated[
        bool,
        typer.Option(
            "--recuperer",
            help="Ajouter à l’historique de la classe ce que ce tableau a vu prouvé.",
            **CLUSTER,
        ),
    ] = False,
    withdraw: Annotated[
        bool,
        typer.Option("--retirer", help="Retirer ce tableau, son historique récupéré.", **CLUSTER),
    ] = False,
    image: Image = None,
    namespace: PodsNamespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Suivre une classe pendant la séance : qui en est où, arrêté sur quelle phrase, depuis quand.

    La page s’ouvre dans un navigateur de ce poste, à l’adresse qui s’affiche, et suit chaque
    changement. Rien n’est écrit sur le cluster ; ce que chacun a prouvé, et quand, est gardé dans
    l’historique de la classe, que « noter » lit. Ctrl-C arrête tout.

    Avec --dans-le-cluster, un pod du cluster tient le tableau à la place de ce poste : la commande
    dit comment le rejoindre, --retirer le retire.

    Il faut les droits de « cahier droits-enseignant », ou que chaque personne vous ait ouvert son
    namespace.

    Exemple : cahier classe suivre classe.csv --labs tp2,tp3
    """
    from checks import installation

    installation.need("enseignant")
    cluster_options = {
        "--recuperer": fetch,
        "--retirer": withdraw,
        "--image": image,
        "--namespace": namespace,
    }
    require_coherent(
        {IN_CLUSTER: in_cluster, "--terminal": terminal, "--moodle": to_moodle, **cluster_options},
        dict.fromkeys(cluster_options, IN_CLUSTER),
        (
            (IN_CLUSTER, "--terminal"),
            (IN_CLUSTER, "--moodle"),
            ("--recuperer", "--retirer"),
        ),
    )
    from checks.access.kubernetes_api import Api
    from checks.board.board import Board
    from checks.board.keeping import Keeper, since
    from checks.board.pace import Pace
    from checks.cli import marks
    from checks.cli.grading import chosen
    from checks.grading.naming import NamespaceModel
    from checks.grading.roster import read_roster
    from checks.render.grading import console_of, tell_groups
    from checks.sources.cluster_time import ClusterTime

    if fetch or withdraw:
        from checks.cli.board_in_cluster import BoardInCluster

        there = BoardInCluster(roster, kubeconfig, namespace, history)
        if fetch:
            there.fetch()
        else:
            there.withdraw()
        return
    labs = chosen(only)
    learners = read_roster(roster, None if model is None else NamespaceModel(model))
    errors = console_of(stderr=True)
    if any(lab.about.colleague != "none" for lab in labs):
        tell_groups(errors, roster, learners)
    if in_cluster:
        from checks.cli.board_in_cluster import BoardInCluster

        there = BoardInCluster(roster, kubeconfig, namespace, history)
        there.run(learners, labs, image, port)
        return
    pace = Pace()
    api = Api(kubeconfig, without_secrets=True, pace=pace)
    with ExitStack() as opened:
        history_file = opened.enter_context(marks.opened(roster, history))

        def tell(why: str) -> None:
            errors.print(f"? L’historique ne s’écrit plus : {why}", style="yellow")

        clock = ClusterTime(api)
        keep = opened.enter_context(Keeper(history_file, clock, tell))
        known = partial(since, history_file, clock.here)
        tells: list[OnGrades] = [keep]
        if to_moodle:
            tells.append(
                opened.enter_context(_sending(roster, learners, labs, history_file, clock))
            )

        def on_grades(learner: Learner, grades: Sequence[LabGrade], at: datetime) -> None:
            for one in tells:
                one(learner, grades, at)

        board = opened.enter_context(Board(api, pace, learners, labs, on_grades, known))
        if terminal:
            from checks.render.board import follow as show

            show(console_of(), board)
        else:
            _serve(console_of(), board, roster.name, len(learners), port or 0)


@contextmanager
def _sending(
    roster: Path,
    learners: Sequence[Learner],
    labs: Sequence[Lab],
    history: History,
    there: Callable[[datetime], datetime],
) -> Iterator[OnGrades]:
    """What sends marks as they are proven. Raises UsageError, Trouble."""
    from checks.moodle.live import Live
    from checks.moodle.sending import of_history
    from checks.render.grading import console_of
    from checks.render.moodle import tell_left, tell_trouble

    errors = console_of(stderr=True)
    with moodle.sender_of(roster, learners) as (sender, _missing):
        known = of_history(history, learners, labs)
        live = Live(sender, labs, there, partial(tell_trouble, errors), known)
        with live:
            yield live
        tell_left(errors, live.left, roster)


def _serve(console: Console, board: Board, title: str, count: int, port: int) -> None:
    from checks import interruption
    from checks.board.pages import Pages
    from checks.board.server import serving

    with serving(board, Pages(title, count, board.labs), port) as address:
        console.print(f"Le tableau est à cette adresse, sur ce poste seulement :\n{address}")
        console.print("Ctrl-C l’arrête ; il ne laisse rien sur le cluster.")
        while True:
            interruption.pause(1.0)
