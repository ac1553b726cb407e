"""Whether somebody has begun a lab, told by comparing it with the namespace that the lab starts
from: what the platform made, and, where the lab begins with a base, the bases as they were
launched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from datetime import datetime
from functools import cache
from typing import Any

from checks.capabilities import Cluster
from checks.errors import CahierError
from checks.facts import OWNER_BINDING, Access
from checks.grading.as_teacher import is_never_seen
from checks.grading.grade import Seen
from checks.grading.results import Past
from checks.lab import Lab, earlier
from checks.objects.parts import Metadata, metadata
from checks.runner import looks
from checks.sources.class_rights import BY_THE_NAMESPACE, Held
from checks.sources.receipts import Reading
from checks.sources.reviews import Question
from checks.verdict import Status, Verdict

_GIVEN_KINDS = ("LimitRange", "Namespace", "ResourceQuota")
_GIVEN_NAMES = (OWNER_BINDING, "default", "kube-root-ca.crt")
_DECIDED = (Status.PASSED, Status.FAILED)
_CLUSTER, _INSTANCE = "cnpg.io/cluster", "app.kubernetes.io/instance"
_MANAGED = "app.kubernetes.io/managed-by"
_RIGHTS = ("Role", "RoleBinding")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Keeps = Callable[[str, Mapping[str, Any]], bool]
"""Whether an object, of that kind, is there before anybody begins."""


def start_of(lab: Lab) -> Keeps:
    """What the namespace holds where the lab starts."""
    return _is_given_or_launched if lab.about.setup.commands else _is_given


def _is_given(kind: str, item: Mapping[str, Any]) -> bool:
    """Whether an object is in every namespace, before anybody works there."""
    return kind in _GIVEN_KINDS or item["metadata"]["name"] in _GIVEN_NAMES


def _is_given_or_launched(kind: str, item: Mapping[str, Any]) -> bool:
    return _is_given(kind, item) or _is_launched(kind, metadata(item))


def _is_launched(kind: str, it: Metadata) -> bool:
    """Whether the catalogue made it with a release, and it is as it was made."""
    if it.database_cluster:  # the operator's
        return True
    release = it.labels.get(_CLUSTER) or it.labels.get(_INSTANCE, "")
    if not release or kind in _RIGHTS:
        return False
    if kind == "NetworkPolicy":  # those that learners write are often copied from this one
        return it.name == release and it.generation <= 1 and _APPLIED not in it.annotations
    return _CLUSTER in it.labels or _MANAGED in it.labels


def as_at_the_start(answer: Access, question: Question, held: Held | None) -> Access:
    """A right without what the learner's own bindings give. `answer`: the API server's; `held`:
    what the bindings give that were there at the start, None where they may not be read."""
    if not answer.reason.startswith(BY_THE_NAMESPACE) or held is None:
        return answer
    theirs = held.by(question.user, question.groups).deny(question.request)
    return Access(False) if theirs else answer


def past_of(reading: Reading) -> Past | None:
    """What the person's receipt says, None where there is none to be believed. Raises
    ClusterLost."""
    found = reading.past()
    return Past(found[0].checks, found[1]) if found else None


def seen(lab: Lab, verdict: Verdict, reading: Reading, at: datetime | None, start: Cluster) -> Seen:
    """What came of looking at a lab. `start`: the same namespace as `start_of` the lab keeps it.
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
    return undecided and start_of(lab) is _is_given_or_launched


@cache
def _checks_before(lab: Lab) -> Set[str]:
    """The checks of the labs that it builds on."""
    return {check.id for other in earlier(lab) for check in other.checks}
