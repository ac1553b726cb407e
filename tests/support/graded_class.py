"""A small class that is graded without any cluster: right, wrong, open, absent, in trouble."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checks.errors import Unverifiable
from checks.grading.exports import write_all
from checks.grading.grade import NamespaceMissing, Seen, Verify, grade_class
from checks.grading.results import ClassGrades
from checks.grading.roster import Learner
from checks.lab import Lab, find_lab
from checks.verdict import CheckResult, Status, Verdict, overall

LABS = [find_lab("tp2"), find_lab("tp5")]
RECEIPT = datetime(2026, 11, 25, 9, 40, 12, tzinfo=UTC)


def learner(number: int, **changes: Any) -> Learner:
    usual = Learner(
        identifier=f"e{number}",
        last_name=f"Nom{number}",
        first_name=f"Prénom{number}",
        email=f"e{number}@exemple.fr",
        namespace=f"user-e{number}",
        colleague=f"user-e{number + 1}",
        line=number + 1,
    )
    return dataclasses.replace(usual, **changes)


def verdict(
    lab: Lab, who: Learner, *, failed: Sequence[str] = (), unverified: Sequence[str] = ()
) -> Verdict:
    """A verdict as the runner makes it: what depends on something that is not passed is skipped."""
    results: dict[str, CheckResult] = {}
    for check in lab.checks:
        status = Status.PASSED
        if any(results[before.id].status is not Status.PASSED for before in check.after):
            status = Status.SKIPPED
        elif check.id in failed:
            status = Status.FAILED
        elif check.id in unverified:
            status = Status.UNVERIFIED
        results[check.id] = CheckResult(
            id=check.id,
            title=check.title,
            status=status,
            points=check.points if status is Status.PASSED else 0,
            points_max=check.points,
            finding=""
            if status is Status.PASSED
            else f"{status} : {check.id} dans {who.namespace}.",
            cause="Une cause." if status is Status.FAILED else "",
            duration_ms=random.randrange(1000),
        )
    return Verdict(
        lab=lab.name,
        namespace=who.namespace,
        user="oidc",
        status=overall([result.status for result in results.values()]),
        points=sum(result.points for result in results.values()),
        points_max=sum(result.points_max for result in results.values()),
        checks=tuple(results.values()),
    )


def mixed(who: Learner, lab: Lab) -> Seen:
    """Right, wrong, open, absent or in trouble, by the learner's number."""
    kind = int(who.identifier[1:]) % 6
    if kind == 1:
        return Seen(verdict(lab, who, failed=[lab.checks[1].id]))
    if kind == 2:
        return Seen(verdict(lab, who, unverified=["un_tunnel_ecoute_sur_votre_poste"]))
    if kind == 3:
        raise NamespaceMissing(f"Le namespace {who.namespace} n’existe pas sur ce cluster.")
    if kind == 4:
        raise ZeroDivisionError("oups")
    if kind == 5:
        raise Unverifiable("Ce TP se fait à deux.")
    return Seen(verdict(lab, who), RECEIPT)


CLASS = [learner(number) for number in range(12)]


def run(
    folder: Path,
    verify: Verify = mixed,
    learners: Sequence[Learner] = CLASS,
    *,
    resume: bool = False,
) -> ClassGrades:
    grades = grade_class(learners, LABS, verify, folder, workers=4, resume=resume)
    write_all(folder, grades, {lab.name: lab.about.path for lab in LABS})
    return grades


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
