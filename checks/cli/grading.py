"""Commands of the teacher: `noter` grades a class, `droits-enseignant` prints the rights that it
needs, `partager` gives them in one namespace."""

from __future__ import annotations

import contextlib
import shlex
import sys
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from checks.cli.french import Command
from checks.cli.moodle import Replace, ToMoodle
from checks.cli.options import (
    CLUSTER,
    IN_CLUSTER,
    Image,
    Kubeconfig,
    Namespace,
    NamespaceTemplate,
    PodsNamespace,
    require_coherent,
)
from checks.errors import EXIT_UNVERIFIED, AccessError, CahierError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from checks.cli.marks import Marks
    from checks.grading.grade import OnSeen, Verify
    from checks.grading.results import ClassGrades
    from checks.grading.roster import Learner
    from checks.grading.snapshots import SnapshotVerifier
    from checks.grading.view import LiveVerifier
    from checks.lab import Lab

    Publish = Callable[[ClassGrades], int]


class ReceiptChoice(StrEnum):
    """What becomes of what a receipt alone vouches for."""

    COUNT = "compter"
    REVIEW = "revoir"
    IGNORE = "ignorer"


_PANEL = "Pour l’enseignant"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("noter", cls=Command, rich_help_panel=_PANEL)(grade)
    app.command("droits-enseignant", cls=Command, rich_help_panel=_PANEL)(rights)
    app.command("partager", cls=Command, rich_help_panel=_PANEL)(share)


def rights(
    each: Annotated[
        str | None,
        typer.Option(
            "--par-personne",
            metavar="ENSEIGNANT",
            help="Écrire à la place le Role et la RoleBinding que chaque personne applique dans "
            "son namespace.",
        ),
    ] = None,
) -> None:
    """Écrire le plus petit ClusterRole dont « noter » a besoin.

    Il ne permet que de lire, et aucun Secret. En administrateur du cluster, pour l’enseignant
    oidc-prof :

    cahier droits-enseignant | kubectl apply -f -

    kubectl create clusterrolebinding cahier-enseignant --clusterrole=cahier-enseignant
    --user=oidc-prof

    Sans administrateur, chaque personne donne ces droits chez elle : cahier partager oidc-prof
    """
    from checks.local_sspcloud import teacher

    sys.stdout.write(teacher.cluster_role() if each is None else teacher.manifest(each))


def share(
    who: Annotated[
        str,
        typer.Argument(
            metavar="ENSEIGNANT", help="Son nom pour le cluster (chez lui : kubectl auth whoami)."
        ),
    ],
    withdrawn: Annotated[bool, typer.Option("--retirer", help="Reprendre ce droit.")] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Laisser un enseignant lire votre namespace, pour qu’il note vos TP.

    Il ne lit aucun Secret, ne change rien et n’entre dans aucun pod. Les phrases des TP qui disent
    « personne d’autre » restent vraies.

    Exemple : cahier partager oidc-prof
    """
    from checks.access.kubernetes_api import Api
    from checks.local_sspcloud import teacher

    api = Api(kubeconfig)
    place = namespace or api.credentials.namespace
    if not withdrawn:
        if who == api.who_am_i():
            raise UsageError(
                f"« {who} », c’est vous : il faut le nom de l’enseignant.",
                "Il le lit chez lui avec : kubectl auth whoami",
            )
        teacher.share(api, place, who)
        typer.echo(f"{who} peut lire {place} pour noter vos TP : aucun Secret, aucun changement.")
        typer.echo(f"Pour reprendre ce droit : cahier partager {shlex.quote(who)} --retirer")
    elif teacher.withdraw(api, place, who):
        typer.echo(f"{who} ne peut plus lire {place}.")
    else:
        typer.echo(f"{who} n’avait pas ce droit dans {place}.")


def grade(
    roster: Annotated[
        Path,
        typer.Argument(
            metavar="CLASSE.csv",
            help="La liste (CSV, Excel, LibreOffice ou export de Moodle) : identifiant, nom, "
            "prenom, email, namespace, collegue ou groupe.",
        ),
    ],
    only: Annotated[
        str | None,
        typer.Option(
            "--labs", metavar="TP,TP", help="Les TP à noter, par exemple tp2,tp5 (sinon tous)."
        ),
    ] = None,
    model: NamespaceTemplate = None,
    output: Annotated[
        Path | None,
        typer.Option("--sortie", metavar="DOSSIER", help="Où écrire (par défaut : notes-CLASSE)."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--reprendre", help="Continuer une notation interrompue, sans rien noter deux fois."
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--paralleles",
            metavar="N",
            min=1,
            max=64,
            help="Combien de TP sont regardés à la fois, ou par partie.",
        ),
    ] = 8,
    worksheet: Annotated[
        Path | None,
        typer.Option(
            "--feuille-moodle",
            metavar="FICHIER",
            help="Votre feuille d’évaluation téléchargée de Moodle : sa colonne « Note » est "
            "remplie sur place.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--depuis",
            metavar="ARCHIVE",
            help="Noter sans cluster, d’après « instantane --classe » ou un dossier d’instantanés "
            "(NAMESPACE.json[.gz]).",
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            "--historique",
            metavar="FICHIER",
            help="Où garder ce qui a été prouvé, et quand (par défaut : historique-CLASSE.sqlite, "
            "à côté de la liste).",
        ),
    ] = None,
    receipts: Annotated[
        ReceiptChoice,
        typer.Option(
            "--recus",
            help="Ce que seul le reçu d’une personne dit : le compter, le laisser à décider, ou "
            "n’en rien retenir.",
        ),
    ] = ReceiptChoice.COUNT,
    before: Annotated[
        str | None,
        typer.Option(
            "--avant",
            metavar="DATE",
            help="Ne compter que ce qui était prouvé à cette date : 12/03/2026, ou "
            "'12/03/2026 18:00'.",
        ),
    ] = None,
    settled: Annotated[
        Path | None,
        typer.Option(
            "--decisions",
            metavar="FICHIER",
            help="Vos décisions sur ce que rien n’a pu juger (par défaut : decisions.csv, dans le "
            "dossier).",
        ),
    ] = None,
    to_moodle: ToMoodle = False,
    replace: Replace = False,
    in_cluster: Annotated[
        bool,
        typer.Option(
            IN_CLUSTER,
            help="Noter par un Job du cluster, pour une très grande classe.",
            **CLUSTER,
        ),
    ] = False,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--planifier",
            metavar="HORAIRE",
            help="Noter à heures fixes : '0 20 * * *', heure de Paris.",
            **CLUSTER,
        ),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option(
            "--recuperer", help="Écrire ce que la notation planifiée a noté en dernier.", **CLUSTER
        ),
    ] = False,
    parts: Annotated[
        int | None,
        typer.Option(
            "--parties",
            metavar="N",
            min=1,
            max=100,
            help="Partager la classe en N pods (un pour 40).",
            **CLUSTER,
        ),
    ] = None,
    image: Image = None,
    namespace: PodsNamespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Noter une classe : une liste en entrée, un dossier en sortie.

    Rien n’est écrit dans les namespaces. Une note est le meilleur de ce qui a été prouvé : ce qui a
    été retiré depuis compte. Ce que rien n’a pu juger n’est pas un zéro : ces TP restent sans note,
    et decisions.csv les énumère. Le dossier contient rapport.html, des notes pour Moodle et pour un
    tableur, et un retour par personne.

    Code de sortie : 0 tout est noté · 2 mauvaise utilisation · 3 il reste quelque chose à revoir.

    Exemple : cahier noter classe.csv --labs tp2,tp5
    """
    from checks import installation

    installation.need("enseignant")
    from checks.cli.marks import marks as open_marks
    from checks.grading.exports import worksheet as moodle_worksheet
    from checks.grading.naming import NamespaceModel
    from checks.grading.roster import read_roster
    from checks.render.grading import console_of, tell_groups, tell_shared

    if to_moodle:
        installation.need("moodle")
        from checks.moodle.link import load

        load(roster)  # told before an hour of grading
    cluster_options = {
        "--planifier": schedule,
        "--recuperer": fetch,
        "--parties": parts,
        "--image": image,
        "--namespace": namespace,
    }
    require_coherent(
        {
            IN_CLUSTER: in_cluster,
            "--depuis": source,
            "--reprendre": resume,
            "--moodle": to_moodle,
            "--remplacer": replace,
            **cluster_options,
        },
        {**dict.fromkeys(cluster_options, IN_CLUSTER), "--remplacer": "--moodle"},
        (
            ("--planifier", "--moodle"),
            (IN_CLUSTER, "--depuis"),
            ("--planifier", "--reprendre"),
            ("--planifier", "--recuperer"),
            ("--recuperer", "--reprendre"),
        ),
    )
    labs = chosen(only)
    learners = read_roster(roster, None if model is None else NamespaceModel(model))
    if worksheet is not None:
        moodle_worksheet.check(worksheet)
    folder = _folder(output or Path(f"notes-{roster.stem}"))
    errors = console_of(stderr=True)
    publish: Publish = (
        partial(_publish, roster, learners, labs, replace=replace)
        if to_moodle
        else lambda grades: 0
    )
    chosen_marks = partial(
        open_marks,
        roster,
        folder,
        learners,
        labs,
        history=history,
        receipts=receipts.value,
        before=before,
        settled=settled,
        recorded=source is not None,
    )
    if any(lab.about.colleague != "none" for lab in labs):
        tell_groups(errors, roster, learners)
    tell_shared(errors, roster, learners)
    if in_cluster:
        from checks.cli.grading_in_cluster import ClusterGrading

        grading = ClusterGrading(
            roster, learners, labs, folder, kubeconfig, namespace, image, parts, workers
        )
        if schedule is not None:
            grading.plan(schedule)
            return
        with alone_in(folder), chosen_marks() as marks:
            grades = grading.fetch() if fetch else grading.run(resume=resume)
            grades = marks.of(grades, learners, labs, grading.store, grading.looked_at)
            code = write_and_conclude(grades, labs, folder, worksheet, marks, publish)
            raise typer.Exit(code)
    with alone_in(folder), chosen_marks() as marks:
        verify: Verify
        if source:
            verify = from_snapshots(errors, roster, source, learners)
        else:
            verify = from_cluster(errors, roster, learners, kubeconfig)
        raise typer.Exit(
            grade_and_write(
                verify,
                learners,
                labs,
                folder,
                worksheet,
                marks,
                publish,
                resume=resume,
                workers=workers,
            )
        )


def _publish(
    roster: Path,
    learners: Sequence[Learner],
    labs: Sequence[Lab],
    grades: ClassGrades,
    *,
    replace: bool,
) -> int:
    """Send what is settled to the grade book; the exit code. Raises UsageError, Trouble."""
    from checks.cli.moodle import send_all, sender_of
    from checks.moodle.sending import of_grades

    with sender_of(roster, learners, replace=replace) as (sender, missing):
        code = send_all(sender, of_grades(grades, learners, labs, datetime.now(UTC)))
        return code or (EXIT_UNVERIFIED if missing else 0)


def _folder(path: Path) -> Path:
    """The same, for results. Raises UsageError where a file is there."""
    if path.exists() and not path.is_dir():
        raise UsageError(
            f"{path} existe et n’est pas un dossier.", "Choisissez-en un autre avec --sortie."
        )
    return path


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep an output folder for this process; one that is killed lets go of it. Raises UsageError,
    CahierError."""
    from checks.grading.grade import WORK
    from checks.lock import at_once

    busy = UsageError(
        f"Une autre commande « cahier noter » écrit déjà dans {folder}.",
        "Attendez qu’elle finisse, puis relancez avec --reprendre ; ou choisissez un autre dossier "
        "avec --sortie.",
    )
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(at_once(folder / WORK / "verrou", busy))
        except OSError as error:
            raise CahierError(
                f"On ne peut pas écrire dans {folder} : {error.strerror or error}.",
                "Choisissez un autre dossier avec --sortie.",
            ) from error
        yield


def from_cluster(
    errors: Console, roster: Path, learners: Sequence[Learner], kubeconfig: str | None
) -> LiveVerifier:
    """Verdicts of the cluster as it is now; says whose namespace does not exist. Raises
    AccessError."""
    from checks.access.kubernetes_api import Api
    from checks.grading.roster import several
    from checks.grading.view import LiveVerifier
    from checks.render.problem import show

    api = Api(kubeconfig, without_secrets=True)
    verify = LiveVerifier(api, learners)
    own = {learner.namespace for learner in learners}
    for learner in learners:
        where = f"? {roster.name}, ligne {learner.line} : le namespace"
        if learner.namespace in verify.missing:
            errors.print(
                f"{where} {learner.namespace} n’existe pas ; {learner.identifier} sera sans note.",
                style="yellow",
            )
        if learner.namespace in verify.closed:
            errors.print(
                f"{where} {learner.namespace} vous est fermé ; {learner.identifier} sera sans "
                "note.",
                style="yellow",
            )
        for name in several(learner.colleague):
            if name in verify.missing:
                errors.print(f"{where} du collègue, {name}, n’existe pas.", style="yellow")
            if name in verify.closed - own:
                errors.print(f"{where} du collègue, {name}, vous est fermé.", style="yellow")
    if verify.closed:
        show(
            AccessError(
                "Namespaces de la liste qui vous sont fermés : "
                f"{', '.join(sorted(verify.closed))}."
                + (" Ces personnes seront sans note." if verify.closed <= own else ""),
                "Chacune vous donne le droit de lire le sien par : cahier partager "
                f"{shlex.quote(api.who_am_i())}\nOu faites-vous donner, pour toute la classe, les "
                "droits que montre « cahier droits-enseignant ». Un service VSCode n’en a que dans "
                "son propre namespace, quel que soit son rôle : notez avec votre propre identité "
                "(--kubeconfig).",
            )
        )
    return verify


def from_snapshots(
    errors: Console, roster: Path, folder: Path, learners: Sequence[Learner]
) -> SnapshotVerifier:
    """Verdicts of recorded namespaces; says whose is not there. Raises UsageError."""
    from checks.french import moment
    from checks.grading.snapshots import SnapshotVerifier

    verify = SnapshotVerifier(folder)
    if verify.taken is not None:
        errors.print(
            f"Classe enregistrée le {moment(verify.taken)} : ce qui suit n’est pas en direct."
        )
    for learner in learners:
        if verify.file(learner.namespace) is None:
            errors.print(
                f"? {roster.name}, ligne {learner.line} : {verify.reason(learner.namespace)} "
                f"{learner.identifier} sera sans note.",
                style="yellow",
            )
    return verify


def chosen(names: str | None) -> Sequence[Lab]:
    """The labs of `--labs`, in the workbook's order, each once; all of them when it is not given.
    Raises UsageError."""
    from checks.lab import all_labs, find_lab

    if names is None:
        return all_labs()
    wanted = {find_lab(name).name for name in names.replace(";", ",").split(",") if name.strip()}
    if not wanted:
        raise UsageError("--labs ne nomme aucun TP.", "Écrivez par exemple --labs tp2,tp5")
    return [lab for lab in all_labs() if lab.name in wanted]


def grade_and_write(
    verify: Verify,
    learners: Sequence[Learner],
    labs: Sequence[Lab],
    folder: Path,
    worksheet: Path | None,
    marks: Marks,
    publish: Publish,
    *,
    resume: bool,
    workers: int,
) -> int:
    """Grade, write everything, say what came of it; the exit code."""
    from checks.grading.grade import WORK
    from checks.grading.results import Store
    from checks.render.grading import console_of

    grades = with_progress(
        console_of(stderr=True),
        learners,
        labs,
        verify,
        folder,
        resume=resume,
        workers=workers,
        on_seen=marks.recorder.seen,
    )
    grades = marks.of(grades, learners, labs, Store(folder / WORK))
    return write_and_conclude(grades, labs, folder, worksheet, marks, publish)


def write_and_conclude(
    grades: ClassGrades,
    labs: Sequence[Lab],
    folder: Path,
    worksheet: Path | None,
    marks: Marks,
    publish: Publish,
) -> int:
    """Write everything, say what came of it, then send it elsewhere; the exit code."""
    from checks.grading import decisions
    from checks.grading.exports import worksheet as moodle_worksheet
    from checks.grading.exports import write_all
    from checks.installation import documentation
    from checks.render.grading import conclude, conclude_worksheet, console_of

    console = console_of()
    try:
        paths = {lab.name: lab.about.path for lab in labs}
        write_all(folder, grades, paths, marks.story, documentation())
        to_decide = decisions.save(folder, grades, marks.decisions)
        filled = moodle_worksheet.fill(worksheet, grades) if worksheet else None
    except OSError as error:
        raise CahierError(
            f"Les notes n’ont pas pu être écrites dans {folder} : {error.strerror or error}.",
            "Libérez de la place ou choisissez un autre dossier, puis relancez avec --reprendre.",
        ) from error
    conclude(console, grades, folder, to_decide)
    if filled is not None and worksheet is not None:
        conclude_worksheet(console, filled, worksheet)
    sent = publish(grades)  # the files are there, whatever comes of it
    graded = all(learner.state == "graded" for learner in grades.learners)
    return sent if graded else EXIT_UNVERIFIED


def with_progress(
    console: Console,
    learners: Sequence[Learner],
    labs: Sequence[Lab],
    verify: Verify,
    folder: Path,
    *,
    resume: bool,
    workers: int,
    on_seen: OnSeen = lambda learner, lab, grade, seen: None,
) -> ClassGrades:
    """Grade with a progress bar and an estimate of the time left; an interruption says how to
    continue."""
    from checks.grading.grade import grade_class
    from checks.render.grading import not_kept, progress_bar

    count = 0
    try:
        with progress_bar(console) as progress:
            task = progress.add_task("Notation", total=len(learners) * len(labs))

            def on_grade(learner: Learner, lab: Lab, kept: bool) -> None:
                nonlocal count
                count += 1
                if kept:  # an estimate is made of what is really done now
                    progress.reset(task, total=len(learners) * len(labs), completed=count)
                else:
                    progress.advance(task)

            return grade_class(
                learners,
                labs,
                verify,
                folder,
                resume=resume,
                workers=workers,
                on_grade=on_grade,
                on_seen=on_seen,
            )
    except KeyboardInterrupt:
        console.print(
            f"\nDéjà noté et gardé dans {folder} : {count} sur {len(learners) * len(labs)}. "
            "Pour continuer : la même commande avec --reprendre",
        )
        raise
    except OSError as error:
        raise not_kept(folder, error) from error
