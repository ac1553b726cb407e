"""Grades every learner's labs, a few at a time; one learner's trouble never stops the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from checks.errors import AccessError, CahierError, Unverifiable
from checks.files import sweep
from checks.grading.results import (
    ClassGrades,
    LabGrade,
    Past,
    Store,
    from_verdict,
    of_class,
    without_verdict,
)
from checks.grading.roster import Learner
from checks.lab import Lab, earlier
from checks.redaction import described
from checks.verdict import Verdict

WORK = ".travail"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What was seen of one lab, and `at` what time of the cluster. `receipt`: when the learner's
    receipt that counts was written, None where none does; `by_receipt`: the checks that it alone
    says are right. `begun` is false where nothing of the lab was ever there."""

    verdict: Verdict
    receipt: datetime | None = None
    by_receipt: Collection[str] = ()
    at: datetime | None = None
    past: Past | None = None
    begun: bool = True


Verify = Callable[[Learner, Lab], Seen]
"""The verdict of one lab for one learner; called from several threads. May raise anything."""

OnSeen = Callable[[Learner, Lab, LabGrade, Seen], None]
"""Told of each lab that could be looked at, before its grade is kept; from several threads. What it
raises leaves the grade to be made again."""

OnGrade = Callable[[Learner, Lab, bool], None]
"""Told of each grade, in the order they come; the boolean says that it was kept from a former
run."""


class NotLookedAt(Unverifiable):
    """The lab could not be looked at, but the learner's receipt may tell of it."""

    def __init__(self, message: str, past: Past | None) -> None:
        super().__init__(message)
        self.past = past


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
    on_seen: OnSeen = lambda learner, lab, grade, seen: None,
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
    grades = grade_pairs(pairs, verify, store, workers=workers, on_grade=on_grade, on_seen=on_seen)
    return of_class(learners, labs, grades)


def grade_pairs(
    pairs: Sequence[tuple[Learner, Lab]],
    verify: Verify,
    store: Store,
    *,
    workers: int,
    on_grade: OnGrade,
    on_seen: OnSeen = lambda learner, lab, grade, seen: None,
) -> Mapping[tuple[str, str], LabGrade]:
    """The grade of each learner and lab, by their names: the store's, else made and kept there.
    Raises as above."""
    grades: dict[tuple[str, str], LabGrade] = {}
    todo = []
    for lab in {lab.name: lab for _learner, lab in pairs}.values():
        # imported here once: an import that two threads begin together is seen half-made
        for one in (lab, *earlier(lab)):
            _ = one.checks
    for learner, lab in pairs:
        kept = store.read(learner, lab)
        if kept is None:
            todo.append((learner, lab))
        else:
            grades[learner.identifier, lab.name] = kept
            on_grade(learner, lab, True)
    with ThreadPoolExecutor(workers, thread_name_prefix="noter") as pool:
        stopping = threading.Event()
        try:
            running = [
                pool.submit(_grade_labs, store, verify, on_seen, learner, theirs, stopping)
                for learner, theirs in _by_learner(todo)
            ]
            for done in as_completed(running):
                for learner, lab, grade in done.result():
                    grades[learner.identifier, lab.name] = grade
                    on_grade(learner, lab, False)
        except BaseException:
            # the labs that are being looked at end, and are kept; what waits never begins
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return grades


def _by_learner(pairs: Sequence[tuple[Learner, Lab]]) -> Sequence[tuple[Learner, Sequence[Lab]]]:
    """The labs of each learner, who are looked at by one thread: what is read for one lab serves
    the others."""
    found: dict[str, tuple[Learner, list[Lab]]] = {}
    for learner, lab in pairs:
        found.setdefault(learner.identifier, (learner, []))[1].append(lab)
    return [*found.values()]


def _grade_labs(
    store: Store,
    verify: Verify,
    on_seen: OnSeen,
    learner: Learner,
    labs: Sequence[Lab],
    stopping: threading.Event,
) -> Sequence[tuple[Learner, Lab, LabGrade]]:
    graded = []
    for lab in labs:
        if stopping.is_set():
            break
        graded.append((learner, lab, _grade(store, verify, on_seen, learner, lab)))
    return graded


def _grade(store: Store, verify: Verify, on_seen: OnSeen, learner: Learner, lab: Lab) -> LabGrade:
    trouble = False
    seen = past = None
    try:
        seen = verify(learner, lab)
        past = seen.past
        grade = from_verdict(lab, seen.verdict, seen.receipt, seen.by_receipt, begun=seen.begun)
    except NamespaceMissing as missing:
        grade = without_verdict(lab, missing.message, absent=True)
    except NotLookedAt as problem:
        past = problem.past
        grade = without_verdict(lab, problem.message)
    except CahierError as problem:
        trouble = isinstance(problem, AccessError)
        grade = without_verdict(lab, problem.message)
    except Exception as error:
        _log.exception("%s %s", learner.identifier, lab.name)
        trouble = True
        grade = without_verdict(lab, f"Le vérificateur a un problème : {described(error)}")
    if seen is not None:
        on_seen(learner, lab, grade, seen)
    store.write(learner, lab, grade, past=past, trouble=trouble)
    return grade
