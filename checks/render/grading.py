"""What a grading says on the terminal: how it goes, then what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from checks.errors import CahierError
from checks.french import enumeration, plural
from checks.grading.exports.pages import cell
from checks.grading.exports.worksheet import Filled
from checks.grading.groups import AT_WORK, members
from checks.grading.results import DECISIONS, ClassGrades
from checks.grading.roster import Learner
from checks.output import output


def console_of(*, stderr: bool = False) -> Console:
    """Where the command speaks: what it found, or, on standard error, how it goes."""
    return output(stderr=stderr, soft_wrap=True)


def progress_bar(console: Console) -> Progress:
    """A bar with an estimate of the time left; nothing where no person looks."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("reste"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


def conclude(console: Console, grades: ClassGrades, folder: Path, to_decide: int) -> None:
    """Say how many are graded, and what the teacher has to look at: so many lines `to_decide`."""
    count = {
        state: sum(each.state == state for each in grades.learners)
        for state in ("graded", "review", "absent")
    }
    console.print(
        f"{plural(len(grades.learners), 'personne')}, {len(grades.labs)} TP : "
        f"{plural(count['graded'], 'entièrement notée')}, "
        f"{count['review']} à revoir, {plural(count['absent'], 'absente')}."
    )
    names = {lab.name: lab.short_name for lab in grades.labs}
    for learner in grades.learners:
        if learner.state == "absent":
            console.print(f"  – {learner.identifier} : absent, sans note. {learner.labs[0].reason}")
        elif learner.state == "review":
            still_open = ", ".join(
                f"{names[lab.lab]} ({cell(lab).text} sur 20)"
                for lab in learner.labs
                if lab.state != "graded"
            )
            console.print(f"  ? {learner.identifier} : à revoir, sans note : {still_open}")
    labs = [lab for learner in grades.learners for lab in learner.labs]
    removed = sum(lab.removed for lab in labs)
    vouched = sum(any(check.proof == "receipt" for check in lab.checks) for lab in labs)
    if removed:
        console.print(f"  ↺ {removed} TP : fait, retiré depuis, et compté quand même.")
    if vouched:
        console.print(
            f"  · {vouched} TP : une partie au moins d’après le seul reçu de la personne."
        )
    if to_decide:
        console.print(
            f"À décider : {plural(to_decide, 'ligne')} dans {folder / DECISIONS} ; remplissez la "
            "colonne « note », puis relancez la même commande avec --reprendre"
        )
    console.print(f"Rapport : {folder / 'rapport.html'}")


def conclude_worksheet(console: Console, filled: Filled, worksheet: Path) -> None:
    """Say what came of the Moodle worksheet."""
    console.print(f"Feuille Moodle {worksheet} : {plural(filled.marks, 'note posée')}.")
    if filled.unknown:
        console.print(
            f"  Pas dans la liste de classe, laissées telles quelles : {', '.join(filled.unknown)}"
        )
    if filled.left:
        console.print(f"  Sans note dans la feuille : {', '.join(filled.left)}")


def not_kept(folder: Path, error: OSError) -> CahierError:
    """The error for a grade that the disk does not take."""
    return CahierError(
        f"Une note n’a pas pu être gardée dans {folder} : {error.strerror or error}.",
        "Libérez de la place ou choisissez un autre dossier, puis relancez avec --reprendre.",
    )


def tell_groups(errors: Console, roster: Path, learners: Sequence[Learner]) -> None:
    """Say how many pairs the groups made, and which are too large to tell who works with whom."""
    groups = members(learners)
    sizes = Counter(len(them) for them in groups.values())
    made = [f"{plural(sizes[size], 'groupe')} de {size}" for size in AT_WORK if sizes.get(size)]
    if made:
        errors.print(f"{roster.name} : collègues d’après les groupes, {enumeration(made)}.")
    large = [
        f"« {name[:60]} » ({plural(len(them), 'personne')})"
        for name, them in groups.items()
        if len(them) > max(AT_WORK)
    ]
    if large:
        errors.print(
            f"? {roster.name} : trop de monde pour dire qui travaille avec qui dans "
            f"{', '.join(large)} ; on n’y cherche pas de collègue.",
            style="yellow",
        )


def tell_shared(errors: Console, roster: Path, learners: Sequence[Learner]) -> None:
    """Say who works in the same namespace: a project's people, or a line that was copied."""
    people: dict[str, list[Learner]] = {}
    for learner in learners:
        people.setdefault(learner.namespace, []).append(learner)
    for namespace, them in people.items():
        if len(them) > 1:
            lines = ", ".join(str(one.line) for one in them)
            errors.print(
                f"? {roster.name}, lignes {lines} : ces personnes travaillent toutes dans "
                f"{namespace} ; le même travail y comptera pour chacune.",
                style="yellow",
            )
