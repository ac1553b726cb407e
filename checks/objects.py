"""Typed facts out of the objects that the API server lists: the same for a live cluster and for a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from checks.facts import Container, Event, Pod
from checks.probes import LABEL


def pods_in(items: Iterable[Mapping[str, Any]], labels: Mapping[str, str] | None = None) -> Sequence[Pod]:
    """Pods that carry all `labels`, sorted by name; probes of ours are none of the learner's."""
    found = [_pod(raw) for raw in items if LABEL not in (raw["metadata"].get("labels") or {})]
    wanted = (labels or {}).items()
    return sorted((pod for pod in found if wanted <= pod.labels.items()), key=lambda pod: pod.name)


def events_in(items: Iterable[Mapping[str, Any]], name: str) -> Sequence[Event]:
    """Events about the object `name`, newest last."""

    def when(raw: Mapping[str, Any]) -> str:
        return str(raw.get("lastTimestamp") or raw.get("eventTime") or raw["metadata"]["creationTimestamp"])

    return [
        Event(raw["involvedObject"]["kind"], name, raw.get("reason") or "", raw.get("message") or "")
        for raw in sorted(items, key=when)
        if raw["involvedObject"].get("name") == name
    ]


def _pod(raw: Mapping[str, Any]) -> Pod:
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    states = {item["name"]: item for item in status.get("containerStatuses") or []}
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    return Pod(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        labels=metadata.get("labels") or {},
        phase=status.get("phase", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting="deletionTimestamp" in metadata,
        ip=status.get("podIP", ""),
        containers=tuple(_container(item, states.get(item["name"], {})) for item in spec["containers"]),
        created=datetime.fromisoformat(metadata["creationTimestamp"]).astimezone(UTC),
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        raw=raw,
    )


def _container(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Container:
    state = status.get("state") or {}
    last = (status.get("lastState") or {}).get("terminated") or {}
    ended = state.get("terminated") or last
    waiting = state.get("waiting") or {}
    return Container(
        name=spec["name"],
        image=spec["image"],
        command=tuple(spec.get("command") or ()),
        args=tuple(spec.get("args") or ()),
        ports=tuple(port["containerPort"] for port in spec.get("ports") or ()),
        ready=bool(status.get("ready")),
        running="running" in state,
        restarts=status.get("restartCount", 0),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        terminated_reason=ended.get("reason", ""),
        exit_code=ended.get("exitCode"),
    )
