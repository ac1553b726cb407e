"""The ConfigMap that keeps what the board has seen proven: it is there when the pod is not, on any
cluster, and whoever teaches reads it without entering the pod."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Sequence

from checks.access.answers import typed
from checks.access.kubernetes_api import Api
from checks.board.in_cluster.order import HISTORY, pack, unpack
from checks.errors import AccessError, CahierError, Refused
from checks.grading.history import Change, History
from checks.objects.workloads import ConfigMap
from checks.waiting import Deadline

_ATTEMPTS = 5
_SHARE = 20  # times what a publication takes, before the next one


def kept_in(found: ConfigMap) -> Sequence[Change]:
    """The changes that a ConfigMap of ours holds. Raises CahierError."""
    packed = found.binary_data.get(HISTORY)
    try:
        return unpack(base64.b64decode(packed)) if packed else ()
    except Exception as error:  # lzma, base64 and msgspec each have their own
        raise CahierError(
            f"La ConfigMap {found.metadata.name} ne contient pas l’historique d’un tableau.",
            "Elle a été modifiée, ou vient d’une autre version de cahier : retirez le tableau "
            f"(kubectl delete deployment {found.metadata.name} -n {found.metadata.namespace}), "
            "puis recommencez.",
        ) from error


class Place:
    """Where the pod of a board keeps its history, and takes up that of the pod before it."""

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{api.credentials.namespace}/configmaps/{name}"
        self._version = ""
        self._writes = -1
        self._next = Deadline(0.0)

    def restore(self, history: History) -> None:
        """Add what is there to a history. Raises CahierError."""
        found = typed(self._api.request("GET", self._path), ConfigMap)
        self._version = found.metadata.resource_version
        history.take(kept_in(found))

    def publish(self, history: History) -> None:
        """Write all of it, if there is something new. Where another pod has written meanwhile, what
        it wrote is taken up first: nothing of either is lost. Raises CahierError."""
        for _ in range(_ATTEMPTS):
            writes = history.writes
            if writes == self._writes:
                return
            every = [one for changes in history.of_class().values() for one in changes]
            content = {
                "metadata": {"resourceVersion": self._version},
                "binaryData": {HISTORY: base64.b64encode(pack(every)).decode()},
            }
            try:
                answer = self._api.request(
                    "PATCH", self._path, content, content_type="application/merge-patch+json"
                )
            except Refused as refusal:
                if refusal.status != 409:
                    raise
                self.restore(history)
            else:
                self._version = typed(answer, ConfigMap).metadata.resource_version
                self._writes = writes
                return

    def publish_now_and_then(self, history: History) -> None:
        """The same for who does it all the time: a large history is written less often, and what
        goes wrong is said in the pod's log, once more in a while."""
        if not self._next.passed:
            return
        began = time.monotonic()
        try:
            self.publish(history)
        except AccessError as trouble:
            print(trouble.message, file=sys.stderr, flush=True)
        self._next = Deadline(_SHARE * (time.monotonic() - began))
