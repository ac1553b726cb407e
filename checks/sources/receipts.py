"""Receipts: what a learner's own `verifier` saw, left in their namespace, and whether it still
holds.

One ConfigMap, one key per lab. A receipt is no proof against somebody who wants to forge it: its
author owns the namespace. What it says is tied to what the API server says, so that one which was
copied, edited or overtaken by events is noticed: docs/enseignants/guide.md tells what this can and
cannot prove.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from checks.decoding import prepared
from checks.diagnosis.databases.catalogue import is_of_a_database
from checks.errors import CahierError, ClusterLost, Unverifiable
from checks.facts import PROBE_LABEL, Pod
from checks.lab import find_lab
from checks.objects.parts import metadata
from checks.objects.policies import NetworkPolicy
from checks.verdict import CheckResult, Status

NAME = "cahier-recus"
LABEL = "cahier-kubernetes/recus"
_MARGIN = timedelta(minutes=1)  # between what the pod heard and the receipt that tells of it
_WORD = re.compile(r"[0-9a-f]{16}")


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a lab's checks found. `pods`: name and UID of those that were looked into.

    `policies`: every NetworkPolicy and its version, None where no check asked for them; pods do not
    change with them. `word` was sent through the learner's tunnel, or through the pods that lead to
    the colleague's server; `heard_by` is the learner's pod whose log kept it, "" when none did.
    """

    schema: Literal[1] = 1
    lab: str
    namespace: str
    namespace_uid: str
    checks: Mapping[str, Status]
    pods: Mapping[str, str]
    policies: Mapping[str, str] | None = None
    word: str = ""
    heard_by: str = ""


prepared(Receipt)


class Doubtful(Exception):
    """A receipt that does not hold; the message tells the teacher why, in French."""


class Overtaken(Doubtful):
    """One of work that was removed, replaced or changed since: it tells of the past alone, which
    nothing that is there now says or denies."""

    def __init__(self, message: str, receipt: Receipt, written: datetime) -> None:
        super().__init__(message)
        self.receipt = receipt
        self.written = written


Heard = Callable[[Pod, str, datetime], bool]
"""Whether the log of a pod has kept a word since then. May raise ClusterLost."""

Elsewhere = Callable[[str, datetime], str]
"""Why no database of the colleague's tells that it heard the word of a receipt that was written
then, in French; "" where one does. May raise CahierError."""


def _of_nobody(word: str, written: datetime) -> str:
    raise Unverifiable("Le namespace du collègue n’a pas été regardé.")


@dataclass(frozen=True)
class Place:
    """What the API server says of a namespace today, which its receipts are held against."""

    namespace: str
    uid: str
    pods: Sequence[Pod]
    policies: Callable[[], Mapping[str, str]]
    heard: Heard
    elsewhere: Elsewhere = _of_nobody


def key(lab: str) -> str:
    """The ConfigMap's key for a lab."""
    return f"{lab}.json"


def manager(lab: str) -> str:
    """Field manager that owns a lab's key: the API server notes when it wrote, and who else wrote
    there."""
    return f"cahier-recu-{lab.partition('_')[0]}"


def is_receipts(item: Mapping[str, Any]) -> bool:
    """Whether a ConfigMap is ours: it is no part of the learner's work."""
    found = metadata(item)
    return found.name == NAME and LABEL in found.labels


def versions(policies: Iterable[NetworkPolicy]) -> Mapping[str, str]:
    """Names and versions of NetworkPolicies: a version changes with what the policy says. Those of
    probes are ours."""
    told = (one.metadata for one in policies)
    return {
        one.name: f"{one.uid}/{one.generation}" for one in told if PROBE_LABEL not in one.labels
    }


def new_word() -> str:
    """A word that nobody can have said before."""
    return secrets.token_hex(8)


def manifest(receipt: Receipt) -> Mapping[str, Any]:
    """The ConfigMap as `manager(receipt.lab)` applies it: other labs' keys belong to their own
    managers."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": receipt.namespace, "labels": {LABEL: "oui"}},
        "data": {key(receipt.lab): msgspec.json.encode(receipt).decode()},
    }


def holding(
    found: Mapping[str, Any] | None, lab: str, place: Place
) -> tuple[Receipt, datetime] | None:
    """The receipt of a lab and when it was written, by the API server's clock; None where there is
    none.

    `found` is the ConfigMap with its managedFields. Raises Doubtful, and what `place.heard` raises.
    """
    text = ((found or {}).get("data") or {}).get(key(lab))
    if found is None or text is None:
        return None
    written = _written(found, lab)
    try:
        receipt = msgspec.json.decode(text, type=Receipt)
    except msgspec.DecodeError as error:
        raise Doubtful("il n’est pas lisible") from error
    if receipt.lab != lab:
        raise Doubtful(f"c’est celui d’un autre TP ({receipt.lab})")
    if receipt.word and not _WORD.fullmatch(receipt.word):
        raise Doubtful("le mot dont il parle n’est pas de ceux que tire « cahier verifier »")
    _same_namespace(receipt, place)
    _same_pods(receipt, place, written)
    _same_policies(receipt, place, written)
    return receipt, written


def vouching(
    found: Mapping[str, Any] | None, lab: str, place: Place
) -> tuple[Receipt, datetime] | None:
    """The same, and one of work that is not there any more. Raises as `holding`, but for
    Overtaken."""
    try:
        return holding(found, lab, place)
    except Overtaken as past:
        return past.receipt, past.written


def _written(found: Mapping[str, Any], lab: str) -> datetime:
    """When our own command wrote the key. Raises Doubtful when somebody else did."""
    entries = found["metadata"].get("managedFields") or ()
    owners = [
        one
        for one in entries
        if f"f:{key(lab)}" in ((one.get("fieldsV1") or {}).get("f:data") or {})
    ]
    others = sorted({str(one.get("manager")) for one in owners if not _is_ours(one, lab)})
    if others:
        raise Doubtful(
            f"il a été écrit ou modifié avec « {', '.join(others)} », pas par « cahier verifier »"
        )
    if not owners or not owners[0].get("time"):
        raise Doubtful("le cluster ne dit pas qui l’a écrit")
    return datetime.fromisoformat(owners[0]["time"])


def _is_ours(entry: Mapping[str, Any], lab: str) -> bool:
    return entry.get("manager") == manager(lab) and entry.get("operation") == "Apply"


def _same_namespace(receipt: Receipt, place: Place) -> None:
    if not place.uid:
        raise Unverifiable(
            f"L’identifiant (UID) du namespace {place.namespace} n’a pas pu être lu."
        )
    if receipt.namespace != place.namespace:
        raise Doubtful(f"il vient d’un autre namespace, {receipt.namespace}")
    if receipt.namespace_uid != place.uid:
        raise Doubtful(
            "il vient d’un autre namespace de même nom, supprimé depuis ou d’un autre cluster"
        )


def _same_pods(receipt: Receipt, place: Place, written: datetime) -> None:
    alive = {pod.uid: pod for pod in place.pods if not pod.deleting}
    for name, uid in receipt.pods.items():
        if uid not in alive:
            raise Overtaken(
                f"le pod {name} dont il parle n’existe plus, ou a été remplacé depuis",
                receipt,
                written,
            )
        if alive[uid].created > written:
            raise Doubtful(f"il est plus ancien que le pod {name} dont il parle")
    if not receipt.heard_by:
        return
    pod = alive.get(receipt.pods.get(receipt.heard_by, ""))
    if pod is None:
        raise Doubtful(
            f"le pod {receipt.heard_by} dont il parle n’est pas de ceux qui ont été vérifiés"
        )
    if not place.heard(pod, receipt.word, written - _MARGIN):
        silent = f"le journal du pod {pod.name} ne garde pas trace de la connexion dont il parle"
        if _restarted(pod, written):
            raise Overtaken(f"{silent} ; son programme a redémarré depuis", receipt, written)
        raise Doubtful(silent)


def _same_policies(receipt: Receipt, place: Place, written: datetime) -> None:
    if receipt.policies is None:
        return
    now = place.policies()
    changed = sorted({name for name, _version in receipt.policies.items() ^ now.items()})
    if changed:
        raise Overtaken(
            "des NetworkPolicies ont été ajoutées, modifiées ou supprimées depuis : "
            f"{', '.join(changed)}",
            receipt,
            written,
        )


def silence(namespace: str, pods: Iterable[Pod], heard: Heard, word: str, written: datetime) -> str:
    """`Elsewhere`, of the colleague's `namespace` that has these pods. Raises what `heard`
    raises."""
    bases = [pod for pod in pods if is_of_a_database(pod) and pod.created <= written]
    if not bases:
        return f"la base de {namespace} qui l’aurait entendu n’existe plus"
    if any(heard(pod, word, written - _MARGIN) for pod in bases):
        return ""
    again = any(_restarted(pod, written) for pod in bases)
    return (
        f"le journal de la base de {namespace} ne garde pas trace de la connexion dont il parle"
        + (" ; elle a redémarré depuis" if again else "")
    )


def _require_heard(receipt: Receipt, written: datetime, place: Place) -> None:
    """Raises Doubtful unless the word was heard where the lab's own checks lead, and what
    `place.elsewhere` raises."""
    if find_lab(receipt.lab).about.heard_by == "owner":
        if not receipt.heard_by:  # the log of a pod that is named has been asked
            raise Doubtful("il ne dit pas quel pod a entendu le mot envoyé par le tunnel")
    elif not receipt.word:
        raise Doubtful("il ne dit pas quel mot a été envoyé à la base du collègue")
    elif why := place.elsewhere(receipt.word, written):
        raise Doubtful(why)


def _restarted(pod: Pod, since: datetime) -> bool:
    """Whether a container began after `since`: the log before it is gone."""
    return any(one > since for one in pod.begun)


class Reading:
    """A lab's receipt as grading reads it: what it settles, and when it was written if it
    counts."""

    def __init__(
        self, lab: str, found: Callable[[], Mapping[str, Any] | None], place: Callable[[], Place]
    ) -> None:
        """`found`: the ConfigMap, None where there is none; `place`: what it is held against."""
        self._lab = lab
        self._found = found
        self._place = place
        self.counted: datetime | None = None
        """When the receipt that counts was written, by the API server's clock; None as long as none
        does."""
        self.settled: set[str] = set()
        """The checks that it alone says are right."""

    @property
    def vouched(self) -> frozenset[str]:
        """The checks that count by the receipt alone; none where it does not count."""
        return frozenset(self.settled) if self.counted else frozenset()

    def past(self) -> tuple[Receipt, datetime] | None:
        """The receipt, also of work that is not there any more, and when it was written; None where
        there is none, or none to be believed. Raises ClusterLost."""
        try:
            found = self._found()
            return vouching(found, self._lab, self._place()) if found else None
        except Doubtful:
            return None
        except ClusterLost:
            raise
        except CahierError:  # what it would have settled says so
            return None

    def none_left(self) -> bool:
        """Whether it is certain that `verifier` has left none. Raises ClusterLost."""
        try:
            found = self._found()
        except ClusterLost:
            raise
        except CahierError:
            return False
        return key(self._lab) not in ((found or {}).get("data") or {})

    def settle(self, result: CheckResult) -> CheckResult:
        """A check that could not be verified from afar, counted as passed where a receipt that
        holds says so.

        One that does not hold, or that cannot be looked into, leaves it open and tells why. Raises
        ClusterLost.
        """
        try:
            found = self._found()
            place = self._place() if found else None
            held = holding(found, self._lab, place) if place else None
            if held and place and self._rests_on_a_word(result, held[0]):
                _require_heard(*held, place)
        except Doubtful as doubt:
            return self._open(result, f"Un reçu existe, mais il n’est pas retenu : {doubt}.")
        except ClusterLost:
            raise
        except CahierError as trouble:
            return self._open(
                result, f"S’il existe un reçu, il n’a pas pu être examiné. {trouble.message}"
            )
        if held is None:
            return result
        receipt, written = held
        when = f"{written.astimezone():%d/%m/%Y à %H:%M}"
        if receipt.checks.get(result.id) is not Status.PASSED:
            return msgspec.structs.replace(
                result,
                finding=f"Le reçu laissé le {when} ne dit pas que c’était juste.",
                cause=result.finding,
            )
        self.counted = written
        self.settled.add(result.id)
        return msgspec.structs.replace(
            result,
            status=Status.PASSED,
            points=result.points_max,
            finding=f"D’après le reçu laissé par « cahier verifier » le {when}.",
            cause="",
            fix="",
        )

    def _rests_on_a_word(self, result: CheckResult, receipt: Receipt) -> bool:
        passed = receipt.checks.get(result.id) is Status.PASSED
        return passed and result.id in find_lab(self._lab).about.heard

    def _open(self, result: CheckResult, why: str) -> CheckResult:
        self.counted = None
        return msgspec.structs.replace(result, finding=why, cause=result.finding)
