"""`cahier classe relier` and `cahier classe envoyer`: the marks in a platform's grade book."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command
from checks.cli.options import NamespaceTemplate
from checks.errors import EXIT_UNVERIFIED, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from checks.grading.roster import Learner
    from checks.moodle.link import Link
    from checks.moodle.sending import Mark, Sender

Replace = Annotated[
    bool,
    typer.Option(
        "--remplacer",
        help="Que la note du cahier l’emporte sur une plus haute du carnet de notes.",
    ),
]
ToMoodle = Annotated[
    bool,
    typer.Option(
        "--moodle", help="Envoyer aussi les notes au carnet que « cahier classe relier » a relié."
    ),
]
_ROSTER = Annotated[
    Path,
    typer.Argument(
        metavar="CLASSE.csv", help="La liste, comme pour « noter » (CSV, tableur ou Moodle)."
    ),
]


def register(family: typer.Typer) -> None:
    """Add the commands."""
    family.command("relier", cls=Command)(tie)
    family.command("envoyer", cls=Command)(send)


def tie(
    roster: _ROSTER,
    site: Annotated[
        str | None,
        typer.Option(
            "--plateforme", metavar="URL", help="« Identifiant de plateforme » de l’outil."
        ),
    ] = None,
    client: Annotated[
        str | None, typer.Option("--client", metavar="ID", help="« ID client » de l’outil.")
    ] = None,
    deployment: Annotated[
        str | None,
        typer.Option(
            "--deploiement", metavar="N", help="« Identifiant de déploiement » de l’outil."
        ),
    ] = None,
    course: Annotated[
        str | None,
        typer.Option("--cours", metavar="N", help="Numéro du cours : course/view.php?id=N."),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option("--jetons", metavar="URL", help="Hors de Moodle : où se demande un jeton."),
    ] = None,
    line_items: Annotated[
        str | None,
        typer.Option("--colonnes", metavar="URL", help="Hors de Moodle : les « line items »."),
    ] = None,
    members: Annotated[
        str | None,
        typer.Option("--membres", metavar="URL", help="Hors de Moodle : les membres du cours."),
    ] = None,
    model: NamespaceTemplate = None,
) -> None:
    """Relier une classe au carnet de notes de son cours Moodle (LTI 1.3).

    Sans option : montre la clé publique de ce poste, et ce qu’il faut saisir dans Moodle. Avec ce
    que Moodle donne en retour : le garde dans moodle-CLASSE.json, à côté de la liste, et vérifie
    qu’on y entre et que chacun y est.

    Code de sortie : 0 relié · 2 mauvaise utilisation · 3 il reste quelque chose à revoir.

    Exemple : cahier classe relier classe.csv --plateforme https://moodle.exemple.fr --client AbC
    --deploiement 7 --cours 42
    """
    from checks import installation

    installation.need("enseignant")
    installation.need("moodle")
    from checks.grading.naming import NamespaceModel
    from checks.grading.roster import read_roster
    from checks.moodle import link as links
    from checks.moodle.people import matched
    from checks.moodle.platform import Platform
    from checks.render.grading import console_of
    from checks.render.moodle import tell_unknown

    learners = read_roster(roster, None if model is None else NamespaceModel(model))
    console = console_of()
    found = _link(site, client, deployment, course, tokens, line_items, members)
    if found is None:
        _tell_moodle(console, links.public_key(), roster)
        return
    platform = Platform(found)
    platform.columns()
    users, missing = matched(learners, platform.members())
    path = links.save(roster, found)
    console.print(f"Relié : {path}. Reconnus dans le cours : {len(users)} sur {len(learners)}.")
    tell_unknown(console_of(stderr=True), missing)
    raise typer.Exit(EXIT_UNVERIFIED if missing else 0)


def send(
    roster: _ROSTER,
    only: Annotated[
        str | None,
        typer.Option("--labs", metavar="TP,TP", help="Les TP, par exemple tp2,tp5 (sinon tous)."),
    ] = None,
    replace: Replace = False,
    history: Annotated[
        Path | None,
        typer.Option(
            "--historique",
            metavar="FICHIER",
            help="Où est gardé ce qui a été prouvé (par défaut : historique-CLASSE.sqlite, à côté "
            "de la liste).",
        ),
    ] = None,
    model: NamespaceTemplate = None,
) -> None:
    """Envoyer au carnet de notes ce que l’historique de la classe a de prouvé.

    Rien n’est demandé au cluster. Ce qui est déjà parti ne repart pas, et une note plus haute du
    carnet reste.

    Code de sortie : 0 tout y est · 2 mauvaise utilisation · 3 il reste quelque chose à revoir.

    Exemple : cahier classe envoyer classe.csv --labs tp2,tp5
    """
    from checks import installation

    installation.need("enseignant")
    installation.need("moodle")
    from checks.cli import marks
    from checks.cli.grading import chosen
    from checks.grading.naming import NamespaceModel
    from checks.grading.roster import read_roster
    from checks.moodle.sending import of_history

    labs = chosen(only)
    learners = read_roster(roster, None if model is None else NamespaceModel(model))
    with (
        marks.opened(roster, history) as kept,
        sender_of(roster, learners, replace=replace) as (sender, missing),
    ):
        told = of_history(kept, learners, labs)
        raise typer.Exit(max(send_all(sender, told), EXIT_UNVERIFIED if missing else 0))


@contextlib.contextmanager
def sender_of(
    roster: Path, learners: Sequence[Learner], *, replace: bool = False
) -> Iterator[tuple[Sender, int]]:
    """What sends the marks of a class, and how many of the list the platform does not know, which
    is said. Raises UsageError where the class is not tied, Trouble."""
    from checks import installation

    installation.need("moodle")
    from checks.moodle import link as links
    from checks.moodle import sent
    from checks.moodle.people import matched
    from checks.moodle.platform import Platform
    from checks.moodle.sending import Sender
    from checks.render.grading import console_of
    from checks.render.moodle import tell_unknown

    found = links.load(roster)
    platform = Platform(found)
    users, missing = matched(learners, platform.members())
    tell_unknown(console_of(stderr=True), missing)
    with sent.Sent(sent.path_of(roster), found.line_items) as noted:
        yield Sender(platform, noted, users, replace=replace), len(missing)


def send_all(sender: Sender, marks: Sequence[Mark]) -> int:
    """Send, and say what came of it; the exit code."""
    from checks.moodle.sending import send as say
    from checks.render.grading import console_of, progress_bar
    from checks.render.moodle import conclude_sending

    with progress_bar(console_of(stderr=True)) as progress:
        task = progress.add_task("Envoi", total=len(marks))
        account = say(sender, marks, lambda mark: progress.advance(task))
    conclude_sending(console_of(), account)
    return EXIT_UNVERIFIED if account.kept else 0


def _link(
    site: str | None,
    client: str | None,
    deployment: str | None,
    course: str | None,
    tokens: str | None,
    line_items: str | None,
    members: str | None,
) -> Link | None:
    """What was given, None for nothing at all. Raises UsageError where a part of it lacks."""
    from checks.moodle.link import Link, checked, of_moodle

    own = {"--jetons": tokens, "--colonnes": line_items, "--membres": members}
    of_a_course = {"--deploiement": deployment, "--cours": course}
    wanted = {"--plateforme": site, "--client": client}
    wanted |= own if any(own.values()) else of_a_course
    if not any((*wanted.values(), *of_a_course.values())):
        return None
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        raise UsageError(f"Il manque {', '.join(missing)}.", "Voir : cahier classe relier --help")
    if tokens and line_items and members:
        return checked(
            Link(
                issuer=site or "",
                client=client or "",
                tokens=tokens,
                line_items=line_items,
                members=members,
            )
        )
    return of_moodle(site or "", client or "", deployment or "", course or "")


def _tell_moodle(console: Console, public_key: str, roster: Path) -> None:
    console.print(
        "Dans Moodle (Administration du site > Plugins > Outil externe > Gérer les outils > "
        "configurer un outil manuellement) :\n"
        "  Nom de l’outil              Cahier Kubernetes\n"
        "  URL de l’outil              https://cahier.invalid/ (rien ne s’y ouvre)\n"
        "  Version LTI                 LTI 1.3\n"
        "  Type de clé publique        Clé RSA\n"
        "  Clé publique                les lignes ci-dessous\n"
        "  URL de connexion            https://cahier.invalid/\n"
        "  URI de redirection          https://cahier.invalid/\n"
        "  Services > notes            synchronisation des notes et gestion des colonnes\n"
        "  Services > membres          permettre la récupération des membres\n"
        "  Vie privée > courriel       Toujours"
    )
    typer.echo(f"\n{public_key}")
    console.print(
        "Puis, avec ce que montrent « Voir les détails de configuration » et l’adresse du cours :\n"
        f"  cahier classe relier {roster} --plateforme … --client … --deploiement … --cours …",
    )
