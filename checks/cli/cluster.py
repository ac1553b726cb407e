"""`cahier cluster`: the small SSPCloud on this machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from checks.cli.french import Command, Group

app = typer.Typer(
    cls=Group,
    subcommand_metavar="COMMANDE …",
    options_metavar="[OPTIONS]",
    help="Le petit SSPCloud local : un cluster kind nommé « cahier », avec alice, bob, chloe et un enseignant.",
    no_args_is_help=True,
)


@app.command("creer", cls=Command)
def create(
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="IMAGE",
            help="Image du nœud (sinon la variable CAHIER_IMAGE_NOEUD, sinon celle de kind).",
        ),
    ] = None,
    nodes: Annotated[
        int | None, typer.Option("--noeuds", min=1, max=9, metavar="N", help="Nombre de nœuds (1 par défaut).")
    ] = None,
) -> None:
    """Créer le cluster et ses habitants, ou réparer ce qui manque. Sans effet si tout est là."""
    from checks.local_cluster import kind, people
    from checks.local_cluster.progress import TerminalProgress

    progress = TerminalProgress()
    kind.create(progress, image, nodes)
    with progress("Habitants (alice, bob, chloe, prof)", 2):
        people.ensure_people(kind.admin_api())
    typer.echo("Le petit SSPCloud est prêt. Vous êtes alice si vous exécutez :")
    typer.echo("  export KUBECONFIG=$(cahier cluster kubeconfig alice)")


@app.command("etat", cls=Command)
def show() -> None:
    """Montrer le cluster : moteur, version, nœuds, habitants, âge."""
    from checks.local_cluster import kind, people

    state = kind.state()
    nodes = [f"{name} ({'prêt' if ready else 'pas prêt'})" for name, ready in sorted(state.nodes.items())]
    lines = {
        "Moteur": state.engine or "inconnu",
        "Image du nœud": state.image or "inconnue",
        "Kubernetes": state.version,
        "Nœuds": ", ".join(nodes),
        "Habitants": ", ".join(name for name in people.known() if name != people.ADMIN),
        "Âge": age(state.created),
    }
    for title, value in lines.items():
        typer.echo(f"{title:<14} {value}")


@app.command("kubeconfig", cls=Command)
def print_kubeconfig(
    who: Annotated[str, typer.Argument(metavar="QUI", help="alice, bob, chloe, prof ou admin.")],
) -> None:
    """Donner le chemin du kubeconfig d’un habitant : export KUBECONFIG=$(cahier cluster kubeconfig alice)"""
    from checks.local_cluster import people

    typer.echo(str(people.usable_kubeconfig(who)))


@app.command("supprimer", cls=Command)
def delete() -> None:
    """Supprimer le cluster, ses kubeconfigs et le moteur privé, même inachevés."""
    from checks.local_cluster import kind
    from checks.local_cluster.progress import TerminalProgress

    found = kind.delete(TerminalProgress())
    typer.echo("Le cluster local est supprimé." if found else "Il n’y avait pas de cluster local.")


def age(since: datetime) -> str:
    """How long ago, in French, in its largest unit: `3 min`, `2 h`, `5 j`."""
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    for size, unit in ((86400, "j"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
