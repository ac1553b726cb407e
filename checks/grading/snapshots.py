"""A class graded from snapshots, one file each, in a folder or in one archive: the same marks as
when they were recorded, without any cluster."""

from __future__ import annotations

import copy
import threading
import zipfile
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal, NoReturn

import msgspec

from checks.errors import CahierError, Unverifiable, UsageError
from checks.facts import Access
from checks.french import enumeration
from checks.grading.as_teacher import AsTeacher
from checks.grading.begun import seen
from checks.grading.grade import (
    NamespaceMissing,
    Seen,
    not_there,
)
from checks.grading.roster import Learner
from checks.grading.start import Keeps, as_at_the_start, start_of
from checks.grading.view import require_colleagues
from checks.lab import Lab
from checks.runner import run
from checks.sources.class_rights import Held, rules_of
from checks.sources.receipts import Reading
from checks.sources.reviews import about, requested
from checks.sources.snapshot import Right, Snapshot, SnapshotCluster, read

INDEX = "classe.json"


class ClassIndex(msgspec.Struct, kw_only=True):
    """What an archive says beside its snapshots. `taken`: by the clock of the machine that
    recorded. `missing`: namespaces of the class and of their colleagues that were not on the
    cluster. `unread`: those that could not be recorded, and why."""

    schema: Literal[1] = 1
    taken: datetime
    missing: list[str] = []
    unread: dict[str, str] = {}


class _Graded(AsTeacher, SnapshotCluster):
    """A snapshot that says what a teacher's look at the cluster would."""

    def _missing(self, what: str) -> NoReturn:
        if why := self.snapshot.unread.get(what, ""):
            raise Unverifiable(why)
        super()._missing(what)


class _AtTheStart(_Graded):
    """The same namespace without what the person made, and without the rights that they gave."""

    def __init__(self, whole: Snapshot, keeps: Keeps) -> None:
        snapshot = copy.copy(whole)
        snapshot.objects = {
            kind: [item for item in found if keeps(kind, item)]
            for kind, found in whole.objects.items()
        }
        super().__init__(snapshot)

    def _right(self, asked: Right) -> Access:
        answer = super()._right(asked)
        if asked.namespace not in ("", self.namespace):
            return answer
        request = requested(asked.verb, asked.resource, asked.group, asked.name)
        question = about(asked.user or self.user, asked.groups, request)
        return as_at_the_start(answer, question, partial(self.once, _held))


def _held(cluster: _AtTheStart) -> Held | None:
    find = partial(rules_of, cluster.cluster_role_object)
    try:
        return Held(cluster.namespace, cluster.role_bindings(), cluster.roles(), find)
    except Unverifiable:
        return None


class SnapshotVerifier:
    """Verdicts out of snapshots, named NAMESPACE.json or NAMESPACE.json.gz: of a folder, or of an
    archive of `instantane --classe`."""

    def __init__(self, source: Path) -> None:
        """Raises UsageError."""
        self._source = source
        self._at_hand = threading.local()
        self._root: Path | zipfile.Path = source
        self._index = ClassIndex(taken=datetime.min)
        if source.is_dir():
            return
        try:
            self._root = zipfile.Path(zipfile.ZipFile(source))
            index = (self._root / INDEX).read_bytes()
            self._index = msgspec.json.decode(index, type=ClassIndex)
        except (OSError, zipfile.BadZipFile, KeyError, msgspec.DecodeError) as error:
            raise UsageError(
                f"{source} n’est ni un dossier d’instantanés (NAMESPACE.json[.gz]), ni une archive "
                "de « cahier instantane --classe ».",
                "Donnez l’un ou l’autre.",
            ) from error

    @property
    def taken(self) -> datetime | None:
        """When the archive was recorded; None for a folder, which does not say."""
        return None if self._index.taken == datetime.min else self._index.taken

    def file(self, namespace: str) -> Path | zipfile.Path | None:
        """The snapshot of a namespace, None where there is none."""
        names = (f"{namespace}.json", f"{namespace}.json.gz")
        return next((self._root / name for name in names if (self._root / name).is_file()), None)

    def reason(self, namespace: str) -> str:
        """Why there is none, in French."""
        if namespace in self._index.missing:
            return not_there(namespace)
        unread = self._index.unread.get(namespace, "")
        return unread or f"Aucun instantané de {namespace} dans {self._source}."

    def __call__(self, learner: Learner, lab: Lab) -> Seen:
        """The verdict of one lab. Raises CahierError."""
        file = self.file(learner.namespace)
        if file is None:
            missing = learner.namespace in self._index.missing
            raise (NamespaceMissing if missing else CahierError)(self.reason(learner.namespace))
        cluster, start = self._clusters(learner.namespace, file, lab)
        if cluster.namespace != learner.namespace:
            raise CahierError(
                f"{file.name} est l’instantané d’un autre namespace, {cluster.namespace}."
            )
        reading = Reading(lab.name, cluster.receipts, cluster.place)
        wanted = learner.colleagues(lab)
        require_colleagues(lab, wanted, lambda name: name in self._index.missing, reading)
        if lab.about.colleague == "required":
            taken_with = cluster.colleagues
            if {one.namespace for one in taken_with[: len(wanted)]} != {*wanted}:
                raise Unverifiable(
                    "L’instantané a été pris avec un autre collègue, "
                    f"{enumeration([one.namespace for one in taken_with])}, que celui de la liste "
                    f"de classe, {enumeration(wanted)}."
                )
        verdict, _findings = run(
            lab, cluster, refresh=cluster.refresh, seconds=0, settle=reading.settle
        )
        return seen(lab, verdict, reading, cluster.snapshot.taken, start)

    def _clusters(
        self, namespace: str, file: Path | zipfile.Path, lab: Lab
    ) -> tuple[_Graded, _AtTheStart]:
        """What a snapshot serves, as it is and as the lab finds it: read once for all the labs of a
        learner, which one thread looks at. Raises UsageError."""
        keeps = start_of(lab)
        kept = getattr(self._at_hand, "clusters", None)
        if kept is None or kept[0] != namespace:
            starts: dict[Keeps, _AtTheStart] = {}
            kept = self._at_hand.clusters = (namespace, _Graded(read(file)), starts)
        _namespace, cluster, starts = kept
        if keeps not in starts:
            starts[keeps] = _AtTheStart(cluster.snapshot, keeps)
        return cluster, starts[keeps]
