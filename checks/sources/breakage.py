"""What is broken on purpose in a learner's namespace is mended, whatever happens meanwhile: its
maker makes another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from checks.access.kubernetes_api import Api, collection
from checks.errors import AccessError, CahierError, Forbidden, Refused, Unverifiable
from checks.facts import PROBE_LABEL
from checks.interruption import undone
from checks.objects.pods import PodObject
from checks.process import OWNER, has_ended, mark, owner
from checks.waiting import tries

_GOES = 5.0  # seconds for a pod that is deleted to be on its way out
_PAUSE = 0.2
_MERGE = "application/merge-patch+json"


def delete(api: Api, namespace: str, name: str) -> None:
    """Delete a pod at once, and see it go. Raises Forbidden, and Unverifiable where it stays for
    another reason."""
    path = f"{collection('Pod', namespace)}/{name}"
    before = api.one(PodObject, path)
    if before is None:
        return
    trouble: AccessError | None = None
    for _ in tries(_GOES, _PAUSE):
        trouble = None
        try:
            api.remove(path, {"gracePeriodSeconds": 0})
        except Forbidden:
            raise
        except AccessError as error:
            trouble = error
        with contextlib.suppress(AccessError):
            if _is_gone(before, api.one(PodObject, path)):
                return
    raise Unverifiable(
        f"Le pod {name} devait être supprimé, et il est toujours là"
        f"{f' : {trouble.message}' if trouble else '.'}",
        "Relancez la commande ; si cela dure : cahier diagnostiquer",
    )


def _is_gone(before: PodObject, now: PodObject | None) -> bool:
    if now is None or now.metadata.uid != before.metadata.uid:
        return True
    return bool(now.metadata.deletion_timestamp)


@contextlib.contextmanager
def breaking(api: Api, namespace: str, name: str) -> Iterator[Callable[[], None]]:
    """While something in a pod is broken on purpose; see `capabilities`. Raises AccessError before
    anything is."""
    well = False

    def say() -> None:
        nonlocal well
        well = True

    def mend() -> None:
        with contextlib.suppress(CahierError):
            if well:
                _note(api, namespace, name, None)
            else:
                delete(api, namespace, name)

    with contextlib.suppress(Refused):  # it only serves should we be killed
        _note(api, namespace, name, mark())
    with undone(mend):
        yield say


def _note(api: Api, namespace: str, name: str, whose: str | None) -> None:
    """Write on a pod whose it is to mend; None: nobody's any more."""
    change = {"metadata": {"annotations": {OWNER: whose}}}
    api.request("PATCH", f"{collection('Pod', namespace)}/{name}", change, content_type=_MERGE)


def clear(api: Api, namespace: str, pods: Iterable[PodObject]) -> bool:
    """Replace what a killed run of this machine has left broken of these pods, as they are listed;
    whether there was any. Raises nothing."""
    found = False
    for pod in pods:
        about = pod.metadata
        if PROBE_LABEL not in about.labels and has_ended(owner(about.annotations)):
            found = True
            with contextlib.suppress(CahierError):
                if pod.status.is_ready:  # it has healed by itself
                    _note(api, namespace, pod.name, None)
                else:
                    delete(api, namespace, pod.name)
    return found
