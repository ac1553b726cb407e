"""What makes pods, bounds them, and is told of them.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
"""

from __future__ import annotations

from collections.abc import Mapping

from checks.decoding import prepared
from checks.objects.labels import LabelSelector
from checks.objects.parts import Object, Part
from checks.objects.pods import Condition, PodSpec


class TemplateMetadata(Part, frozen=True):
    """What each pod of a template says of itself, but its name."""

    labels: Mapping[str, str] = {}


class PodTemplate(Part, frozen=True):
    """What each of the pods is made from."""

    spec: PodSpec
    metadata: TemplateMetadata = TemplateMetadata()

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the pods."""
        return self.metadata.labels


class WorkloadSpec(Part, frozen=True):
    """How many pods are wanted, and which; a Deployment that is `paused` applies no change."""

    template: PodTemplate
    selector: LabelSelector
    replicas: int = 1
    paused: bool = False


class WorkloadStatus(Part, frozen=True):
    """What the cluster has made of it. `observed_generation`: of which version it speaks."""

    conditions: tuple[Condition, ...] = ()
    observed_generation: int = 0
    updated_replicas: int = 0


class Workload(Object, frozen=True):
    """A Deployment or a ReplicaSet: so many pods alike."""

    spec: WorkloadSpec
    status: WorkloadStatus = WorkloadStatus()

    @property
    def template(self) -> PodTemplate:
        """What each of its pods is made from."""
        return self.spec.template

    @property
    def refused(self) -> Condition | None:
        """What the API server said as it refused to make its pods; None where it does not."""
        return next(
            (
                one
                for one in self.status.conditions
                if one.type == "ReplicaFailure" and one.status == "True"
            ),
            None,
        )


class JobSpec(Part, frozen=True):
    """A Job that is suspended makes no pod."""

    suspend: bool = False


class JobStatus(Part, frozen=True):
    """How far a Job is: `succeeded` of its pods have ended well."""

    conditions: tuple[Condition, ...] = ()
    start_time: str = ""
    succeeded: int = 0


class Job(Object, frozen=True):
    """Pods that end."""

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


class QuotaSpec(Part, frozen=True):
    """What may be taken at most, by resource."""

    hard: Mapping[str, str] = {}


class QuotaStatus(Part, frozen=True):
    """What is taken, and may be at most, by resource."""

    hard: Mapping[str, str] = {}
    used: Mapping[str, str] = {}


class ResourceQuota(Object, frozen=True):
    """What the pods and the objects of a namespace may take, all together."""

    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class ConfigMap(Object, frozen=True):
    """Texts by their key; in `binary_data`, other content as base64."""

    data: Mapping[str, str] = {}
    binary_data: Mapping[str, str] = {}


class Involved(Part, frozen=True):
    """The object that an event is about."""

    kind: str = ""
    name: str = ""


class EventObject(Object, frozen=True):
    """An event as the API gives it; what checks see of one is `facts.Event`."""

    involved_object: Involved
    reason: str = ""
    message: str = ""
    last_timestamp: str = ""
    event_time: str = ""

    @property
    def when(self) -> str:
        """When it happened last: a date of RFC 3339."""
        return self.last_timestamp or self.event_time or self.metadata.creation_timestamp


prepared(Workload, Job, ResourceQuota, ConfigMap, EventObject)
