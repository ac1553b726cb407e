"""`cahier instantane`: what the checks need of a namespace, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command
from checks.cli.options import Colleagues, ColleagueUsers, Kubeconfig, Namespace, connect

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
            help="Où écrire (par défaut : NAMESPACE.json) ; comprimé si le nom finit par .gz.",
        ),
    ] = None,
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
    user-bob · cahier verifier tp2 --depuis user-alice.json · cahier noter classe.csv --depuis
    DOSSIER
    """
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
