"""`cahier cluster`: the small SSPCloud on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from checks.cli import populate
from checks.cli.french import Command, Group

app = typer.Typer(
    cls=Group,
    subcommand_metavar="COMMANDE …",
    options_metavar="[OPTIONS]",
    help="Le petit SSPCloud local : un cluster kind nommé « cahier », avec alice, bob, chloe et un "
    "enseignant.",
    no_args_is_help=True,
)


_SHOWN = 8  # people: a whole class may be there
_OUTDATED = (
    "Ce cluster n’a pas été fait comme cette version de cahier le ferait : il sert encore, mais "
    "quelque chose peut y manquer.\nPour le refaire (tout son contenu est perdu) : cahier cluster "
    "supprimer, puis cahier cluster creer"
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
        int | None,
        typer.Option("--noeuds", min=1, max=9, metavar="N", help="Nombre de nœuds (1 par défaut)."),
    ] = None,
    operator: Annotated[
        bool,
        typer.Option(
            "--operateur",
            help="Y mettre l’opérateur CloudNativePG, comme sur le SSPCloud : les bases du "
            "catalogue sont alors les siennes (une vingtaine de secondes chacune au lieu de 6).",
        ),
    ] = False,
) -> None:
    """Créer le cluster et ses habitants, ou réparer ce qui manque. Sans effet si tout est là."""
    from checks.local_sspcloud import creation, issuer, kind, people, running
    from checks.local_sspcloud.progress import TerminalProgress

    progress = TerminalProgress()
    kind.create(progress, image, nodes)
    with progress("Habitants (alice, bob, chloe, prof)", 2):
        api = running.admin_api()
        people.ensure_people(api)
        if issuer.is_expected(api):
            issuer.ensure(api, progress)
    if operator:
        kind.give_operator(progress)
    typer.echo("Le petit SSPCloud est prêt. Vous êtes alice si vous exécutez :")
    typer.echo("  export KUBECONFIG=$(cahier cluster kubeconfig alice)")
    if creation.is_outdated():
        typer.echo(_OUTDATED, err=True)


@app.command("etat", cls=Command)
def show() -> None:
    """Montrer le cluster : moteur, version, nœuds, habitants, qui fait les bases, âge."""
    from checks.local_sspcloud import creation, kind, people

    state = kind.state()
    nodes = [
        f"{name} ({'prêt' if ready else 'pas prêt'})" for name, ready in sorted(state.nodes.items())
    ]
    lines = {
        "Moteur": state.engine or "inconnu",
        "Image du nœud": state.image or "inconnue",
        "Kubernetes": state.version,
        "Nœuds": ", ".join(nodes),
        "Habitants": _enumerated([name for name in people.known() if name != people.ADMIN]),
        "Bases": "par l’opérateur CloudNativePG" if state.operator else "de simples pods",
        "Âge": age(state.created),
    }
    for title, value in lines.items():
        typer.echo(f"{title:<14} {value}")
    if creation.is_outdated():
        typer.echo(_OUTDATED, err=True)


@app.command("kubeconfig", cls=Command)
def print_kubeconfig(
    who: Annotated[str, typer.Argument(metavar="QUI", help="alice, bob, chloe, prof ou admin.")],
) -> None:
    """Donner le chemin du kubeconfig d’un habitant : export KUBECONFIG=$(cahier cluster kubeconfig
    alice)"""
    from checks.local_sspcloud import people

    typer.echo(str(people.usable_kubeconfig(who)))


@app.command("connexion", cls=Command)
def print_connection(
    who: Annotated[str, typer.Argument(metavar="QUI", help="alice, bob, chloe ou prof.")],
    lifetime: Annotated[
        str, typer.Option("--duree", metavar="DURÉE", help="Durée du jeton (30s, 10m, 1h).")
    ] = "1h",
) -> None:
    """Donner le script de « Connexion à Kubernetes » d’un habitant, avec un jeton qui expire.

    C’est celui que le SSPCloud affiche dans « Mon compte ». Exécutez-le : cahier cluster connexion
    alice | sh
    """
    from checks.cli.verify import parse_duration
    from checks.local_sspcloud.connection import connection_script
    from checks.local_sspcloud.progress import TerminalProgress
    from checks.redaction import disclose

    seconds = parse_duration(lifetime, "--duree")
    disclose(connection_script(who, seconds, TerminalProgress()))


@app.command("supprimer", cls=Command)
def delete() -> None:
    """Supprimer le cluster, ses kubeconfigs et le moteur privé, même inachevés."""
    from checks.local_sspcloud import kind
    from checks.local_sspcloud.progress import TerminalProgress

    found = kind.delete(TerminalProgress())
    typer.echo("Le cluster local est supprimé." if found else "Il n’y avait pas de cluster local.")


def _enumerated(names: Sequence[str]) -> str:
    """All of them, or the first ones and the last, who is the teacher."""
    *first, last = names
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(first[:_SHOWN])} et {len(first) - _SHOWN} autres, {last}"


populate.register(app)


def age(since: datetime) -> str:
    """How long ago, in French, in its largest unit: `3 min`, `2 h`, `5 j`."""
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    for size, unit in ((86400, "j"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
