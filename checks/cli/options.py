"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from checks.errors import UsageError

if TYPE_CHECKING:
    from checks.sources.witness import WatchedCluster

LabName = Annotated[str, typer.Argument(metavar="TP", help="Le TP : tp5_proxy_socat, tp5 ou 5.")]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NS",
        help="Votre namespace (par défaut : celui du contexte).",
        rich_help_panel="Accès",
    ),
]
Colleague = Annotated[
    list[str] | None,
    typer.Option(
        "--collegue",
        metavar="NS",
        help="Namespace de votre collègue, par exemple user-bob.",
        rich_help_panel="Accès",
    ),
]
ColleagueUser = Annotated[
    list[str] | None,
    typer.Option(
        "--utilisateur-collegue",
        metavar="NOM",
        help="Nom d’utilisateur de votre collègue, s’il ne se déduit pas du vôtre.",
        rich_help_panel="Accès",
    ),
]
Colleagues = Annotated[
    list[str] | None,
    typer.Option(
        "--collegue",
        metavar="NS",
        help="Namespace de votre collègue, par exemple user-bob ; à répéter pour une équipe (TP 6 "
        "et TP 8).",
        rich_help_panel="Accès",
    ),
]
ColleagueUsers = Annotated[
    list[str] | None,
    typer.Option(
        "--utilisateur-collegue",
        metavar="NOM",
        help="Nom d’utilisateur de votre collègue, s’il ne se déduit pas du vôtre ; se répète dans "
        "l’ordre des --collegue.",
        rich_help_panel="Accès",
    ),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig",
        metavar="FICHIER",
        help="Configuration à utiliser (sinon KUBECONFIG, ~/.kube/config).",
        rich_help_panel="Accès",
    ),
]
NamespaceTemplate = Annotated[
    str | None,
    typer.Option(
        "--namespace-modele",
        metavar="MODÈLE",
        help="Le namespace de qui n’en a pas dans la liste, d’après ses autres colonnes : "
        "'user-{identifiant}'.",
    ),
]
CLUSTER: Any = {"rich_help_panel": "Dans le cluster"}
IN_CLUSTER = "--dans-le-cluster"
Image = Annotated[
    str | None,
    typer.Option(
        "--image", metavar="IMAGE", help="Image de ces pods (celle de « make image »).", **CLUSTER
    ),
]
PodsNamespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", metavar="NS", help="Où les placer (celui du contexte).", **CLUSTER
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=1, max=65535, metavar="N", help="Port local, si ce n’est pas celui du TP."
    ),
]


def require_coherent(
    options: Mapping[str, object],
    needs: Mapping[str, str],
    apart: Iterable[tuple[str, str]],
) -> None:
    """Raises UsageError where options that are given do not go together: one `needs` another that
    is not there, or two are to be `apart`."""
    given = {name for name, value in options.items() if value not in (None, False)}
    for name, needed in needs.items():
        if name in given and needed not in given:
            raise UsageError(
                f"{name} ne va qu’avec {needed}.", "Ajoutez cette option, ou retirez l’autre."
            )
    for pair in apart:
        if given.issuperset(pair):
            raise UsageError(
                f"{' et '.join(pair)} ne vont pas ensemble.", "Choisissez l’un des deux."
            )


def only_one(colleagues: Sequence[str]) -> str | None:
    """The colleague of a command that names one: the first, and it says so where there are
    several."""
    if len(colleagues) > 1:
        from checks.output import output

        words = f"Cette commande ne nomme qu’un collègue : {colleagues[0]}, le premier donné."
        output(stderr=True).print(words, style="yellow", soft_wrap=True)
    return next(iter(colleagues), None)


def connect(
    kubeconfig: str | None,
    namespace: str | None,
    colleague: str | Sequence[str] | None = None,
    colleague_user: str | Sequence[str] | None = None,
    port: int | None = None,
) -> WatchedCluster:
    """The cluster as kubectl would reach it; what a killed run left on this machine is cleared.

    Imported late: the Kubernetes client is slow to load.
    """
    from checks.access import kubectl
    from checks.files import sweep_scratch
    from checks.sources.witness import WatchedCluster

    kubectl.sweep()
    sweep_scratch()
    return WatchedCluster(
        kubeconfig_path=kubeconfig,
        namespace=namespace,
        colleague=colleague,
        colleague_user=colleague_user,
        port=port,
    )
