"""What the board is made of in the cluster. Everything belongs to the Deployment, and goes with
it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from checks.board.in_cluster.order import PORT, TOKEN
from checks.grading.in_cluster.manifests import LABEL, may_write, metadata, owned, pod_spec
from checks.grading.in_cluster.order import FILE, PLACE

CONTENT = "cahier-kubernetes/contenu"  # of the pods' annotations: digest of what they were told
_STARTS, _HANGS = 180, 3  # tries: three minutes to start, a minute and a half of silence
# the page answers, if only that it is not to be seen; a shell alone costs next to nothing
_ANSWERS = (
    f"exec 3<>/dev/tcp/127.0.0.1/{PORT} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 "
    "&& read -t 5 -r line <&3"
)


def deployment(name: str, group: str, image: str, content: str, replicas: int) -> dict[str, Any]:
    """The Deployment. `content`: what changes with what the pod is told."""
    labels = {LABEL: group}
    probe = {"exec": {"command": ["bash", "-c", _ANSWERS]}, "timeoutSeconds": 8}
    container = {
        "name": "suivre",
        "image": image,
        "command": ["python", "-m", "checks.board.in_cluster.pod"],
        "env": [{"name": PLACE, "value": name}],
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": _STARTS},
        "readinessProbe": {**probe, "periodSeconds": 30},
        "livenessProbe": {**probe, "periodSeconds": 30, "failureThreshold": _HANGS},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name, group),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "strategy": {"type": "Recreate"},  # two pods would watch the class twice
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {CONTENT: content}},
                "spec": pod_spec(container, {"secret": {"secretName": name}}),
            },
        },
    }


def belongings(
    name: str, group: str, order: str, token: str, owner: Mapping[str, Any]
) -> Sequence[dict[str, Any]]:
    """What the pod is told, a place for what it sees proven, and the right to write there and
    nowhere else."""
    own = owned(name, group, owner)
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": own,
            "data": {
                key: base64.b64encode(text.encode()).decode()
                for key, text in ((FILE, order), (TOKEN, token))
            },
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own},
        *may_write(own, [name]),
    ]
