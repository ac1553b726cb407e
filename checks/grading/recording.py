"""A whole class in one archive: what grading it would read, to grade it again without the
cluster."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from checks.errors import CahierError, ClusterLost
from checks.grading.roster import Learner, several
from checks.grading.snapshots import INDEX, ClassIndex
from checks.grading.view import LiveVerifier
from checks.lab import Lab
from checks.sources.recorder import record
from checks.sources.snapshot import Snapshot, encoded, put


def record_class(
    views: LiveVerifier,
    learners: Sequence[Learner],
    labs: Sequence[Lab],
    file: Path,
    *,
    workers: int = 8,
    on_learner: Callable[[Learner], None] = lambda learner: None,
) -> ClassIndex:
    """Write the archive, once all have been read: one snapshot a learner, in the roster's order.
    What it says beside them.

    Nothing is changed or tried on the cluster. Raises CahierError where the cluster is lost or the
    file cannot be written; what interrupts it leaves no file.
    """
    index = ClassIndex(taken=datetime.now(UTC).replace(microsecond=0))
    index.missing = sorted(views.missing)
    there = [one for one in learners if one.namespace not in views.missing]
    archive = io.BytesIO()
    with (
        zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members,
        ThreadPoolExecutor(workers, thread_name_prefix="instantane") as pool,
    ):
        try:
            for learner, taken in zip(
                there, pool.map(partial(_taken, views, labs), there), strict=True
            ):
                if isinstance(taken, Snapshot):
                    _add(members, f"{learner.namespace}.json", encoded(taken), index)
                else:
                    index.unread[learner.namespace] = taken.message
                on_learner(learner)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        _add(members, INDEX, msgspec.json.format(msgspec.json.encode(index), indent=1), index)
    put(file, archive.getvalue())
    return index


def _taken(views: LiveVerifier, labs: Sequence[Lab], learner: Learner) -> Snapshot | CahierError:
    try:
        return record(views.view(learner, several(learner.colleague)), labs)
    except ClusterLost:
        raise
    except CahierError as problem:
        return problem


def _add(members: zipfile.ZipFile, name: str, data: bytes, index: ClassIndex) -> None:
    member = zipfile.ZipInfo(name, index.taken.timetuple()[:6])
    member.external_attr = 0o600 << 16
    members.writestr(member, data, zipfile.ZIP_DEFLATED)
