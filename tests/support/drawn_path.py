"""The path of a lab as it is drawn for a verdict, and the law that both keep."""

from __future__ import annotations

import msgspec

from checks.drawing import steps
from checks.lab import Lab
from checks.verdict import Diagnostic, Status, Verdict, overall
from tests.support.screen import verdict

STOPS, TOO_OPEN, FRAGILE = "← le chemin s’arrête ici", "← trop ouvert", "← ne tiendra pas"


def played(lab: Lab, *failing: str) -> Verdict:
    """The verdict where the checks of `failing` fail, those that are asked."""
    statuses: dict[str, Status] = {}
    for check in lab.checks:
        blocked = any(statuses[one.id] is not Status.PASSED for one in check.after)
        asked = Status.FAILED if check.id in failing else Status.PASSED
        statuses[check.id] = Status.SKIPPED if blocked else asked
    model = verdict(lab, "", Diagnostic("", "", ""))
    checks = tuple(msgspec.structs.replace(one, status=statuses[one.id]) for one in model.checks)
    return msgspec.structs.replace(model, checks=checks, status=overall(list(statuses.values())))


def drawn(lab: Lab, shown: Verdict) -> list[str]:
    return [
        f"{'' if step.is_station else '│ '}{step.symbol} {step.words}"
        + (f"   ← {step.note}" if step.note else "")
        for step in steps(lab.about.path, shown.statuses)
    ]


def agrees(lab: Lab, shown: Verdict) -> None:
    """The law: the first red of the path is where the first red sentence has its place."""
    lines = drawn(lab, shown)
    red = next((line for line in lines if "✘" in line), "")
    first = next((one.id for one in shown.checks if one.status is Status.FAILED), "")
    hop = next((hop for hop in lab.about.path if first in hop.drawn), None)
    if hop is None:
        assert red == "", lines
        return
    on_the_way = first in (*hop.checks, *hop.closed)
    assert (hop.link if on_the_way else hop.place) in red, lines
    stopping = hop.checks if on_the_way else hop.stands
    stopped = any(shown.check(name).status is Status.FAILED for name in stopping)
    assert red.endswith(STOPS) is stopped, lines
