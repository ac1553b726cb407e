"""What the pods of ours tell of themselves, and what is hopeless about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from checks.errors import CahierError
from checks.grading.in_cluster.launch import GRADING, Act
from checks.grading.in_cluster.order import OTHER_CODE
from checks.objects.pods import PodObject, Terminated, Waiting

_NOT_PULLED = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
_HOPELESS = ("ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")


def ends(pod: PodObject) -> Iterable[Terminated]:
    """How its containers have ended, the last time for those that were made again."""
    for one in pod.status.container_statuses:
        ended = one.state.terminated or one.last_state.terminated
        if ended is not None:
            yield ended


def death(pod: PodObject) -> str:
    """Why a pod has failed."""
    ended = next(iter(ends(pod)), None)
    if ended is None:
        return f"le pod s’est arrêté ({pod.status.reason or 'sans explication'})"
    said = ended.message.strip().splitlines()
    why = f"code {ended.exit_code}" if ended.reason in ("", "Error") else ended.reason
    return f"le pod s’est arrêté ({why}){f', en disant : {said[-1]}' if said else ''}"


def delays(pod: PodObject) -> Iterable[str]:
    """What keeps its containers from running, and may pass."""
    for state in _waiting(pod):
        if state.reason in _NOT_PULLED or state.reason.startswith("Create"):
            yield f"{state.reason} : {state.message}"


def unplaced(pod: PodObject) -> str:
    """Why no node takes it; "" where one has."""
    scheduled = pod.status.condition("PodScheduled")
    return scheduled.message if scheduled is not None and scheduled.status == "False" else ""


def require_pulled(pods: Sequence[PodObject]) -> None:
    """Raises CahierError where the image of all will never be there."""
    if pods and all(pod.status.phase == "Pending" for pod in pods):
        for state in (state for pod in pods for state in _waiting(pod)):
            if state.reason in _HOPELESS:
                raise _not_pulled(pods[0].spec.containers[0].image, state.message)


def require_same_version(pods: Sequence[PodObject], again: str) -> None:
    """Raises CahierError where a pod found that its image is of another version; `again`: what to
    do once the image is right."""
    if any(end.exit_code == OTHER_CODE for pod in pods for end in ends(pod)):
        image = pods[0].spec.containers[0].image
        raise CahierError(
            f"L’image {image} porte une autre version de cahier que cette commande, et "
            "noterait autrement.",
            f"Refaites-la (make image), déposez-la de nouveau s’il le faut, et {again}",
        )


def refused(said: str, namespace: str, act: Act = GRADING) -> CahierError:
    """The error for pods that the cluster does not take, as it says."""
    return CahierError(
        f"Le cluster refuse les pods {act.of} : {said}",
        f"Faites de la place dans le quota de {namespace} (kubectl describe quota -n {namespace}), "
        "ou donnez un autre --namespace.",
    )


def _waiting(pod: PodObject) -> Iterable[Waiting]:
    return [one.state.waiting for one in pod.status.container_statuses if one.state.waiting]


def _not_pulled(image: str, message: str) -> CahierError:
    return CahierError(
        f"L’image {image} n’a pas pu être téléchargée par le cluster : {message}",
        "Sur le petit SSPCloud local : make image. Ailleurs : déposez-la dans un registre que le "
        "cluster joint, et donnez son nom avec --image (guide de l’enseignant, « Noter une très "
        "grande classe »).",
    )
