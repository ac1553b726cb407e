"""What grading in the cluster is made of there. Everything belongs to the Job or CronJob, and goes
with it. The board of a class is made of the same pieces (checks/board/in_cluster)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from checks.grading.in_cluster.order import FILE, FOLDER, OTHER_CODE, PLACE

LABEL = "cahier-kubernetes/notation"
SERVICE_ACCOUNT = (
    "cahier-noter"  # the administrator binds it to the teacher's ClusterRole once and for all
)
AT_ONCE = 4  # parts graded at the same time, whatever the class: what the API server bears

_BATCH = "/apis/batch/v1/namespaces/{}/{}"
_CORE = "/api/v1/namespaces/{}/{}"
_RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC = f"/apis/{_RBAC_GROUP}/v1/namespaces/{{}}/{{}}"
COLLECTIONS = {
    "Job": _BATCH.format("{}", "jobs"),
    "CronJob": _BATCH.format("{}", "cronjobs"),
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ConfigMap": _CORE.format("{}", "configmaps"),
    "Secret": _CORE.format("{}", "secrets"),
    "ServiceAccount": _CORE.format("{}", "serviceaccounts"),
    "Role": _RBAC.format("{}", "roles"),
    "RoleBinding": _RBAC.format("{}", "rolebindings"),
}
"""Path of each kind's objects; the namespace is to be filled in."""

_HOURS = 2  # for the whole class
# a Job that nobody collects goes after a day, with all that belongs to it
_KEPT_SECONDS = 24 * 3600
_RETRIES = 3  # of each part
_USER = 65532


def job(name: str, group: str, parts: int, image: str) -> dict[str, Any]:
    """The Job, not started yet."""
    spec = {
        **_job_spec(name, group, parts, image),
        "suspend": True,
        "ttlSecondsAfterFinished": _KEPT_SECONDS,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, group),
        "spec": spec,
    }


def cron_job(
    name: str, group: str, parts: int, image: str, schedule: str, time_zone: str
) -> dict[str, Any]:
    """The CronJob, not started yet. `schedule` as cron writes it; `time_zone` "": the cluster's
    own."""
    spec = {
        "schedule": schedule,
        **({"timeZone": time_zone} if time_zone else {}),
        "suspend": True,
        "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {
            "metadata": {"labels": {LABEL: group}},
            "spec": _job_spec(name, group, parts, image),
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(name, group),
        "spec": spec,
    }


def belongings(
    name: str, group: str, parts: int, order: str, owner: Mapping[str, Any]
) -> Sequence[dict[str, Any]]:
    """The order, a place for each part's grades, and the right to write there and nowhere else."""
    own = owned(name, group, owner)
    places = [f"{name}-{index}" for index in range(parts)]
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own, "data": {FILE: order}},
        *(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**own, "name": place}}
            for place in places
        ),
        *may_write(own, places),
    ]


def may_write(own: Mapping[str, Any], places: Sequence[str]) -> Sequence[dict[str, Any]]:
    """What lets the pods write to these ConfigMaps, and nowhere else."""
    return [
        {
            "apiVersion": f"{_RBAC_GROUP}/v1",
            "kind": "Role",
            "metadata": own,
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["configmaps"],
                    "resourceNames": places,
                    "verbs": ["get", "patch"],
                }
            ],
        },
        {
            "apiVersion": f"{_RBAC_GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": own,
            "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "Role", "name": own["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT}],
        },
    ]


def service_account(group: str, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Whom the parts act as."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": owned(SERVICE_ACCOUNT, group, owner),
    }


def owner_reference(owner: Mapping[str, Any]) -> dict[str, str]:
    """What makes an object go with `owner`."""
    said = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": said["name"],
        "uid": said["uid"],
    }


def metadata(name: str, group: str) -> dict[str, Any]:
    """What an object of ours says of itself."""
    return {"name": name, "labels": {LABEL: group}}


def owned(name: str, group: str, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The same of one that goes with `owner`."""
    return {**metadata(name, group), "ownerReferences": [owner_reference(owner)]}


def _job_spec(name: str, group: str, parts: int, image: str) -> dict[str, Any]:
    return {
        "completionMode": "Indexed",
        "completions": parts,
        "parallelism": min(parts, AT_ONCE),
        "backoffLimitPerIndex": _RETRIES,
        "activeDeadlineSeconds": _HOURS * 3600,
        "podFailurePolicy": {
            "rules": [
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [OTHER_CODE]}},
                # a node that is emptied is not the part's failure
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            ]
        },
        "template": {"metadata": {"labels": {LABEL: group}}, "spec": _pod_spec(name, image)},
    }


def _pod_spec(name: str, image: str) -> dict[str, Any]:
    execution = {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"}}
    container = {
        "name": "noter",
        "image": image,
        "command": ["python", "-m", "checks.grading.in_cluster.part"],
        "env": [
            {"name": PLACE, "value": name},
            {"name": "CAHIER_EXECUTION", "valueFrom": execution},
        ],
    }
    return {"restartPolicy": "Never", **pod_spec(container, {"configMap": {"name": name}})}


def pod_spec(container: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """A pod that acts as our ServiceAccount and may do nothing else. `container`: what it runs;
    `told`: the volume that says what about."""
    return {
        "serviceAccountName": SERVICE_ACCOUNT,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "imagePullPolicy": "IfNotPresent",
                **container,
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"cpu": "1", "memory": "512Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                    {"name": "classe", "mountPath": FOLDER, "readOnly": True},
                    {"name": "tmp", "mountPath": "/tmp"},
                ],
            }
        ],
        "volumes": [
            {"name": "classe", **told},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
