"""Commands around a lab: see them, begin one, read a hint or the solution."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli import remembered
from checks.cli.french import Command
from checks.cli.options import (
    Colleague,
    Colleagues,
    ColleagueUser,
    ColleagueUsers,
    Kubeconfig,
    LabName,
    Namespace,
    Port,
    connect,
    only_one,
)
from checks.errors import AccessError, CahierError, UsageError
from checks.files import write_atomically

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from checks.cli.remembered import Options
    from checks.lab import Lab
    from checks.state import LabProgress
    from checks.verdict import CheckResult

_COLOURS = "ansi_light"  # the terminal's own colours, dark enough for a light background
_ROLE_SECONDS = (
    10.0  # of a request: what is only said in passing is not waited for as long as a verdict
)
_MARKS = {
    "passed": "✔ terminé",
    "failed": "✎ en cours",
    "unverified": "? à revoir",
    "error": "! à revoir",
    "": "–",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("lister", cls=Command, rich_help_panel="Choisir")(list_labs)
    app.command("commencer", cls=Command, rich_help_panel="Choisir")(begin)
    app.command("enonce", cls=Command, rich_help_panel="Choisir")(statement)
    app.command("indice", cls=Command, rich_help_panel="Pendant un TP")(hint)
    app.command("solution", cls=Command, rich_help_panel="Pendant un TP")(solution)


def where_am_i() -> None:
    """`cahier` alone: who I am, progress, the next step."""
    from checks.lab import all_labs
    from checks.output import marked, output
    from checks.state import load

    console = output()
    console.print(marked("[bold cyan]Cahier Kubernetes[/] · travaux pratiques pour le SSPCloud\n"))
    place = _told_place(console)
    tell_role(console)
    labs = all_labs()
    memory = load()
    done = {lab.name: memory.lab(place, lab.name) for lab in labs}
    console.print()
    console.print(_table(place))
    following = next(
        (lab for lab in labs if not done[lab.name].done and done[lab.name].status != "passed"), None
    )
    if following is None:
        console.print(marked("\n[bold green]Tous les TP sont terminés : bravo ![/]"))
        return
    verb = "verifier" if done[following.name].status else "commencer"
    console.print(
        marked(
            "\nÉtape suivante : [bold]cahier {} {}[/]   ({})",
            verb,
            following.short_name,
            following.about.title,
        )
    )
    console.print(marked("[dim]Toutes les commandes : cahier --help[/]"))


def _told_place(console: Console) -> str:
    """Tell where kubectl's configuration leads, or why nowhere; that place, as what is remembered
    names it, or ""."""
    from checks import state
    from checks.access import kubeconfig
    from checks.output import marked

    try:
        credentials = kubeconfig.read()
    except CahierError as error:
        console.print(marked("[yellow]{}[/]", error.message))
        console.print(marked("[green]→[/] {}", error.remedy))
        return ""
    context = credentials.context or "du pod"
    told = "Contexte [bold]{}[/], namespace [bold]{}[/]"
    console.print(marked(told, context, credentials.namespace))
    return state.place_at(credentials.server, credentials.namespace)


def list_labs() -> None:
    """Lister les TP, leur durée et votre avancement."""
    from checks.output import output

    console = output()
    # the labs can be listed without any cluster
    console.print(_table(remembered.place_of(None, None)))
    tell_role(console)


def tell_role(console: Console, lab: Lab | None = None) -> None:
    """In a service of the platform, what its role lets us do, or why it does not suffice for `lab`.

    Nothing elsewhere: a person is the owner of their namespace. Nothing where the cluster does not
    answer.
    """
    from checks.access import kubeconfig

    if not kubeconfig.in_pod():
        return
    from checks.access.kubernetes_api import Api
    from checks.diagnosis.rights.role import role, too_small
    from checks.lab import all_labs
    from checks.render.problem import show
    from checks.sources.live_cluster import LiveCluster
    from checks.sources.machine import LocalMachine

    try:
        cluster = LiveCluster(LocalMachine(), api=Api(seconds=_ROLE_SECONDS))
        if lab is not None:
            shortage = too_small(cluster, lab.about.role, lab.title)
        else:
            found = role(cluster)
            shortage = AccessError(found.said, found.remedy) if found.missing else None
            if shortage is None:
                console.print(found.said)
            elif found.name == "edit":
                within = [one.short_name for one in all_labs() if one.about.role == "edit"]
                console.print(f"Avec le rôle « edit », se font en entier : {', '.join(within)}.")
    except CahierError:
        return
    if shortage is not None:
        show(shortage, console)


def _table(place: str) -> Table:
    from rich.table import Table

    from checks.lab import all_labs
    from checks.state import load

    memory = load()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("TP", style="bold cyan", no_wrap=True)
    table.add_column("Titre", ratio=1)
    table.add_column("Durée", justify="right", no_wrap=True)
    table.add_column("À deux", justify="center")
    table.add_column("Avancement", no_wrap=True)
    for lab in all_labs():
        pair = "oui" if lab.about.colleague == "required" else ""
        state = _progress(memory.lab(place, lab.name))
        table.add_row(
            lab.short_name, lab.about.title, f"{lab.about.duration_minutes} min", pair, state
        )
    return table


def _progress(progress: LabProgress) -> str:
    """How far a lab is. What was wholly right once stays done, whatever was closed since."""
    from checks.french import day, number

    if progress.done:
        return f"✔ terminé le {day(progress.done)}"
    if progress.status == "passed":  # noted before the date was
        return _MARKS["passed"]
    best = max(progress.best, progress.points)
    return _MARKS.get(progress.status, "–") + (
        f" {number(best)}/{number(progress.points_max)}" if best else ""
    )


def begin(
    name: LabName,
    into: Annotated[
        Path | None,
        typer.Option(
            "--dossier", metavar="DOSSIER", help="Où copier les fichiers (par défaut : ici)."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--ecraser", help="Remplacer vos fichiers par ceux du départ.")
    ] = False,
) -> None:
    """Commencer un TP : copier ses fichiers de départ et dire par où commencer.

    Vos fichiers ne sont jamais remplacés sans --ecraser.

    Exemples : cahier commencer tp2 · cahier commencer tp5 --dossier ~/tp
    """
    from rich.markdown import Markdown

    from checks import state
    from checks.cli.editor import give_tasks
    from checks.lab import find_lab
    from checks.output import marked, output
    from checks.render.wrapping import put

    lab = find_lab(name)
    console = output()
    here = Path.cwd()
    folder = into / lab.name if into else here if here.name == lab.name else here / lab.name
    copied = _copy_start(lab, folder, overwrite)
    if copied:
        state.remember_folder(remembered.place_of(None, None), lab.name, folder.resolve())
    console.print(
        marked(
            "[bold cyan]{}[/] · [bold]{}[/] ({} min)\n",
            lab.short_name.upper(),
            lab.about.title,
            lab.about.duration_minutes,
        )
    )
    console.print(Markdown("\n".join(f"- {objective}" for objective in lab.about.objectives)))
    console.print()
    if copied:
        console.print(
            marked("Fichiers de départ dans [bold]{}[/] : {}", folder, ", ".join(copied)),
            soft_wrap=True,
        )
        console.print("Complétez ce qui est marqué « À FAIRE ».")
        if give_tasks(lab, folder) and os.environ.get("TERM_PROGRAM") == "vscode":
            console.print("Ouvrez ce dossier dans VSCode : Ctrl+Maj+B y lance la vérification.")
    put(console, f"L’énoncé : cahier enonce {lab.short_name}")
    pair = " --collegue user-…" if lab.about.colleague == "required" else ""
    console.print(marked("Puis : [bold]cahier verifier {}{}[/]", lab.short_name, pair))
    tell_role(console, lab)


def _copy_start(lab: Lab, folder: Path, overwrite: bool) -> list[str]:
    names = list(lab.files("depart"))
    kept = [name for name in names if (folder / name).exists()]
    copied = names if overwrite else [name for name in names if name not in kept]
    if kept and not copied:
        raise UsageError(
            f"{folder / kept[0]} existe déjà : vos fichiers n’ont pas été touchés.",
            f"Pour repartir de zéro : cahier commencer {lab.short_name} --ecraser",
        )
    if copied:
        folder.mkdir(parents=True, exist_ok=True)
    for name in copied:
        write_atomically(
            folder / name, (lab.folder / "depart" / name).read_bytes(), for_others=True
        )
    return copied


def statement(
    name: LabName,
    namespace: Namespace = None,
    colleague: Colleague = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Lire l’énoncé d’un TP, avec vos noms.

    C’est le texte du site, que « make serve » montre aussi dans un navigateur.

    Exemples : cahier enonce tp2 · cahier enonce tp5 --collegue user-alice
    """
    from checks.access import kubeconfig as configuration
    from checks.lab import find_lab
    from checks.output import output
    from checks.render.statement import show
    from checks.stage import rename

    lab = find_lab(name)
    given = remembered.options(lab, kubeconfig, namespace, colleague, database="")
    given.tell()
    with_whom = only_one(given.colleagues)
    try:
        own = namespace or configuration.read(kubeconfig).namespace
    except AccessError:  # it can be read without any cluster
        own = lab.about.story.namespace
    base = given.database or None
    show(output(), lab, lambda text: rename(text, lab.about.story, own, with_whom, base))


def hint(
    name: LabName,
    namespace: Namespace = None,
    colleague: Colleagues = None,
    colleague_user: ColleagueUsers = None,
    port: Port = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Donner un indice sur la première erreur ; chaque appel en dit un peu plus.

    L’indice dépend de ce que le cluster montre à cet instant, pas de votre fichier.

    Exemples : cahier indice tp2 · cahier indice tp5 --collegue user-alice
    """
    from checks.cli.verify import place, role_too_small
    from checks.lab import find_lab
    from checks.output import output
    from checks.render.wrapping import put
    from checks.runner import run
    from checks.stage import rename
    from checks.verdict import Status

    lab = find_lab(name)
    given = remembered.options(lab, kubeconfig, namespace, colleague, colleague_user, port)
    cluster = connect(kubeconfig, namespace, given.colleagues, given.colleague_users, given.port)
    remembered.require_somebody(lab, cluster, given)
    with output(stderr=True).status("Je regarde où vous en êtes…"):
        verdict, _findings = run(lab, cluster, refresh=cluster.refresh, seconds=0)
    shortage = role_too_small(lab, cluster, verdict)
    if shortage is not None:
        raise shortage
    failed = next((result for result in verdict.checks if result.status is Status.FAILED), None)
    if failed is None and verdict.status is Status.ERROR:
        trouble = next(result for result in verdict.checks if result.status is Status.ERROR)
        raise CahierError(trouble.finding, trouble.fix)
    if failed is None:
        output().print("Je ne vois pas d’erreur : lancez la vérification complète.")
        put(output(), f"cahier verifier {lab.short_name}{given.typed}", "bold")
        return
    database = remembered.base_of(lab, cluster) or None
    names = (cluster.namespace, given.colleague, database, given.colleague_user)

    def named(text: str) -> str:
        return rename(text, lab.about.story, *names)

    _tell_hint(lab, failed, place(cluster), given, named)


def _tell_hint(
    lab: Lab, failed: CheckResult, place: str, given: Options, translate: Callable[[str], str]
) -> None:
    """Tell the next hint about a check, which is remembered as read. `translate` puts the learner's
    names into it."""
    from checks import state
    from checks.output import output
    from checks.render.wrapping import put, say

    memory = state.load()
    read = memory.lab(place, lab.name).hints
    texts = lab.about.hints.get(failed.id) or (failed.cause,)
    step = min(read.get(failed.id, 0), len(texts) - 1)
    read[failed.id] = step + 1
    state.save(memory)
    console, text = output(), translate(texts[step])
    say(console, failed.title, "bold")
    say(console, f"Indice {step + 1}/{len(texts)} : {lab.with_port(text, given.port or 0)}")
    if step + 1 < len(texts):
        put(console, f"Encore un peu : cahier indice {lab.short_name}{given.typed}", "dim")
    else:
        put(
            console,
            f"C’était le dernier. Le remède : cahier verifier {lab.short_name}{given.typed} --aide",
            "dim",
        )


def _show_solution(lab: Lab, translate: Callable[[str], str]) -> None:
    """The files of the solution, then its commands."""
    from rich.syntax import Syntax

    from checks.output import output
    from checks.render.wrapping import put

    console = output()
    for file, text in lab.files("solution").items():
        put(console, file, "bold")
        colours = Syntax("", "yaml", theme=_COLOURS, background_color="default")
        console.print(colours.highlight(translate(text)), end="", soft_wrap=True)
    if lab.about.solution.commands:
        put(console, "Puis, dans un terminal :", "bold")
    for command in lab.about.solution.commands:
        put(console, translate(command), indent=2)


def solution(
    name: LabName,
    namespace: Namespace = None,
    colleague: Colleague = None,
    colleague_user: ColleagueUser = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="NOM",
            help="Nom de la base du catalogue, si ce n’est pas celui du TP.",
        ),
    ] = None,
    apply: Annotated[
        bool,
        typer.Option(
            "--appliquer",
            help="Appliquer la solution dans votre namespace, et l’écrire dans vos fichiers.",
        ),
    ] = False,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Montrer la solution d’un TP, avec vos noms ; --appliquer la met en place.

    Vos fichiers deviennent alors ceux du corrigé ; ce que vous aviez écrit est gardé à côté
    (proxy.yaml.avant).

    Exemples : cahier solution tp2 · cahier solution tp5 --collegue user-alice --base
    postgresql-cnpg-951239 --appliquer
    """
    from checks.access import kubeconfig as configuration
    from checks.lab import find_lab
    from checks.stage import rename

    lab = find_lab(name)
    try:
        own = namespace or configuration.read(kubeconfig).namespace
    except AccessError:
        if apply:
            raise
        own = lab.about.story.namespace

    given = remembered.options(
        lab, kubeconfig, namespace, colleague, colleague_user, database=database or ""
    )
    given.tell()
    with_whom = only_one(given.colleagues)
    database = given.database or None

    def named(text: str) -> str:
        return rename(text, lab.about.story, own, with_whom, database, given.colleague_user)

    _show_solution(lab, named)
    if apply:
        from checks.cli.play import apply_solution

        apply_solution(lab, kubeconfig, own, with_whom, database, given.colleague_user)
