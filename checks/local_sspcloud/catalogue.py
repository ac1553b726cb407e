"""What the platform's catalogue form does, done by the user in the current namespace, under the
same names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from checks.access.kubernetes_api import Api, collection
from checks.errors import AccessError, CahierError, Refused, UsageError
from checks.local_sspcloud import services
from checks.local_sspcloud.progress import Progress, silent
from checks.local_sspcloud.services.description import (
    INSTANCE,
    NAME,
    STAND_IN,
    Item,
    Operator,
    Order,
    Service,
    place,
)
from checks.objects.parts import Metadata, metadata, read
from checks.objects.pods import PodObject, PodStatus, Waiting
from checks.objects.policies import NetworkPolicy
from checks.registries import unpulled_image
from checks.waiting import tries

_READY_SECONDS = 180.0
_GONE_SECONDS = 60.0
_POLL_SECONDS = 0.15
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?")
_AT_REST = ("Secret", "ConfigMap")
"""The kinds of which nothing runs: what is made before a Service."""
_NOT_AGAIN = ("Secret", "NetworkPolicy")
"""The kinds that are not made again without being asked for: another password would be no good."""
_UNPULLED = ("ErrImagePull", "ImagePullBackOff")
_STUCK = (*_UNPULLED, "InvalidImageName", "CreateContainerConfigError", "CrashLoopBackOff")


@dataclass(frozen=True)
class Release:
    """A database of the catalogue. `state` is French; `pod` is the one that takes writes, or that
    will; `policies` are the NetworkPolicies that select it."""

    service: Service
    name: str
    namespace: str
    ready: bool
    state: str
    pod: str
    policies: Sequence[str]
    created: datetime | None
    stand_in: str = ""
    """What its server is, where it is not what its image is called after; French."""

    @property
    def short_host(self) -> str:
        """Host name within the namespace."""
        return self.service.short_host(self.name)

    @property
    def host(self) -> str:
        """Host name from anywhere in the cluster."""
        return f"{self.short_host}.{self.namespace}.svc.cluster.local"


def launch(
    api: Api,
    service: Service,
    namespace: str,
    name: str | None = None,
    opened: bool = False,
    progress: Progress = silent,
    *,
    user: str | None = None,
    database: str | None = None,
) -> Release:
    """Launch a service and wait until it accepts connections.

    `name` None: one of the service's own. `opened`: without the NetworkPolicy that keeps other
    namespaces out. `user` None: the platform's default, the name of the namespace. Raises
    CahierError; what was begun and could not be made is removed, a pod that is not ready in time
    stays for its owner to look at.
    """
    release = name or service.new_name()
    if not _NAME.fullmatch(release):
        raise UsageError(
            f"« {release} » n’est pas un nom possible.",
            "Des minuscules, des chiffres et des tirets, une lettre au début, 50 caractères au "
            "plus.",
        )
    if _exists(api, service, namespace, release):
        _clear_begun(api, service, namespace, release)
    # the form's default: the project's own name, as its namespace's
    owner, base = user or namespace, database or service.database
    stand_in = service.supply(api, progress)
    order = Order(namespace, release, opened, owner, base, stand_in)
    operator = service.operator(api)
    if operator is not None:
        _launch_operated(operator, service, order, progress)
    else:
        with progress(f"Lancement de {release}", 1):
            _create_all(api, order, service.manifests(order))
        with progress(f"Attente de {service.pod(release)}", 6):
            _wait_ready(api, service, namespace, release)
    return next(one for one in releases(api, namespace) if one.name == release)


def _launch_operated(
    operator: Operator, service: Service, order: Order, progress: Progress
) -> None:
    with progress(f"Lancement de {order.name}", 1):
        _create_all(operator.platform, order, operator.manifests(order))
    with progress(f"Attente de {service.pod(order.name)}, que l’opérateur fabrique", 25):
        _wait_ready(operator.platform, service, order.namespace, order.name, kept=True)
    with progress("Attente de son compte et de sa base", 5):
        operator.finish(order.namespace, order.name, order.database, _READY_SECONDS)


def resume(
    api: Api, service: Service, namespace: str, name: str, progress: Progress = silent
) -> tuple[Release, Sequence[str]]:
    """Bring a database that is there back to work, and wait until it is ready; names of what had to
    be made again.

    Raises CahierError.
    """
    missing = [*service.missing(api, namespace, name)]
    for item in missing:
        api.request("POST", place(item), item)
    operated = service.is_operated(api, namespace, name)
    stand_in = service.supply(api, progress)
    if not operated and api.find(service.parts(namespace, name)[-1]) is None:
        _require_whole(api, service, namespace, name)
        order = Order(namespace, name, True, namespace, service.database, stand_in)
        gone = [
            item
            for item in service.manifests(order)
            if item["kind"] not in _NOT_AGAIN and api.find(_path(item)) is None
        ]
        _create_all(api, order, gone)
        missing += gone
    with progress(f"Attente de {service.pod(name)}", 6):
        _wait_ready(api, service, namespace, name, operated)
    operator = service.operator(api) if operated else None
    if operator is not None:
        with progress("Attente de son compte et de sa base", 5):
            operator.finish(namespace, name, service.database, _READY_SECONDS)
    made = [f"{item['kind']} {item['metadata']['name']}" for item in missing]
    return next(one for one in releases(api, namespace) if one.name == name), made


def _require_whole(api: Api, service: Service, namespace: str, name: str) -> None:
    """Raises UsageError where a new pod would not be the same database's."""
    secrets = collection("Secret", namespace)
    needed = [path for path in service.parts(namespace, name) if path.startswith(f"{secrets}/")]
    if any(_labelled(api, path, name) is None for path in needed):
        raise UsageError(
            f"« {name} » existe encore dans {namespace}, mais un de ses Secrets a disparu avec son "
            "pod.",
            f"Retirez ce qui en reste, puis relancez-le : cahier catalogue arreter {name}",
        )


def releases(api: Api, namespace: str) -> Sequence[Release]:
    """The namespace's databases, by name. Raises AccessError."""
    found: dict[str, tuple[Service, list[PodObject]]] = {}
    labels = sorted({one.label for one in services.every()})
    query = {"labelSelector": f"{NAME} in ({','.join(labels)})"}
    for kind in ("Service", "Pod"):
        for item in api.objects(kind, collection(kind, namespace), query):
            service, release = services.of(metadata(item).labels) or (None, "")
            if service is None:
                continue
            _, some = found.setdefault(release, (service, []))
            if kind == "Pod":
                some.append(read(item, PodObject))
    if not found:
        return []
    path = collection("NetworkPolicy", namespace)
    policies = api.each(NetworkPolicy, "NetworkPolicy", path)
    return [_release(namespace, name, *found[name], policies) for name in sorted(found)]


def stop(api: Api, namespace: str, name: str, progress: Progress = silent) -> None:
    """Remove all of a release and nothing else; returns once its pod is gone. Raises
    CahierError."""
    known = releases(api, namespace)
    service = next((one.service for one in known if one.name == name), None)
    if service is not None and service.is_operated(api, namespace, name):
        _stop_operated(api, service, namespace, name, progress)
        return
    described = services.every() if service is None else [service]
    present = [
        (service, path)
        for service in described
        for path in service.parts(namespace, name)
        if _labelled(api, path, name) is not None
    ]
    if not present:
        raise UsageError(
            f"Aucun service « {name} » dans {namespace}.",
            f"Vos services : {', '.join(one.name for one in known)}"
            if known
            else "Vous n’avez aucun service du catalogue.",
        )
    if api.objects(
        "Secret", collection("Secret", namespace), {"labelSelector": f"owner=helm,name={name}"}
    ):
        raise _from_platform(name, "où il en resterait une partie")
    with progress(f"Arrêt de {name}", 3):
        for _, path in present:
            api.remove(path)
        for service in dict(present):
            _wait_gone(api, f"{collection('Pod', namespace)}/{service.pod(name)}")


def _stop_operated(
    api: Api, service: Service, namespace: str, name: str, progress: Progress
) -> None:
    operator = service.operator(api)
    if operator is None:
        raise _from_platform(name, "qui le recréerait aussitôt")
    with progress(f"Arrêt de {name}", 5):
        operator.stop(namespace, name, service.parts(namespace, name)[:-1])
        if not any(operator.is_gone(namespace, name) for _ in tries(_GONE_SECONDS, _POLL_SECONDS)):
            raise _still_there(service.pod(name))


def _from_platform(name: str, why: str) -> UsageError:
    return UsageError(
        f"« {name} » vient du catalogue de la plateforme, {why}.",
        "Arrêtez-le dans l’interface du SSPCloud, page « Mes services ».",
    )


def _clear_begun(api: Api, service: Service, namespace: str, name: str) -> None:
    """Remove what a launch that was killed had made before its Service: no pod has run with it.
    Raises UsageError where it is anything else."""
    items = {path: api.find(path) for path in service.parts(namespace, name)}
    begun = {path: metadata(item) for path, item in items.items() if item is not None}
    owners = {one.labels.get(INSTANCE, "") for one in begun.values()}
    ours = owners == {name} or (service.one_per_namespace and "" not in owners)
    at_rest = tuple(f"{collection(kind, namespace)}/" for kind in _AT_REST)
    kept = any(one.database_cluster for one in begun.values())
    if ours and not kept and all(path.startswith(at_rest) for path in begun):
        for path in begun:
            api.remove(path)
        return
    other = next(iter(owners - {name, ""}), "")
    if service.one_per_namespace and other:
        raise UsageError(
            f"{namespace} a déjà une base {service.title} : « {other} ». Ses objets ont les mêmes "
            "noms quel que soit celui du service, ici comme sur la plateforme : il n’y en a qu’une "
            "par namespace.",
            f"Servez-vous de celle-là, ou arrêtez-la d’abord : cahier catalogue arreter {other}",
        )
    raise _already_there(namespace, name)


# -- making ----------------------------------------------------------------------------------------


def _create_all(api: Api, order: Order, items: Sequence[Item]) -> None:
    """Make them all, or none."""
    made: list[str] = []
    try:
        for manifest in items:
            # before: the answer may be what is cut short
            made.append(_path(manifest))
            try:
                _try_pod(api, manifest)
                api.request("POST", place(manifest), manifest)
            except Refused:
                made.pop()
                raise
    except BaseException as error:
        for one in reversed(made):
            with contextlib.suppress(AccessError):
                api.remove(one)
        explained = _explained(error, order.namespace, order.name)
        if explained is None:
            raise
        raise explained from error


def _try_pod(api: Api, item: Item) -> None:
    """Have the API judge the pod of a StatefulSet, which nobody would hear refused. Raises
    Refused."""
    if item["kind"] != "StatefulSet":
        return
    template, own = item["spec"]["template"], item["metadata"]
    metadata = {
        **template["metadata"],
        "namespace": own["namespace"],
        "generateName": f"{own['name']}-",
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    api.request("POST", place(pod), pod, query={"dryRun": "All"})


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


def _path(item: Item) -> str:
    return f"{place(item)}/{item['metadata']['name']}"


def _labelled(api: Api, path: str, name: str) -> Metadata | None:
    """The object's own, if it belongs to the release: something else may bear its name."""
    item = api.find(path)
    found = metadata(item) if item is not None else None
    ours = found is not None and found.labels.get(INSTANCE) == name
    return found if ours else None


def _exists(api: Api, service: Service, namespace: str, name: str) -> bool:
    return any(api.find(path) is not None for path in service.parts(namespace, name))


def _wait_gone(api: Api, path: str) -> None:
    if not any(api.find(path) is None for _ in tries(_GONE_SECONDS, _POLL_SECONDS)):
        raise _still_there(path.split("/")[-1])


def _still_there(pod: str) -> CahierError:
    return CahierError(
        "Le pod n’en finit pas de s’arrêter.", f"Regardez-le : kubectl get pod {pod}"
    )


def _wait_ready(api: Api, service: Service, namespace: str, name: str, kept: bool = False) -> None:
    """`kept`: what makes the pod will make another."""
    path = f"{collection('Pod', namespace)}/{service.pod(name)}"
    status = PodStatus()
    for _ in tries(_READY_SECONDS, _POLL_SECONDS):
        pod = api.one(PodObject, path)
        if pod is None and (kept or service.remade):
            continue
        if pod is None:
            raise CahierError(f"Le pod {service.pod(name)} a été supprimé pendant son démarrage.")
        status = pod.status
        if status.is_ready:
            return
        # "failed to sync": a busy kubelet has not read the Secret yet, and tries again
        if status.waiting.reason in _STUCK and "failed to sync" not in status.waiting.message:
            raise _not_ready(api, service, path, name, status.waiting)
    raise _not_ready(api, service, path, name, _late(status))


def _late(status: PodStatus) -> Waiting:
    """Why a pod is late, as far as it is told."""
    scheduled = status.condition("PodScheduled")
    unscheduled = scheduled.message if scheduled is not None else ""
    return Waiting(status.waiting.reason or "délai dépassé", status.waiting.message or unscheduled)


def _not_ready(api: Api, service: Service, path: str, name: str, waiting: Waiting) -> CahierError:
    reason, detail = waiting.reason, waiting.message
    said = detail
    if reason == "CrashLoopBackOff":
        with contextlib.suppress(AccessError):
            lines = api.text(f"{path}/log", {"tailLines": "3", "previous": "true"}).strip()
            said = lines or detail
    refusal = unpulled_image(detail) if reason in _UNPULLED else None
    if refusal is not None:
        return CahierError(
            f"« {name} » est lancé, mais son image {service.image} n’a pas pu être téléchargée "
            f"({reason}). {refusal.cause}",
            f"{refusal.pod}. Puis arrêtez-le et recommencez : cahier catalogue arreter {name}",
        )
    return CahierError(
        f"« {name} » est lancé mais n’est pas prêt ({reason}). {said}".strip(),
        f"Regardez-le avec « kubectl describe pod {service.pod(name)} », ou arrêtez-le : cahier "
        f"catalogue arreter {name}",
    )


def _release(
    namespace: str,
    name: str,
    service: Service,
    pods: Sequence[PodObject],
    policies: Sequence[NetworkPolicy],
) -> Release:
    pod = next(iter(service.serving(pods)), None)
    if pod is None:
        state = "se prépare" if pods else "sans pod"
        return Release(service, name, namespace, False, state, service.pod(name), (), None)
    ready, labels = pod.status.is_ready, pod.metadata.labels
    state = "prêt" if ready else pod.status.waiting.reason or "démarre"
    if pod.metadata.deletion_timestamp:
        state = "s’arrête"
    selecting = [one.name for one in policies if one.spec.pod_selector.selects(labels)]
    created = datetime.fromisoformat(pod.metadata.creation_timestamp)
    stand_in = pod.metadata.annotations.get(STAND_IN, "")
    where, seen = (service, name, namespace), (ready, state, pod.metadata.name)
    return Release(*where, *seen, sorted(selecting), created, stand_in)
