"""Whether somebody has begun a lab, told by comparing it with a namespace that is as the platform
made it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from checks.capabilities import Cluster
from checks.errors import CahierError
from checks.facts import OWNER_BINDING
from checks.grading.grade import Seen
from checks.grading.results import Past
from checks.lab import Lab, earlier
from checks.runner import run
from checks.sources.receipts import Reading
from checks.verdict import Status, Verdict

_GIVEN_KINDS = ("LimitRange", "Namespace", "ResourceQuota")
_GIVEN_NAMES = (OWNER_BINDING, "default", "kube-root-ca.crt")
_DECIDED = (Status.PASSED, Status.FAILED)


def is_given(kind: str, item: Mapping[str, Any]) -> bool:
    """Whether an object is in every namespace, before anybody works there."""
    return kind in _GIVEN_KINDS or item["metadata"]["name"] in _GIVEN_NAMES


def past_of(reading: Reading) -> Past | None:
    """What the person's receipt says, None where there is none to be believed. Raises
    ClusterLost."""
    found = reading.past()
    return Past(found[0].checks, found[1]) if found else None


def seen(lab: Lab, verdict: Verdict, reading: Reading, at: datetime | None, empty: Cluster) -> Seen:
    """What came of looking at a lab. `empty`: the same namespace without anything of the person's.
    Raises ClusterLost."""
    past = past_of(reading)
    return Seen(
        verdict,
        reading.counted,
        reading.vouched,
        at,
        past,
        past is not None or not reading.none_left() or _has_begun(lab, verdict, empty),
    )


def _has_begun(lab: Lab, verdict: Verdict, empty: Cluster) -> bool:
    """Whether anything of the lab was done, or may have been: what is unknown is no proof that
    nothing was.

    What an empty namespace shows too is nobody's work, and what the labs before this one show is
    theirs.
    """
    decided = all(result.status in (*_DECIDED, Status.SKIPPED) for result in verdict.checks)
    if decided and any(result.status is Status.PASSED for result in verdict.checks):
        return True
    try:
        nothing, _findings = run(lab, empty, refresh=lambda: None, seconds=0)
    except CahierError:
        return True
    elsewhere = {check.id for other in earlier(lab) for check in other.checks}
    for result in verdict.checks:
        without = nothing.check(result.id)
        if Status.ERROR in (result.status, without.status):
            return True
        if result.status is Status.UNVERIFIED and without.status in _DECIDED:
            return True  # here something could not be read
        same = result.status is without.status and result.finding == without.finding
        if result.status in _DECIDED and not same and result.id not in elsewhere:
            return True
    return False
