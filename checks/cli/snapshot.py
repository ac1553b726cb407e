"""`cahier instantane`: what the checks need of a namespace, in one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command
from checks.cli.options import (
    Colleagues,
    ColleagueUsers,
    Kubeconfig,
    Namespace,
    NamespaceTemplate,
    connect,
)
from checks.errors import UsageError

if TYPE_CHECKING:
    from checks.sources.recorder import Source
    from checks.sources.witness import WatchedCluster


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("instantane", cls=Command, rich_help_panel="Pour l’enseignant")(snapshot)


def snapshot(
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--sortie",
            metavar="FICHIER",
            help="Où écrire (par défaut : NAMESPACE.json, ou instantane-CLASSE.zip) ; comprimé si "
            "le nom finit par .gz.",
        ),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            "--classe",
            metavar="CLASSE.csv",
            help="Toute une classe, dans une seule archive : la liste que prend « noter ».",
        ),
    ] = None,
    model: NamespaceTemplate = None,
    namespace: Namespace = None,
    colleague: Colleagues = None,
    colleague_user: ColleagueUsers = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Garder ce que les vérifications lisent d’un namespace, pour les rejouer plus tard sans le
    cluster.

    Rien n’est modifié ni essayé. Aucune valeur de Secret n’y figure, ni celle d’une variable qui a
    le nom d’un mot de passe ; ce que la personne a écrit ailleurs, dans une ConfigMap par exemple,
    y est : gardez ce fichier pour vous.

    Le namespace d’une autre personne est lu avec les droits de l’enseignant, comme par « noter ».

    Exemples : cahier instantane -o alice.json.gz · cahier instantane -n user-alice --collegue
    user-bob · cahier verifier tp2 --depuis user-alice.json · cahier instantane --classe
    classe.csv · cahier noter classe.csv --depuis instantane-classe.zip
    """
    if roster is not None:
        _of_class(roster, output, kubeconfig, model, (namespace, colleague, colleague_user))
        return
    from checks.diagnosis.rights.role import too_small
    from checks.lab import all_labs
    from checks.output import output as console_on
    from checks.render.problem import show
    from checks.sources.recorder import KINDS, record
    from checks.sources.snapshot import write

    cluster = connect(kubeconfig, namespace, colleague, colleague_user)
    source = _source(cluster, colleague)
    with console_on(stderr=True).status("Lecture du namespace…") as status:
        taken = record(
            source, all_labs(), on_lab=lambda lab: status.update(f"Lecture pour {lab.short_name}…")
        )
    file = output or Path(f"{taken.namespace}.json")
    write(taken, file)
    console = console_on(soft_wrap=True)
    console.print(f"✔ Instantané de {taken.namespace} : {file}", style="green")
    hidden = [kind for kind in KINDS if kind in taken.unread]
    if hidden and source is cluster:
        console.print(f"N’ont pas pu être lus : {', '.join(hidden)}.", style="yellow")
        shortage = too_small(cluster, "admin", "Un instantané complet")
        if shortage is not None:
            show(shortage, console)
    if taken.colleague is None:
        console.print("Sans --collegue, les TP qui se font à deux n’y sont pas.", style="yellow")


def _source(cluster: WatchedCluster, colleagues: Sequence[str] | None) -> Source:
    """The learner's own cluster, or somebody else's namespace as a teacher sees it."""
    from checks.grading.view import Inventory, LearnerView

    if cluster.in_own_service or cluster.owner in ("", cluster.user):
        return cluster
    return LearnerView(cluster.api, Inventory(cluster.api, ()), cluster.namespace, colleagues)


def _of_class(
    roster: Path,
    output: Path | None,
    kubeconfig: str | None,
    model: str | None,
    of_one: Iterable[object],
) -> None:
    """The snapshot of a whole class, in an archive. Raises UsageError, CahierError."""
    from checks import installation

    installation.need("enseignant")
    from checks.cli.grading import from_cluster
    from checks.french import enumeration, plural
    from checks.grading.naming import NamespaceModel
    from checks.grading.recording import record_class
    from checks.grading.roster import read_roster
    from checks.lab import all_labs
    from checks.render.grading import console_of, progress_bar

    if any(of_one):
        raise UsageError(
            "--classe ne va pas avec --namespace, --collegue ni --utilisateur-collegue.",
            "La liste de classe les dit : retirez ces options.",
        )
    learners = read_roster(roster, None if model is None else NamespaceModel(model))
    file = output or Path(f"instantane-{roster.stem}.zip")
    errors = console_of(stderr=True)
    views = from_cluster(errors, roster, learners, kubeconfig)
    with progress_bar(errors) as progress:
        there = sum(one.namespace not in views.missing for one in learners)
        task = progress.add_task("Lecture", total=there)
        index = record_class(
            views, learners, all_labs(), file, on_learner=lambda _: progress.advance(task)
        )
    console = console_of()
    count = plural(there - len(index.unread), "namespace")
    console.print(f"✔ Instantané de {count} : {file}", style="green")
    if index.unread:
        console.print(f"N’ont pas pu être lus : {enumeration([*index.unread])}.", style="yellow")
