"""Tells when something changed: in the learner's namespace (a watch, not a poll), on the local
port, or in kubectl's configuration."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from checks.errors import CahierError, Forbidden, Refused
from checks.facts import PROBE_LABEL
from checks.lab import Lab
from checks.sources.live_cluster import LiveCluster
from checks.sources.receipts import LABEL as RECEIPTS
from checks.waiting import Deadline

_WATCHED = ("Pod", "Service", "ConfigMap", "NetworkPolicy", "Role", "RoleBinding", "Deployment")
_GATHER = 0.2  # seconds in which several changes count as one
_LOCAL_PAUSE = (
    0.4  # seconds between two looks at the local port: nothing on the machine announces a change
)
_RECONNECT = 1.0  # seconds before a lost watch is opened again
_AGAIN = 3.0  # seconds before a cluster in trouble is asked whether it answers
_FORGOTTEN = 410  # of what happened after the version that we know, the server has kept no trace


class Watch:
    """What is watched from the moment that the context begins; it then waits for what comes
    next."""

    def __init__(self, cluster: LiveCluster, lab: Lab, tell: Callable[[str], None]) -> None:
        """`tell` hears, while it is waited, what cannot be watched though it can be read: a French
        sentence."""
        self._cluster = cluster
        self._tell = tell
        self._refused: queue.SimpleQueue[Forbidden] = queue.SimpleQueue()
        self._lab = lab
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._files = [Path(part) for part in cluster.credentials.source.split(os.pathsep)]
        self._known = _written(self._files)
        self._looked_again = False

    def __enter__(self) -> Self:
        for kind in _WATCHED:
            threading.Thread(target=self._watch, args=(kind,), daemon=True).start()
        if self._lab.about.port is not None:
            port = self._cluster.local_port(self._lab.about.port)
            threading.Thread(target=self._listen, args=(port,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def wait(self, *, spoilt: bool) -> bool:
        """Wait until something has changed; whether it is kubectl's configuration, which others
        must then read.

        `spoilt`: the cluster's own trouble kept the last look from telling anything. Then it is
        enough, once, that the cluster answers again.
        """
        self._looked_again = (
            spoilt and not self._looked_again and not self._has_changed_before_it_answers()
        )
        while not self._looked_again and not self._has_changed():
            pass
        time.sleep(_GATHER)
        self._changed.clear()
        before, self._known = self._known, _written(self._files)
        return self._known != before

    def _has_changed(self) -> bool:
        while not self._refused.empty():
            refusal = self._refused.get().refusal
            if refusal.verb == "watch":  # what may not even be read, the look itself has told
                why = f"Des changements ne seront pas remarqués : {refusal.said}."
                self._tell(f"{why} Après l’un d’eux, relancez la commande.")
        # Short waits keep Ctrl-C prompt on every system.
        return self._changed.wait(0.2) or _written(self._files) != self._known

    def _has_changed_before_it_answers(self) -> bool:
        ask = Deadline(_AGAIN)
        while not self._has_changed():
            if ask.passed:
                with contextlib.suppress(CahierError):
                    self._cluster.latest("Pod")
                    return False
                ask = Deadline(_AGAIN)
        return True

    def _watch(self, kind: str) -> None:
        since, blind = "", False
        while not self._stop.is_set():
            try:
                if not since:
                    since = self._cluster.latest(kind)
                    if blind:  # nobody knows what happened meanwhile
                        self._changed.set()
                for event in self._cluster.watch(kind, since):
                    since = _version(event) or since
                    if _counts(event):
                        self._changed.set()
            except (
                Forbidden
            ) as refusal:  # our role does not let us: it will not either a second later
                self._refused.put(refusal)
                return
            except CahierError as trouble:
                blind = True
                if isinstance(trouble, Refused) and trouble.status == _FORGOTTEN:
                    since = ""
            self._stop.wait(_RECONNECT)

    def _listen(self, port: int) -> None:
        known = self._cluster.machine.listeners(port)
        while not self._stop.wait(_LOCAL_PAUSE):
            now = self._cluster.machine.listeners(port)
            if now != known:
                known = now
                self._changed.set()


def _written(files: Sequence[Path]) -> Sequence[int]:
    """When each file was last written; nothing where one is being replaced at this very moment."""
    try:
        return [file.stat().st_mtime_ns for file in files if file.is_file()]
    except OSError:
        return []


def _version(event: Mapping[str, Any]) -> str:
    """After which the next event comes; "" where this one does not say."""
    return (event["object"].get("metadata") or {}).get("resourceVersion") or ""


def _counts(event: Mapping[str, Any]) -> bool:
    """Whether something changed: not where the server says how far it has come, nor where the
    object is a probe or a receipt, as what a check does itself must not call for another one."""
    labels = (event["object"].get("metadata") or {}).get("labels") or {}
    return event["type"] != "BOOKMARK" and PROBE_LABEL not in labels and RECEIPTS not in labels
