"""A namespace as a lab finds it: what the platform made, and, where the lab begins with a base, the
bases as they were launched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from checks.diagnosis.databases.catalogue import of_release
from checks.facts import OWNER_BINDING, Access
from checks.lab import Lab
from checks.objects.parts import Metadata, metadata
from checks.sources.class_rights import BY_THE_NAMESPACE, Held
from checks.sources.reviews import Question

_GIVEN_KINDS = ("LimitRange", "Namespace", "ResourceQuota")
_GIVEN_NAMES = (OWNER_BINDING, "default", "kube-root-ca.crt")
_CLUSTER, _INSTANCE = "cnpg.io/cluster", "app.kubernetes.io/instance"
_MANAGED = "app.kubernetes.io/managed-by"
_RIGHTS = ("Role", "RoleBinding")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Keeps = Callable[[str, Mapping[str, Any]], bool]
"""Whether an object, of that kind, is there before anybody begins."""


def start_of(lab: Lab) -> Keeps:
    """What the namespace holds where the lab starts."""
    return _is_given_or_launched if starts_with_a_base(lab) else _is_given


def starts_with_a_base(lab: Lab) -> bool:
    """Whether the lab begins with a base of one's own, which the catalogue has launched."""
    return bool(lab.about.setup.commands)


def _is_given(kind: str, item: Mapping[str, Any]) -> bool:
    """Whether an object is in every namespace, before anybody works there."""
    return kind in _GIVEN_KINDS or item["metadata"]["name"] in _GIVEN_NAMES


def _is_given_or_launched(kind: str, item: Mapping[str, Any]) -> bool:
    return _is_given(kind, item) or _is_launched(kind, metadata(item))


def _is_launched(kind: str, it: Metadata) -> bool:
    """Whether the catalogue made it with a release, and it is as it was made."""
    if it.database_cluster:  # the operator's
        return True
    if kind in _RIGHTS:
        return False
    if kind == "NetworkPolicy":  # those that learners write are often copied from this one
        made = of_release(it.labels, it.name)
        return made and it.generation <= 1 and _APPLIED not in it.annotations
    return _CLUSTER in it.labels or {_INSTANCE, _MANAGED} <= it.labels.keys()


def as_at_the_start(answer: Access, question: Question, held: Callable[[], Held | None]) -> Access:
    """A right without what the learner's own bindings give. `answer`: the API server's; `held`
    reads what the bindings give that were there at the start, None where they may not be read."""
    if not answer.reason.startswith(BY_THE_NAMESPACE) or (given := held()) is None:
        return answer
    theirs = given.by(question.user, question.groups).deny(question.request)
    return Access(False) if theirs else answer
