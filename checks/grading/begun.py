"""Whether somebody has begun a lab, told by comparing their namespace with the one that the lab
finds."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from functools import cache

from checks.capabilities import Cluster
from checks.errors import CahierError
from checks.grading.as_teacher import is_never_seen
from checks.grading.grade import Seen
from checks.grading.results import Past
from checks.grading.start import starts_with_a_base
from checks.lab import Lab, earlier
from checks.runner import looks
from checks.sources.receipts import Reading
from checks.verdict import Status, Verdict

_DECIDED = (Status.PASSED, Status.FAILED)


def past_of(reading: Reading) -> Past | None:
    """What the person's receipt says, None where there is none to be believed. Raises
    ClusterLost."""
    found = reading.past()
    return Past(found[0].checks, found[1]) if found else None


def seen(lab: Lab, verdict: Verdict, reading: Reading, at: datetime | None, start: Cluster) -> Seen:
    """What came of looking at a lab. `start`: the same namespace as the lab finds it.
    Raises ClusterLost."""
    past = past_of(reading)
    return Seen(
        verdict,
        reading.counted,
        reading.vouched,
        at,
        past,
        past is not None or not reading.none_left() or _has_begun(lab, verdict, start),
    )


def _has_begun(lab: Lab, verdict: Verdict, start: Cluster) -> bool:
    """Whether anything of the lab was done, or may have been: what is unknown is no proof that
    nothing was.

    What the start shows too is nobody's work, and what the labs before this one show is theirs.
    """
    elsewhere = _checks_before(lab)
    own = [result for result in verdict.checks if result.id not in elsewhere]
    decided = all(result.status in (*_DECIDED, Status.SKIPPED) for result in verdict.checks)
    if decided and any(result.status is Status.PASSED for result in own):
        return True
    there = set()
    try:
        for result, (without, _found) in zip(verdict.checks, looks(lab, start), strict=True):
            if Status.ERROR in (result.status, without.status):
                return True
            if result.status is Status.UNVERIFIED and without.status in _DECIDED:
                return True  # here something could not be read
            if result.id in elsewhere:
                continue
            if without.status is Status.UNVERIFIED and not is_never_seen(without.finding):
                return True  # nor there, which a teacher may see
            same = result.status is without.status and result.finding == without.finding
            if result.status in _DECIDED and not same:
                return True
            there.add(without.status)
    except CahierError:
        return True
    # with its base there, a lab that nobody has begun is seen to fail, unless too little is seen
    undecided = Status.UNVERIFIED in there and Status.FAILED not in there
    return undecided and starts_with_a_base(lab)


@cache
def _checks_before(lab: Lab) -> Set[str]:
    """The checks of the labs that it builds on."""
    return {check.id for other in earlier(lab) for check in other.checks}
