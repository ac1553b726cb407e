"""`cahier catalogue`: what the platform's catalogue would launch, on any cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command, Group
from checks.cli.options import Kubeconfig, Namespace
from checks.local_sspcloud import services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checks.access.kubernetes_api import Api
    from checks.local_sspcloud.catalogue import Release

app = typer.Typer(
    cls=Group,
    subcommand_metavar="COMMANDE …",
    options_metavar="[OPTIONS]",
    help="Le catalogue de services : lancer une base comme le ferait le formulaire du SSPCloud.",
    no_args_is_help=True,
)

ReleaseName = Annotated[
    str, typer.Argument(metavar="NOM", help="Le nom du service (cahier catalogue lister).")
]


@app.command("lancer", cls=Command)
def launch(
    service: Annotated[
        str,
        typer.Argument(
            metavar="SERVICE", help=f"Le service à lancer : {', '.join(services.names())}."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--nom",
            metavar="NOM",
            help="Nom du service (par défaut : celui de son modèle, et six chiffres).",
        ),
    ] = None,
    opened: Annotated[
        bool,
        typer.Option(
            "--ouvert",
            help="Ouvrir aux autres namespaces (décoche « Only allow access from the same "
            "namespace »).",
        ),
    ] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Lancer un service dans votre namespace et attendre qu’il soit prêt.

    Un service de ce nom qui est déjà là est gardé, et mené à ce qui est demandé : ouvert avec
    --ouvert, fermé sinon.

    Là où les images ne se téléchargent pas, c’est FerretDB qui parle le protocole de MongoDB : il
    se compile au premier lancement.

    Exemples : cahier catalogue lancer postgresql · cahier catalogue lancer postgresql --nom ma-base
    --ouvert · cahier catalogue lancer mongodb
    """
    from checks.errors import UsageError
    from checks.local_sspcloud import catalogue, network_policy
    from checks.local_sspcloud.progress import TerminalProgress

    described = services.find(service)
    api, own = _connect(kubeconfig, namespace)
    known = catalogue.releases(api, own) if name is not None else ()
    there = next((one for one in known if one.name == name), None)
    if there is not None and there.service is not described:
        raise UsageError(
            f"« {name} » existe déjà dans {own} : c’est une base {there.service.title}.",
            "Choisissez un autre nom (--nom).",
        )
    if there is not None:
        name = there.name
        _, made = catalogue.resume(api, described, own, name, TerminalProgress())
        _say(
            [
                f"La base {name} est déjà là : elle est gardée.",
                *(f"{one} manquait : il est refait." for one in made),
            ]
        )
        _say(
            network_policy.open_to_all(api, own, name)
            if opened
            else network_policy.close(api, own, name)
        )
        return
    release = catalogue.launch(api, described, own, name, opened, TerminalProgress())
    _show_notes(release, own, opened)


def _show_notes(release: Release, user: str, opened: bool) -> None:
    """What the platform shows once a service is launched."""
    from checks.output import marked, output

    console, service = output(soft_wrap=True), release.service
    console.print(
        marked("[bold green]✔[/] [bold]{}[/] est prêt dans {}.", release.name, release.namespace)
    )
    console.print("Depuis l’intérieur du cluster :")
    console.print(f"  Hôte            {release.host}")
    console.print(f"                  ({release.short_host} suffit depuis {release.namespace})")
    console.print(f"  Port            {service.port}")
    console.print(f"  Utilisateur     {user}")
    console.print(f"  Base            {service.database}")
    secret, key = service.credentials(release.name)
    read = (
        f"kubectl get secret {secret} -n {release.namespace} -o "
        f"jsonpath='{{.data.{key}}}' | base64 -d"
    )
    console.print(f"  Mot de passe    {read}")
    address = service.address(release.name, user)
    if address:
        console.print(f"  Adresse         {address}")
    if release.stand_in:
        console.print(f"  Serveur         {release.stand_in}")
    if release.policies:
        console.print(
            f"NetworkPolicy {', '.join(release.policies)} : elle n’autorise que les pods de "
            f"{release.namespace}."
        )
    elif opened:
        console.print("Aucune NetworkPolicy : les pods de tous les namespaces peuvent l’atteindre.")
    else:
        console.print(
            f"NetworkPolicy {service.policy(release.name)} : elle ne choisit pas son pod, par un "
            "défaut du modèle de la plateforme ; ceux de tous les namespaces l’atteignent."
        )
        console.print(marked("Pour la fermer : [bold]cahier catalogue fermer {}[/]", release.name))
    console.print(
        marked(
            "Pod : {}. Pour l’arrêter : [bold]cahier catalogue arreter {}[/]",
            release.pod,
            release.name,
        )
    )


@app.command("lister", cls=Command)
def list_releases(namespace: Namespace = None, kubeconfig: Kubeconfig = None) -> None:
    """Lister vos services du catalogue."""
    from rich.table import Table

    from checks.cli.cluster import age
    from checks.local_sspcloud import catalogue
    from checks.output import output

    api, own = _connect(kubeconfig, namespace)
    found = catalogue.releases(api, own)
    console = output()
    if not found:
        console.print(
            f"Aucun service du catalogue dans {own}. Pour en lancer un : cahier catalogue lancer "
            "postgresql"
        )
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("Nom", "État", "Hôte", "NetworkPolicy", "Âge"):
        table.add_column(title, overflow="fold")
    for one in found:
        created = age(one.created) if one.created else "–"
        table.add_row(
            one.name, one.state, one.short_host, ", ".join(one.policies) or "aucune", created
        )
    console.print(table)
    for one in found:
        if one.stand_in:
            console.print(f"{one.name} : {one.stand_in}.", soft_wrap=True)


@app.command("ouvrir", cls=Command)
def open_to_all(
    name: ReleaseName, namespace: Namespace = None, kubeconfig: Kubeconfig = None
) -> None:
    """Ouvrir un service aux autres namespaces : retirer la NetworkPolicy venue avec lui.

    C’est décocher « Only allow access from the same namespace » dans le formulaire.

    Exemple : cahier catalogue ouvrir postgresql-cnpg-951239
    """
    from checks.local_sspcloud import network_policy

    api, own = _connect(kubeconfig, namespace)
    _say(network_policy.open_to_all(api, own, name))


@app.command("fermer", cls=Command)
def close(
    name: ReleaseName,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--seulement",
            metavar="NS",
            help="N’y laisser entrer, avec vos pods, que ceux de ce namespace, quoi qu’admettent "
            "vos autres NetworkPolicies ; se répète.",
        ),
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Fermer un service aux autres namespaces : remettre la NetworkPolicy venue avec lui.

    C’est cocher « Only allow access from the same namespace » dans le formulaire. Vos autres
    NetworkPolicies s’y ajoutent ; avec --seulement, ce qu’elles admettent de trop est retiré.

    Exemples : cahier catalogue fermer ma-base · cahier catalogue fermer ma-base --seulement
    user-bob
    """
    from checks.local_sspcloud import network_policy

    api, own = _connect(kubeconfig, namespace)
    _say(network_policy.close(api, own, name, only or ()))


@app.command("compte", cls=Command)
def account(
    name: ReleaseName,
    role: Annotated[
        str,
        typer.Argument(
            metavar="COMPTE", help="Le compte de la base ; il est créé s’il n’existe pas."
        ),
    ],
    secret: Annotated[
        str | None,
        typer.Option(
            "--secret",
            metavar="SECRET",
            help="Lui donner le mot de passe que ce Secret contient déjà.",
        ),
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Donner un mot de passe à un compte d’une base : tiré au hasard, gardé dans un Secret, montré
    nulle part.

    Le Secret s’appelle compte-COMPTE. Le serveur ne reçoit que ce qu’il garde d’un mot de passe,
    jamais le mot de passe lui-même.

    Exemples : cahier catalogue compte ma-base equipe · cahier catalogue compte ma-base user-alice
    --secret ma-base
    """
    from checks.local_sspcloud.account import give_password

    api, own = _connect(kubeconfig, namespace)
    _say(give_password(api, own, name, role, secret or ""))


def _say(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        typer.echo(sentence)


@app.command("arreter", cls=Command)
def stop(name: ReleaseName, namespace: Namespace = None, kubeconfig: Kubeconfig = None) -> None:
    """Arrêter un service et retirer tout ce qu’il a mis dans votre namespace, rien d’autre."""
    from checks.local_sspcloud import catalogue
    from checks.local_sspcloud.progress import TerminalProgress

    api, own = _connect(kubeconfig, namespace)
    catalogue.stop(api, own, name, TerminalProgress())
    typer.echo(f"{name} est arrêté : il ne reste rien de lui dans {own}.")


def _connect(kubeconfig: str | None, namespace: str | None) -> tuple[Api, str]:
    """The API as kubectl would reach it, and the namespace to work in."""
    from checks.access.kubernetes_api import Api

    api = Api(kubeconfig)
    return api, namespace or api.credentials.namespace
