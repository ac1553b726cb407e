"""A grading of the cluster is looked at while it runs, and collected: the teacher's side."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from checks.access.answers import typed
from checks.access.kubernetes_api import METADATA_ONLY, Api
from checks.errors import CahierError
from checks.grading.in_cluster import pods
from checks.grading.in_cluster.launch import Owner
from checks.grading.in_cluster.manifests import COLLECTIONS, LABEL
from checks.grading.in_cluster.order import DONE, FILE, GRADES, RUN, Order, unpack
from checks.grading.results import Store
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.objects.parts import metadata
from checks.objects.pods import PodObject, holds
from checks.objects.workloads import ConfigMap, EventObject, Job

_NO_PODS_SECONDS = 10.0  # a Job that may make pods has made one by then
WHOLE_JOB = -1
_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class Sight:
    """What a look at a Job shows. `notes`: troubles that the cluster copes with by itself, in
    French."""

    done: int
    total: int
    parts_done: int
    parts: int
    ended: bool
    notes: Sequence[str] = ()


class Run:
    """A Job of ours, running or ended. `parts_of`: whose ConfigMaps its parts write to, itself or
    its CronJob."""

    def __init__(self, api: Api, job: Owner, parts_of: Owner) -> None:
        self._api = api
        self.job = job
        self._parts_of = parts_of

    def order(self) -> Order:
        """What it was asked. Raises AccessError."""
        found = self._config_map(self._parts_of.name)
        return msgspec.json.decode(found.data[FILE], type=Order)

    def look(self, order: Order) -> Sight:
        """How far it is. Raises CahierError where nothing will come of it."""
        job = self._job()
        found = self._pods()
        ended = holds(job.status.conditions, "Complete", "Failed")
        done = sum(self._done(job.metadata.uid))
        if not ended and not done:
            self._require_hope(job, found)
        return Sight(
            done=done,
            total=sum(len(task.labs) for task in order.tasks),
            parts_done=job.status.succeeded,
            parts=order.parts,
            ended=ended,
            notes=[] if ended else [note for pod in found for note in _notes(pod)],
        )

    def collect(self, order: Order, store: Store, pairs: Iterable[tuple[Learner, Lab]]) -> None:
        """Put what was graded into the store; what was not gets its reason, and is to be graded
        again.

        Raises CahierError where the image is of another version.
        """
        pods.require_same_version(self._pods(), "relancez avec --reprendre.")
        job = self._job()
        known = {(learner.identifier, lab.name): (learner, lab) for learner, lab in pairs}
        for index in range(order.parts):
            part = self._config_map(f"{self._parts_of.name}-{index}")
            if part.metadata.annotations.get(RUN) != job.metadata.uid:
                continue
            for identifier, name, content in unpack(base64.b64decode(part.binary_data[GRADES])):
                pair = known.get((identifier, name))
                if pair is not None and store.read(*pair) is None:
                    store.put(*pair, content)

    def failures(self) -> Mapping[int, str]:
        """Why each part that did not end well failed last, in French; WHOLE_JOB: all of them."""
        told = {
            int(pod.metadata.annotations[_INDEX]): pods.death(pod)
            for pod in sorted(self._pods(), key=lambda pod: pod.metadata.creation_timestamp)
            if pod.status.phase == "Failed"
        }
        conditions = self._job().status.conditions
        reasons = [one.reason for one in conditions if one.type == "Failed"]
        if "DeadlineExceeded" in reasons:
            told[WHOLE_JOB] = "le temps accordé à la notation est écoulé"
        return told

    @property
    def started(self) -> datetime:
        """When it began, local time. Raises CahierError."""
        job = self._job()
        said = job.status.start_time or job.metadata.creation_timestamp
        return datetime.fromisoformat(said).astimezone()

    def _job(self) -> Job:
        job = self._api.one(Job, self.job.path)
        if job is None:
            raise CahierError(
                f"Le job {self.job.name} a été supprimé pendant la notation.",
                "Relancez avec --reprendre.",
            )
        return job

    def _config_map(self, name: str) -> ConfigMap:
        path = f"{COLLECTIONS['ConfigMap'].format(self.job.namespace)}/{name}"
        return typed(self._api.request("GET", path), ConfigMap)

    def _pods(self) -> Sequence[PodObject]:
        path = f"/api/v1/namespaces/{self.job.namespace}/pods"
        chosen = {"labelSelector": f"job-name={self.job.name}"}
        return self._api.each(PodObject, "Pod", path, chosen)

    def _done(self, uid: str) -> Iterable[int]:
        """How much each part has published, without what it published."""
        path = COLLECTIONS["ConfigMap"].format(self.job.namespace)
        listed = self._api.request(
            "GET", path, query={"labelSelector": LABEL}, accept=METADATA_ONLY
        )
        for item in listed.get("items") or []:
            annotations = metadata(item).annotations
            if annotations.get(RUN) == uid:
                yield int(annotations[DONE])

    def _require_hope(self, job: Job, found: Sequence[PodObject]) -> None:
        pods.require_pulled(found)
        began = datetime.fromisoformat(job.metadata.creation_timestamp)
        if not found and (datetime.now(UTC) - began).total_seconds() > _NO_PODS_SECONDS:
            refused = self._refused()
            if refused:
                raise pods.refused(refused, self.job.namespace)

    def _refused(self) -> str:
        """Why the Job could make no pod, "" when nothing says so."""
        path = f"/api/v1/namespaces/{self.job.namespace}/events"
        listed = self._api.each(
            EventObject, "Event", path, {"fieldSelector": f"involvedObject.name={self.job.name}"}
        )
        said = [event.message for event in listed if event.reason == "FailedCreate"]
        return said[-1] if said else ""


def _notes(pod: PodObject) -> Iterable[str]:
    """What may delay a part."""
    part = int(pod.metadata.annotations[_INDEX]) + 1
    if pod.status.phase == "Failed":
        yield f"Partie {part} : {pods.death(pod)} ; elle est reprise."
    for delay in pods.delays(pod):
        yield f"Partie {part} : {delay}"
    why = pods.unplaced(pod)
    if why:
        yield f"Partie {part} : aucun nœud n’a de place pour elle, elle attend : {why}"
