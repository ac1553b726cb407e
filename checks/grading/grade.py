"""Grades every learner's labs, a few at a time; one learner's trouble never stops the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from checks.errors import AccessError, CahierError
from checks.files import sweep
from checks.grading.results import (
    ClassGrades,
    LabGrade,
    Store,
    from_verdict,
    of_class,
    without_verdict,
)
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.redaction import described
from checks.verdict import Verdict

WORK = ".travail"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What was seen of one lab. `receipt`: when the learner's receipt that counts was written, None
    where none does."""

    verdict: Verdict
    receipt: datetime | None = None


Verify = Callable[[Learner, Lab], Seen]
"""The verdict of one lab for one learner; called from several threads. May raise anything."""

OnGrade = Callable[[Learner, Lab, bool], None]
"""Told of each grade, in the order they come; the boolean says that it was kept from a former
run."""


class NamespaceMissing(CahierError):
    """The learner's namespace is not on the cluster: they are absent, which is no zero."""


def not_there(namespace: str) -> str:
    """What is said of a learner's namespace that is not on the cluster."""
    return f"Le namespace {namespace} n’existe pas sur ce cluster."


def colleague_not_there(namespace: str) -> str:
    """What is said of a colleague's."""
    return f"Le namespace du collègue, {namespace}, n’existe pas sur ce cluster."


def grade_class(
    learners: Sequence[Learner],
    labs: Sequence[Lab],
    verify: Verify,
    folder: Path,
    *,
    resume: bool = False,
    workers: int = 8,
    on_grade: OnGrade = lambda learner, lab, kept: None,
) -> ClassGrades:
    """Grades of the class, which depend on neither order nor interruptions.

    Each grade is kept below `folder` as soon as it is made. `resume` grades only what is not there
    yet, and what the checker or the cluster had trouble with. Raises what interrupts it
    (KeyboardInterrupt), once the grades that had begun are kept.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # marks are nobody else's
    store = Store(folder / WORK)
    sweep(folder)
    if not resume:
        store.clear()
    pairs = [(learner, lab) for learner in learners for lab in labs]
    grades = grade_pairs(pairs, verify, store, workers=workers, on_grade=on_grade)
    return of_class(learners, labs, grades)


def grade_pairs(
    pairs: Sequence[tuple[Learner, Lab]],
    verify: Verify,
    store: Store,
    *,
    workers: int,
    on_grade: OnGrade,
) -> Mapping[tuple[str, str], LabGrade]:
    """The grade of each learner and lab, by their names: the store's, else made and kept there.
    Raises as above."""
    grades: dict[tuple[str, str], LabGrade] = {}
    todo = []
    for lab in {lab.name: lab for _learner, lab in pairs}.values():
        # imported here once: an import that two threads begin together is seen half-made
        _ = lab.checks
    for learner, lab in pairs:
        kept = store.read(learner, lab)
        if kept is None:
            todo.append((learner, lab))
        else:
            grades[learner.identifier, lab.name] = kept
            on_grade(learner, lab, True)
    with ThreadPoolExecutor(workers, thread_name_prefix="noter") as pool:
        try:
            running = {
                pool.submit(_grade, store, verify, learner, lab): (learner, lab)
                for learner, lab in todo
            }
            for done in as_completed(running):
                learner, lab = running[done]
                grades[learner.identifier, lab.name] = done.result()
                on_grade(learner, lab, False)
        except BaseException:
            # what runs ends, and is kept; what waits never begins
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return grades


def _grade(store: Store, verify: Verify, learner: Learner, lab: Lab) -> LabGrade:
    trouble = False
    try:
        seen = verify(learner, lab)
        grade = from_verdict(lab, seen.verdict, seen.receipt)
    except NamespaceMissing as missing:
        grade = without_verdict(lab, missing.message, absent=True)
    except CahierError as problem:
        trouble = isinstance(problem, AccessError)
        grade = without_verdict(lab, problem.message)
    except Exception as error:
        _log.exception("%s %s", learner.identifier, lab.name)
        trouble = True
        grade = without_verdict(lab, f"Le vérificateur a un problème : {described(error)}")
    store.write(learner, lab, grade, trouble=trouble)
    return grade
