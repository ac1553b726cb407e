"""A class graded from snapshots, one file each: the same marks as when they were recorded, without
any cluster."""

from __future__ import annotations

from pathlib import Path

from checks.errors import CahierError, Unverifiable, UsageError
from checks.french import enumeration
from checks.grading.grade import Seen
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.runner import run
from checks.sources.receipts import Reading
from checks.sources.snapshot import SnapshotCluster, read


class SnapshotVerifier:
    """Verdicts out of a folder of snapshots, named NAMESPACE.json or NAMESPACE.json.gz."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError."""
        if not folder.is_dir():
            raise UsageError(
                f"{folder} n’est pas un dossier.",
                "Donnez celui des instantanés : NAMESPACE.json[.gz]",
            )
        self._folder = folder

    def file(self, namespace: str) -> Path | None:
        """The snapshot of a namespace, None where there is none."""
        names = (f"{namespace}.json", f"{namespace}.json.gz")
        return next(
            (self._folder / name for name in names if (self._folder / name).is_file()), None
        )

    def __call__(self, learner: Learner, lab: Lab) -> Seen:
        """The verdict of one lab. Raises CahierError."""
        file = self.file(learner.namespace)
        if file is None:
            raise CahierError(f"Aucun instantané de {learner.namespace} dans {self._folder}.")
        cluster = SnapshotCluster(read(file))
        if cluster.namespace != learner.namespace:
            raise CahierError(
                f"{file.name} est l’instantané d’un autre namespace, {cluster.namespace}."
            )
        if lab.about.colleague == "required":
            wanted, taken_with = learner.colleagues(lab), cluster.colleagues
            if not wanted:
                raise Unverifiable(
                    "Ce TP se fait à deux, et la liste de classe ne donne pas de collègue."
                )
            if {one.namespace for one in taken_with[: len(wanted)]} != {*wanted}:
                raise Unverifiable(
                    "L’instantané a été pris avec un autre collègue, "
                    f"{enumeration([one.namespace for one in taken_with])}, que celui de la liste "
                    f"de classe, {enumeration(wanted)}."
                )
        reading = Reading(lab.name, cluster.receipts, cluster.place)
        verdict, _findings = run(
            lab, cluster, refresh=cluster.refresh, seconds=0, settle=reading.settle
        )
        return Seen(verdict, reading.counted)
