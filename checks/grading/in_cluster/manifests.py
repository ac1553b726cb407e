"""What grading in the cluster is made of there. Everything belongs to the Job or CronJob, and goes
with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from checks.grading.in_cluster.order import FILE, FOLDER, OTHER_CODE

LABEL = "cahier-kubernetes/notation"
SERVICE_ACCOUNT = (
    "cahier-noter"  # the administrator binds it to the teacher's ClusterRole once and for all
)
AT_ONCE = 4  # parts graded at the same time, whatever the class: what the API server bears

_BATCH = "/apis/batch/v1/namespaces/{}/{}"
_CORE = "/api/v1/namespaces/{}/{}"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}"
COLLECTIONS = {
    "Job": _BATCH.format("{}", "jobs"),
    "CronJob": _BATCH.format("{}", "cronjobs"),
    "ConfigMap": _CORE.format("{}", "configmaps"),
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
        "metadata": _metadata(name, group),
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
        "metadata": _metadata(name, group),
        "spec": spec,
    }


def belongings(
    name: str, group: str, parts: int, order: str, owner: Mapping[str, Any]
) -> Sequence[dict[str, Any]]:
    """The order, a place for each part's grades, and the right to write there and nowhere else."""
    owned = {**_metadata(name, group), "ownerReferences": [owner_reference(owner)]}
    places = [f"{name}-{index}" for index in range(parts)]
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": owned, "data": {FILE: order}},
        *(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**owned, "name": place}}
            for place in places
        ),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": owned,
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
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": owned,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT}],
        },
    ]


def service_account(group: str, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Whom the parts act as."""
    metadata = {**_metadata(SERVICE_ACCOUNT, group), "ownerReferences": [owner_reference(owner)]}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def owner_reference(owner: Mapping[str, Any]) -> dict[str, str]:
    """What makes an object go with `owner`."""
    metadata = owner["metadata"]
    return {
        "apiVersion": "batch/v1",
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def _metadata(name: str, group: str) -> dict[str, Any]:
    return {"name": name, "labels": {LABEL: group}}


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
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "checks.grading.in_cluster.part"],
        "env": [
            {"name": "CAHIER_RESULTATS", "value": name},
            {"name": "CAHIER_EXECUTION", "valueFrom": execution},
        ],
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
    return {
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "classe", "configMap": {"name": name}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
