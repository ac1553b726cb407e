"""What the platform's catalogue form does, done by the user in the current namespace, under the
same names."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checks.access.kubernetes_api import Api, collection
from checks.errors import AccessError, CahierError, Refused, UsageError
from checks.local_sspcloud import operated
from checks.local_sspcloud.postgresql import DATABASE, IMAGE, manifests
from checks.local_sspcloud.progress import Progress, silent
from checks.objects.parts import Metadata, metadata, read
from checks.objects.pods import PodObject, PodStatus, Waiting
from checks.objects.policies import NetworkPolicy
from checks.registries import unpulled_image
from checks.waiting import tries

_READY_SECONDS = 180.0
_GONE_SECONDS = 60.0
_POLL_SECONDS = 0.15
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?")
_SELECTOR = "app.kubernetes.io/name=postgresql,app.kubernetes.io/managed-by=cloudnative-pg"
_UNPULLED = ("ErrImagePull", "ImagePullBackOff")
_STUCK = (*_UNPULLED, "InvalidImageName", "CreateContainerConfigError", "CrashLoopBackOff")


@dataclass(frozen=True)
class Release:
    """A database of the catalogue. `state` is French; `pod` is the one that takes writes, or that
    will; `policies` are the NetworkPolicies that select it."""

    name: str
    namespace: str
    ready: bool
    state: str
    pod: str
    policies: Sequence[str]
    created: datetime | None

    @property
    def short_host(self) -> str:
        """Host name within the namespace."""
        return f"{self.name}-rw"

    @property
    def host(self) -> str:
        """Host name from anywhere in the cluster."""
        return f"{self.short_host}.{self.namespace}.svc.cluster.local"


def launch_postgresql(
    api: Api,
    namespace: str,
    name: str | None = None,
    opened: bool = False,
    progress: Progress = silent,
    *,
    user: str | None = None,
    database: str = DATABASE,
) -> Release:
    """Launch a PostgreSQL and wait until it accepts connections.

    `name` None: `postgresql-cnpg-` and six digits. `opened`: without the NetworkPolicy that keeps
    other namespaces out. `user` None: the platform's default, the name of the namespace. Raises
    CahierError; what was begun and could not be made is removed, a pod that is not ready in time
    stays for its owner to look at.
    """
    release = name or f"postgresql-cnpg-{secrets.randbelow(10**6):06d}"
    if not _NAME.fullmatch(release):
        raise UsageError(
            f"« {release} » n’est pas un nom possible.",
            "Des minuscules, des chiffres et des tirets, une lettre au début, 50 caractères au "
            "plus.",
        )
    if _exists(api, namespace, release):
        _clear_begun(api, namespace, release)
    owner = user or namespace  # the form's default: the project's own name, as its namespace's
    platform = operated.platform(api)
    if platform is not None:
        items = operated.manifests(namespace, release, opened, owner)
        _launch_operated(platform, namespace, release, items, database, progress)
    else:
        items = manifests(namespace, release, opened, owner, database)
        with progress(f"Lancement de {release}", 1):
            _create_all(api, namespace, release, items)
        with progress(f"Attente de {release}-1", 6):
            _wait_ready(api, namespace, release)
    return next(one for one in releases(api, namespace) if one.name == release)


def _launch_operated(
    platform: Api,
    namespace: str,
    name: str,
    items: Sequence[Mapping[str, Any]],
    database: str,
    progress: Progress,
) -> None:
    with progress(f"Lancement de {name}", 1):
        _create_all(platform, namespace, name, items)
    with progress(f"Attente de {name}-1, que l’opérateur fabrique", 25):
        _wait_ready(platform, namespace, name, by_operator=True)
    with progress("Attente de son compte et de sa base", 5):
        operated.finish(platform, namespace, name, database, _READY_SECONDS)


def resume(
    api: Api, namespace: str, name: str, progress: Progress = silent
) -> tuple[Release, Sequence[str]]:
    """Bring a database that is there back to work, and wait until it is ready; names of what had to
    be made again.

    Raises CahierError.
    """
    made = list(_secret_again(api, namespace, name))
    by_operator = operated.is_of(api, namespace, name)
    if not by_operator and api.find(_paths(namespace, name)[-1]) is None:
        _require_whole(api, namespace, name)
        items = [
            item
            for item in manifests(namespace, name, True, "", DATABASE)
            if item["kind"] in ("ConfigMap", "Service", "Pod")
            and api.find(f"{collection(item['kind'], namespace)}/{item['metadata']['name']}")
            is None
        ]
        _create_all(api, namespace, name, items)
        made += [f"{item['kind']} {item['metadata']['name']}" for item in items]
    with progress(f"Attente de {name}-1", 6):
        _wait_ready(api, namespace, name, by_operator)
    platform = operated.platform(api) if by_operator else None
    if platform is not None:
        with progress("Attente de son compte et de sa base", 5):
            operated.finish(platform, namespace, name, DATABASE, _READY_SECONDS)
    return next(one for one in releases(api, namespace) if one.name == name), made


def _secret_again(api: Api, namespace: str, name: str) -> Iterator[str]:
    """Make the database's Secret again from the copy that came with it, where only the copy is
    left."""
    place = collection("Secret", namespace)
    copy = api.find(f"{place}/{name}-user")
    if copy is None or api.find(f"{place}/{name}") is not None:
        return
    metadata = {"name": name, "labels": copy["metadata"].get("labels") or {}}
    item = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    api.request("POST", place, {**item, "data": copy.get("data") or {}})
    yield f"Secret {name}"


def _require_whole(api: Api, namespace: str, name: str) -> None:
    """Raises UsageError where a new pod would not be the same database's."""
    found = [_labelled(api, path, name) for path in _paths(namespace, name)]
    if None in found[:3]:
        raise UsageError(
            f"« {name} » existe encore dans {namespace}, mais un de ses Secrets a disparu avec son "
            "pod.",
            f"Retirez ce qui en reste, puis relancez-le : cahier catalogue arreter {name}",
        )


def releases(api: Api, namespace: str) -> Sequence[Release]:
    """The namespace's databases, by name. Raises AccessError."""
    found: dict[str, list[PodObject]] = {}
    for kind in ("Service", "Pod"):
        for item in api.objects(kind, collection(kind, namespace), {"labelSelector": _SELECTOR}):
            some = found.setdefault(metadata(item).labels.get("app.kubernetes.io/instance", ""), [])
            if kind == "Pod":
                some.append(read(item, PodObject))
    found.pop("", None)
    if not found:
        return []
    path = collection("NetworkPolicy", namespace)
    policies = api.each(NetworkPolicy, "NetworkPolicy", path)
    return [_release(namespace, name, found[name], policies) for name in sorted(found)]


def stop(api: Api, namespace: str, name: str, progress: Progress = silent) -> None:
    """Remove all of a release and nothing else; returns once its pod is gone. Raises
    CahierError."""
    if operated.is_of(api, namespace, name):
        _stop_operated(api, namespace, name, progress)
        return
    present = [path for path in _paths(namespace, name) if _labelled(api, path, name) is not None]
    if not present:
        known = [one.name for one in releases(api, namespace)]
        raise UsageError(
            f"Aucun service « {name} » dans {namespace}.",
            f"Vos services : {', '.join(known)}"
            if known
            else "Vous n’avez aucun service du catalogue.",
        )
    with progress(f"Arrêt de {name}", 3):
        for path in present:
            api.remove(path)
        _wait_gone(api, _paths(namespace, name)[-1])


def _stop_operated(api: Api, namespace: str, name: str, progress: Progress) -> None:
    platform = operated.platform(api)
    if platform is None:
        raise UsageError(
            f"« {name} » vient du catalogue de la plateforme, qui le recréerait aussitôt.",
            "Arrêtez-le dans l’interface du SSPCloud, page « Mes services ».",
        )
    with progress(f"Arrêt de {name}", 5):
        operated.stop(platform, namespace, name, _paths(namespace, name)[:-1])
        if not any(
            operated.is_gone(platform, namespace, name) for _ in tries(_GONE_SECONDS, _POLL_SECONDS)
        ):
            raise _still_there(f"{name}-1")


def _clear_begun(api: Api, namespace: str, name: str) -> None:
    """Remove what a launch that was killed had made before its Service: no pod has run with it.
    Raises UsageError where it is anything else."""
    paths = _paths(namespace, name)
    begun = {path: _labelled(api, path, name) for path in paths if api.find(path) is not None}
    ours = all(one is not None and not one.database_cluster for one in begun.values())
    if not ours or not begun.keys() <= {*paths[:4]}:
        raise _already_there(namespace, name)
    for path in begun:
        api.remove(path)


# -- making ----------------------------------------------------------------------------------------


def _create_all(api: Api, namespace: str, name: str, items: Sequence[Mapping[str, Any]]) -> None:
    """Make them all, or none."""
    made: list[str] = []
    try:
        for manifest in items:
            path = operated.place(manifest)
            # before: the answer may be what is cut short
            made.append(f"{path}/{manifest['metadata']['name']}")
            try:
                api.request("POST", path, manifest)
            except Refused:
                made.pop()
                raise
    except BaseException as error:
        for one in reversed(made):
            with contextlib.suppress(AccessError):
                api.remove(one)
        explained = _explained(error, namespace, name)
        if explained is None:
            raise
        raise explained from error


def _explained(error: BaseException, namespace: str, name: str) -> CahierError | None:
    """A better explanation of why something could not be made, None where there is none."""
    status = getattr(error, "status", None)
    said = str(error)
    if status == 409:
        return _already_there(namespace, name)
    if status == 403 and "quota" in said:
        return CahierError(
            f"Le quota de {namespace} ne permet pas un service de plus : "
            f"{said.rpartition('quota: ')[2]}",
            "Arrêtez ce qui ne sert plus (cahier catalogue lister, kubectl get pods), puis "
            "recommencez.",
        )
    return None


def _already_there(namespace: str, name: str) -> UsageError:
    return UsageError(
        f"« {name} » existe déjà dans {namespace} : rien n’a été changé.",
        f"Choisissez un autre nom (--nom), ou arrêtez-le d’abord : cahier catalogue arreter {name}",
    )


# -- looking ---------------------------------------------------------------------------------------


def _paths(namespace: str, name: str) -> Sequence[str]:
    """Everything that a release may consist of, the pod last."""
    parts = (
        *(("Secret", ""), ("Secret", "-user"), ("Secret", "-superuser"), ("ConfigMap", "-initdb")),
        *(("Service", "-rw"), ("NetworkPolicy", ""), ("Pod", "-1")),
    )
    return [f"{collection(kind, namespace)}/{name}{suffix}" for kind, suffix in parts]


def _labelled(api: Api, path: str, name: str) -> Metadata | None:
    """The object's own, if it belongs to the release: something else may bear its name."""
    item = api.find(path)
    found = metadata(item) if item is not None else None
    ours = found is not None and found.labels.get("app.kubernetes.io/instance") == name
    return found if ours else None


def _exists(api: Api, namespace: str, name: str) -> bool:
    return any(api.find(path) is not None for path in _paths(namespace, name))


def _wait_gone(api: Api, path: str) -> None:
    if not any(api.find(path) is None for _ in tries(_GONE_SECONDS, _POLL_SECONDS)):
        raise _still_there(path.split("/")[-1])


def _still_there(pod: str) -> CahierError:
    return CahierError(
        "Le pod n’en finit pas de s’arrêter.", f"Regardez-le : kubectl get pod {pod}"
    )


def _wait_ready(api: Api, namespace: str, name: str, by_operator: bool = False) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/{name}-1"
    status = PodStatus()
    for _ in tries(_READY_SECONDS, _POLL_SECONDS):
        pod = api.one(PodObject, path)
        if pod is None and by_operator:
            continue
        if pod is None:
            raise CahierError(f"Le pod {name}-1 a été supprimé pendant son démarrage.")
        status = pod.status
        if status.is_ready:
            return
        # "failed to sync": a busy kubelet has not read the Secret yet, and tries again
        if status.waiting.reason in _STUCK and "failed to sync" not in status.waiting.message:
            raise _not_ready(api, path, name, status.waiting)
    raise _not_ready(api, path, name, _late(status))


def _late(status: PodStatus) -> Waiting:
    """Why a pod is late, as far as it is told."""
    scheduled = status.condition("PodScheduled")
    unscheduled = scheduled.message if scheduled is not None else ""
    return Waiting(status.waiting.reason or "délai dépassé", status.waiting.message or unscheduled)


def _not_ready(api: Api, path: str, name: str, waiting: Waiting) -> CahierError:
    reason, detail = waiting.reason, waiting.message
    said = detail
    if reason == "CrashLoopBackOff":
        with contextlib.suppress(AccessError):
            lines = api.text(f"{path}/log", {"tailLines": "3", "previous": "true"}).strip()
            said = lines or detail
    refusal = unpulled_image(detail) if reason in _UNPULLED else None
    if refusal is not None:
        return CahierError(
            f"« {name} » est lancé, mais son image {IMAGE} n’a pas pu être téléchargée ({reason}). "
            f"{refusal.cause}",
            f"{refusal.pod}. Puis arrêtez-le et recommencez : cahier catalogue arreter {name}",
        )
    return CahierError(
        f"« {name} » est lancé mais n’est pas prêt ({reason}). {said}".strip(),
        f"Regardez-le avec « kubectl describe pod {name}-1 », ou arrêtez-le : cahier catalogue "
        f"arreter {name}",
    )


def _release(
    namespace: str, name: str, pods: Sequence[PodObject], policies: Sequence[NetworkPolicy]
) -> Release:
    # others prepare the first one's files, or serve no client themselves
    servers = [one for one in pods if one.metadata.labels.get("cnpg.io/podRole") == "instance"]
    leading = [
        one for one in servers if one.metadata.labels.get("cnpg.io/instanceRole") == "primary"
    ]
    pod = next(iter((*leading, *servers)), None)
    if pod is None:
        state = "se prépare" if pods else "sans pod"
        return Release(name, namespace, False, state, f"{name}-1", (), None)
    ready, labels = pod.status.is_ready, pod.metadata.labels
    state = "prêt" if ready else pod.status.waiting.reason or "démarre"
    if pod.metadata.deletion_timestamp:
        state = "s’arrête"
    selecting = [one.name for one in policies if one.spec.pod_selector.selects(labels)]
    created = datetime.fromisoformat(pod.metadata.creation_timestamp)
    return Release(name, namespace, ready, state, pod.metadata.name, sorted(selecting), created)
