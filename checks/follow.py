"""Tells when something changed: in the learner's namespace (a watch, not a poll), on the local port, or in kubectl's
configuration."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from checks.errors import CahierError, Forbidden
from checks.facts import PROBE_LABEL
from checks.lab import Lab
from checks.sources.live_cluster import LiveCluster
from checks.sources.receipts import LABEL as RECEIPTS

_WATCHED = ("Pod", "Service", "ConfigMap", "NetworkPolicy", "Role", "RoleBinding", "Deployment")
_GATHER = 0.2  # seconds in which several changes count as one
_LOCAL_PAUSE = 0.4  # seconds between two looks at the local port: nothing on the machine announces a change
_RECONNECT = 1.0  # seconds before a lost watch is opened again


def changes(cluster: LiveCluster, lab: Lab) -> Iterator[bool]:
    """Yield each time something changed, for ever: whether it is kubectl's configuration, which others must then read.

    A lost connection is opened again.
    """
    changed = threading.Event()
    stop = threading.Event()
    files = [Path(part) for part in cluster.credentials.source.split(os.pathsep)]
    written = _written(files)
    for kind in _WATCHED:
        threading.Thread(target=_watch, args=(cluster, kind, changed, stop), daemon=True).start()
    if lab.about.port is not None:
        port = cluster.local_port(lab.about.port)
        threading.Thread(target=_local, args=(cluster, port, changed, stop), daemon=True).start()
    try:
        while True:
            # Short waits keep Ctrl-C prompt on every system.
            while not changed.wait(0.2) and _written(files) == written:
                pass
            time.sleep(_GATHER)
            changed.clear()
            before, written = written, _written(files)
            yield written != before
    finally:
        stop.set()


def _written(files: Sequence[Path]) -> Sequence[int]:
    """When each file was last written; nothing where one is being replaced at this very moment."""
    try:
        return [file.stat().st_mtime_ns for file in files if file.is_file()]
    except OSError:
        return []


def _watch(cluster: LiveCluster, kind: str, changed: threading.Event, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            for event in cluster.watch(kind):
                if not _is_ours(event):
                    changed.set()
        except Forbidden:  # our role does not read these: it will not either a second later
            return
        except CahierError:
            pass
        stop.wait(_RECONNECT)


def _is_ours(event: Mapping[str, Any]) -> bool:
    """Whether it is about a probe or a receipt: what a check does itself must not call for another one."""
    labels = (event["object"].get("metadata") or {}).get("labels") or {}
    return PROBE_LABEL in labels or RECEIPTS in labels


def _local(cluster: LiveCluster, port: int, changed: threading.Event, stop: threading.Event) -> None:
    known = cluster.machine.listeners(port)
    while not stop.wait(_LOCAL_PAUSE):
        now = cluster.machine.listeners(port)
        if now != known:
            known = now
            changed.set()
