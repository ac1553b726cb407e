"""`cahier cluster peupler` and `depeupler`: an invented class, for whoever wants to try `noter`."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command
from checks.errors import EXIT_UNVERIFIED, CahierError

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api
    from checks.local_sspcloud.class_work import Work
    from checks.local_sspcloud.invented import Invented
    from checks.local_sspcloud.progress import Progress

_MOST = 100  # the node of a usual cluster takes 250 pods
_SECONDS_EACH = 0.3
_SECONDS_A_LAB = 2


def register(app: typer.Typer) -> None:
    """Add the commands to `cahier cluster`."""
    app.command("peupler", cls=Command)(populate)
    app.command("depeupler", cls=Command)(depopulate)


def populate(
    count: Annotated[
        int, typer.Argument(min=1, max=_MOST, metavar="N", help="Combien de personnes.")
    ],
    folder: Annotated[
        Path,
        typer.Option("--dossier", metavar="DOSSIER", help="Où écrire la liste et les kubeconfigs."),
    ] = Path("classe"),
    right: Annotated[
        bool, typer.Option("--solutions", help="Leur faire rendre des réponses justes.")
    ] = False,
    wrong: Annotated[
        bool,
        typer.Option(
            "--erreurs",
            help="Leur faire rendre des erreurs typiques ; avec --solutions, un mélange.",
        ),
    ] = False,
    seed: Annotated[
        int,
        typer.Option("--graine", metavar="N", help="Une autre graine invente d’autres personnes."),
    ] = 1,
) -> None:
    """Inventer une classe sur le cluster local : personnes, namespaces, kubeconfigs et liste.

    La même graine invente les mêmes personnes. Relancer la commande complète ce qui manque ; prof a
    aussi son namespace. « cahier cluster depeupler » retire tout.

    Exemple : cahier cluster peupler 30 --solutions --erreurs, puis cahier noter classe/classe.csv
    --kubeconfig classe/kubeconfigs/prof.kubeconfig
    """
    from checks import installation
    from checks.local_sspcloud import class_work, classroom, invented, running
    from checks.local_sspcloud.progress import TerminalProgress

    installation.need("local")
    api, progress = running.admin_api(), TerminalProgress()
    class_ = invented.people(count, seed)
    groups = invented.groups(class_)
    roster = _roster(groups, seed)
    classroom.require_ours(folder, roster)
    try:
        _make(api, class_, seed, folder, roster, progress)
        works = class_work.drawn(groups, seed, right=right, wrong=wrong) if right or wrong else ()
        troubles = _play(works, progress)
    except KeyboardInterrupt:
        typer.echo(
            "\nInterrompu : ce qui est fait reste. La même commande continue ; « cahier cluster "
            "depeupler » retire tout.",
            err=True,
        )
        raise
    _tell(class_, seed, folder, classroom.members(api))
    for trouble in troubles:
        typer.echo(f"✘ {trouble}", err=True)
    raise typer.Exit(EXIT_UNVERIFIED if troubles else 0)


def depopulate(
    seed: Annotated[
        int | None,
        typer.Option("--graine", metavar="N", help="Seulement la classe de cette graine."),
    ] = None,
) -> None:
    """Retirer la classe inventée : ses namespaces, ses kubeconfigs et sa liste.

    Une liste que vous avez changée reste.
    """
    from checks.french import plural
    from checks.local_sspcloud import classroom, running
    from checks.local_sspcloud.progress import TerminalProgress, waiting
    from checks.lock import in_turn
    from checks.places import lock

    api, progress = running.admin_api(), TerminalProgress()
    with in_turn(lock(), waiting(progress)), progress("Retrait de la classe", 30) as tell:
        gone = classroom.depopulate(api, seed, tell)
    typer.echo(
        f"Classe inventée retirée : {plural(len(gone), 'personne')}."
        if gone
        else "Il n’y avait pas de classe inventée."
    )


def _make(
    api: Api,
    class_: Sequence[Invented],
    seed: int,
    folder: Path,
    roster: str,
    progress: Progress,
) -> None:
    from checks.french import plural
    from checks.local_sspcloud import classroom
    from checks.local_sspcloud.progress import waiting
    from checks.lock import in_turn
    from checks.places import admin_kubeconfig, lock

    with in_turn(lock(), waiting(progress)):
        step = f"Classe de {plural(len(class_), 'personne')}"
        with progress(step, 2 + len(class_) * _SECONDS_EACH) as tell:
            classroom.populate(api, admin_kubeconfig(), class_, seed, tell)
        classroom.write_files(folder, roster, class_, seed)


def _play(works: Sequence[Work], progress: Progress) -> Sequence[CahierError]:
    from checks.french import plural
    from checks.local_sspcloud import class_work

    if not works:
        return ()
    step = f"{plural(len(works), 'réponse')} à rendre"
    with progress(step, len(works) * _SECONDS_A_LAB) as tell:
        return class_work.play_all(works, tell)


def _roster(groups: Sequence[Sequence[Invented]], seed: int) -> str:
    """The list that `noter` takes, under a title that says what it is."""
    from checks.grading.columns import COLUMNS, GROUP

    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([f"Personnes inventées par « cahier cluster peupler » (graine {seed})"])
    writer.writerow([*(name for name in COLUMNS if name != "collegue"), GROUP])
    for number, group in enumerate(groups, 1):
        for one in group:
            names = (one.identifier, one.last_name, one.first_name, one.email, one.namespace)
            writer.writerow([*names, f"groupe {number}"])
    return written.getvalue()


def _tell(class_: Sequence[Invented], seed: int, folder: Path, members: Collection[str]) -> None:
    """What there is now, and what to do with it."""
    from checks.french import plural
    from checks.local_sspcloud import classroom

    kubeconfigs = folder / classroom.KUBECONFIGS
    typer.echo(f"{plural(len(class_), 'personne inventée')} (graine {seed}) :")
    typer.echo(f"  {folder / classroom.ROSTER} : la liste, avec ses groupes")
    typer.echo(f"  {kubeconfigs} : un kubeconfig par personne, et celui de prof")
    others = len(members) - len(class_)
    if others > 0:
        typer.echo(f"{plural(others, 'autre personne inventée')} d’avant : toujours là.", err=True)
    typer.echo(
        f"Pour noter : cahier noter {folder / classroom.ROSTER} --kubeconfig "
        f"{kubeconfigs / 'prof.kubeconfig'}"
    )
    typer.echo("Pour retirer tout : cahier cluster depeupler")
