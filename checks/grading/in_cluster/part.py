"""One part of a class, graded in a pod of the Job: `python -m checks.grading.in_cluster.part`."""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from checks import interruption
from checks.access.answers import typed
from checks.access.kubernetes_api import Api
from checks.errors import AccessError
from checks.grading.grade import Verify, grade_pairs
from checks.grading.in_cluster.order import (
    DONE,
    FILE,
    FOLDER,
    GRADES,
    PLACE,
    RUN,
    TOTAL,
    Order,
    pack,
    unpack,
)
from checks.grading.in_cluster.program import worked
from checks.grading.results import Store
from checks.grading.roster import Learner
from checks.grading.view import LiveVerifier
from checks.lab import Lab
from checks.objects.workloads import ConfigMap
from checks.waiting import Deadline

_PUBLISHED_EVERY = 5.0  # seconds: what a pod that is killed may have to do again


class Results:
    """The ConfigMap of this part: what is there survives the pod."""

    def __init__(self, api: Api, name: str, run: str) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{api.credentials.namespace}/configmaps/{name}"
        self._run = run

    def restore(self, store: Store, pairs: list[tuple[Learner, Lab]]) -> None:
        """Take up what a former pod of the same run has graded. Raises AccessError."""
        found = typed(self._api.request("GET", self._path), ConfigMap)
        known = {(learner.identifier, lab.name): (learner, lab) for learner, lab in pairs}
        if found.metadata.annotations.get(RUN) == self._run:
            for identifier, name, content in unpack(base64.b64decode(found.binary_data[GRADES])):
                store.put(*known[identifier, name], content)

    def publish(self, store: Store, done: int, total: int) -> None:
        """Write all that is graded, and how much that is. Raises AccessError."""
        content = {
            "metadata": {"annotations": {RUN: self._run, DONE: str(done), TOTAL: str(total)}},
            "binaryData": {GRADES: base64.b64encode(pack(store)).decode()},
        }
        self._api.request("PATCH", self._path, content, content_type="application/merge-patch+json")


def grade_part(order: Order, index: int, results: Results, verify: Verify, folder: Path) -> None:
    """Grade a part, and publish it now and then, at the end, and when it is interrupted. Raises
    AccessError."""
    pairs = list(order.pairs(index))
    store = Store(folder)
    results.restore(store, pairs)
    done, next_one = 0, Deadline(_PUBLISHED_EVERY)

    def on_grade(learner: Learner, lab: Lab, kept: bool) -> None:
        nonlocal done, next_one
        done += 1
        if next_one.passed:
            next_one = Deadline(_PUBLISHED_EVERY)
            try:
                results.publish(store, done, len(pairs))
            except AccessError as silence:  # once more in a while
                print(silence.message, file=sys.stderr, flush=True)

    print(f"Partie {index + 1} sur {order.parts} : {len(pairs)} TP à noter.", flush=True)
    try:
        grade_pairs(pairs, verify, store, workers=order.workers, on_grade=on_grade)
    finally:
        results.publish(store, done, len(pairs))
    print("Noté.", flush=True)


def main() -> int:
    """Grade the part that this pod is for; the exit code."""
    order = msgspec.json.decode(Path(FOLDER, FILE).read_bytes(), type=Order)
    index = int(os.environ["JOB_COMPLETION_INDEX"])

    def work() -> None:
        api = Api(without_secrets=True)
        results = Results(api, f"{os.environ[PLACE]}-{index}", os.environ["CAHIER_EXECUTION"])
        verify = LiveVerifier(api, [learner for learner, _lab in order.pairs(index)])
        with tempfile.TemporaryDirectory() as folder:
            grade_part(order, index, results, verify, Path(folder))

    try:
        return worked(order.code, work)
    except KeyboardInterrupt:
        print("Interrompu ; ce qui est noté est gardé.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    with interruption.heard():  # told to end: what is graded is published
        sys.exit(main())
