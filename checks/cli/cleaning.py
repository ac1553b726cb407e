"""Before a lab is cleaned up: what its receipt keeps of it, and a receipt where none says all."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from checks.cli import remembered
from checks.cli.options import connect
from checks.errors import CahierError
from checks.french import moment, number
from checks.output import output
from checks.verdict import Status

if TYPE_CHECKING:
    from checks.lab import Lab
    from checks.sources.witness import WatchedCluster

_SECONDS = 5.0  # for what is just starting


@dataclass(frozen=True)
class Kept:
    """What a receipt keeps of a lab; none: no points, and no moment."""

    points: float = 0
    written: datetime | None = None


@dataclass(frozen=True)
class Look:
    """What was right just now, and the first thing that was not or could not be told."""

    points: float = 0
    missing: str = ""


def secure(lab: Lab, kubeconfig: str | None, namespace: str | None) -> bool:
    """Say what of a lab stays proven once it is removed, after verifying it where no receipt says
    all; whether to go on. Where nobody can be asked, one does."""
    given = remembered.options(lab, kubeconfig, namespace, None)
    cluster = connect(kubeconfig, namespace, given.colleagues, given.colleague_users, given.port)
    total = sum(check.points for check in lab.checks)
    kept, look = _kept(lab, cluster), Look()
    if kept.points < total:
        look = _verified(lab, cluster)
        kept = _kept(lab, cluster)
    console = output(stderr=True, soft_wrap=True)
    name = lab.short_name.upper()
    if kept.written is not None:
        console.print(
            f"{name} : {number(kept.points)} points sur {number(total)} restent prouvés, par votre "
            f"reçu du {moment(kept.written)}."
        )
    if kept.points == total or not (look.points or look.missing or kept.written):
        return True
    what = "le reste" if kept.written else "ce qui en est fait"
    console.print(
        f"{name} : {what} ne comptera pas une fois retiré. {look.missing}".rstrip(),
        style="yellow",
    )
    command = f"cahier verifier {lab.short_name}{_whom(lab, given.colleagues)}"
    console.print(f"Pour le faire compter, une fois juste : {command}")
    return not sys.stdin.isatty() or _agreed(name)


def _whom(lab: Lab, known: tuple[str, ...]) -> str:
    return " --collegue NAMESPACE" if lab.about.colleague == "required" and not known else ""


def _agreed(name: str) -> bool:
    """Whether the person at the terminal wants it removed all the same."""
    import typer

    return typer.confirm(f"Retirer quand même ce que {name} a laissé ?", default=False, err=True)


def _verified(lab: Lab, cluster: WatchedCluster) -> Look:
    """Verify, and leave the receipt."""
    from checks.runner import run
    from checks.sources.witness import leave_receipt

    with output(stderr=True).status(f"Vérification de {lab.short_name} avant de le retirer…"):
        try:
            verdict, _findings = run(
                lab, cluster, refresh=cluster.refresh, seconds=_SECONDS, on_check=cluster.begin
            )
        except CahierError as problem:
            return Look(0, problem.message)
        trouble = leave_receipt(cluster, lab, verdict)
    if not verdict.points:
        unsure = (Status.UNVERIFIED, Status.ERROR)
        return Look(0, next((one.finding for one in verdict.checks if one.status in unsure), ""))
    wrong = (one.finding for one in verdict.checks if one.status is not Status.PASSED)
    return Look(verdict.points, trouble or next(wrong, ""))


def _kept(lab: Lab, cluster: WatchedCluster) -> Kept:
    """What the receipt says, if it is one to be believed."""
    from checks.sources.receipts import Doubtful, vouching

    try:
        place = cluster.place()
        found = vouching(cluster.receipts(), lab.name, place)
    except (CahierError, Doubtful):
        return Kept()
    if found is None:
        return Kept()
    receipt, written = found
    right = [one for one in lab.checks if receipt.checks.get(one.id) is Status.PASSED]
    return Kept(sum(check.points for check in right), written)
