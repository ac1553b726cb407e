"""Why a pod is not ready, in the words of what the cluster answered."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import listeners
from checks.diagnosis.workloads.program_logs import Trouble, told
from checks.errors import CahierError
from checks.facts import Container, Pod
from checks.registries import unpulled_image
from checks.verdict import Diagnostic

_STARTING_SECONDS = 20  # a readiness probe that still fails after that is not a slow start
_STARTED_SECONDS = (
    5  # nor after that, where the program has begun to serve, but not what the probe asks for
)
_PULLING = ("ContainerCreating", "PodInitializing")
_NOT_STARTED = {"RunContainerError", "StartError", "ContainerCannotRun", "CreateContainerError"}
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


def not_ready(
    cluster: Cluster, pod: Pod, fix: str, commands: tuple[str, ...] = ()
) -> Diagnostic | None:
    """None when `pod` is ready; else why it is not. `fix` and `commands` are the lab's own way to
    make it anew."""
    if pod.deleting:
        return Diagnostic(
            finding=f"Le pod {pod.name} est en cours de suppression.",
            cause="Un pod supprimé garde son nom jusqu’à l’arrêt de ses conteneurs (30 secondes au "
            "plus, d’ordinaire).",
            fix=f"Attendez sa disparition, puis recréez-le. {fix}",
            commands=(
                f"kubectl wait --for=delete pod/{pod.name} -n {pod.namespace} --timeout=60s",
                *commands,
            ),
            look=(f"kubectl get pod {pod.name} -n {pod.namespace}",),
        )
    if pod.ready:
        return None
    look = (f"kubectl describe pod {pod.name} -n {pod.namespace}",)
    if pod.unschedulable:
        return Diagnostic(
            finding=f"Le pod {pod.name} n’a été placé sur aucun nœud : {pod.unschedulable}",
            cause="L’ordonnanceur ne trouve pas de nœud qui ait les ressources demandées.",
            fix=f"Demandez moins (resources.requests). {fix}",
            commands=commands,
            look=look,
        )
    for container in pod.containers:
        diagnostic = _container(cluster, pod, container, fix, commands)
        if diagnostic is not None:
            return diagnostic
    diagnostic = _volume(cluster, pod, fix, commands) or _probe(cluster, pod, fix, commands)
    if diagnostic is not None:
        return diagnostic
    return Diagnostic(
        finding=f"Le pod {pod.name} n’est pas prêt (état : {pod.phase}).",
        cause="Ses conteneurs démarrent, ou sa sonde « readiness » ne répond pas encore.",
        fix=f"Attendez quelques secondes ; si cela dure, lisez ses événements. {fix}",
        commands=(
            f"kubectl wait --for=condition=Ready pod/{pod.name} -n {pod.namespace} --timeout=60s",
        ),
        look=look,
        transient=True,
    )


def never_admitted(cluster: Cluster) -> str:
    """Why a bare pod may never have come to be: a sentence, where a quota of the namespace refuses
    those that do not say what they want; "" elsewhere. `kubectl apply` had said so, nothing in the
    cluster does."""
    try:
        quotas = cluster.objects("ResourceQuota")
    except CahierError:  # not ours to read: only a hint is lost
        return ""
    for raw in quotas:
        hard = raw["spec"].get("hard") or {}
        counted = [name for name in sorted(hard) if name.rpartition(".")[2] in ("cpu", "memory")]
        if counted:
            return (
                f" Le quota « {raw['metadata']['name']} » de ce namespace compte "
                f"{', '.join(counted)} : un pod dont un conteneur ne le dit pas y est refusé (« "
                "failed quota: … must specify »), à moins qu’un LimitRange n’y supplée."
            )
    return ""


def _said(cluster: Cluster, pod: Pod, reason: str) -> str:
    """Newest event of the pod for this reason; "" when there is none."""
    messages = [event.message for event in cluster.events(pod.name) if event.reason == reason]
    return messages[-1].strip() if messages else ""


def _volume(cluster: Cluster, pod: Pod, fix: str, commands: tuple[str, ...]) -> Diagnostic | None:
    """A pod held back by a volume that cannot be mounted: a ConfigMap or Secret that does not
    exist."""
    if any(container.waiting_reason not in _PULLING for container in pod.containers):
        return None
    said = _said(cluster, pod, "FailedMount")
    if "not found" not in said:
        return None
    return Diagnostic(
        finding=f"Le pod {pod.name} attend un volume qui ne peut pas être monté : {said}",
        cause="Un conteneur ne démarre pas avant que tous ses volumes existent ; celui-ci cite une "
        "ConfigMap, un Secret ou un disque absent de ce namespace.",
        fix=f"Créez ce qui manque, ou corrigez le nom cité. {fix}",
        commands=commands,
        look=(f"kubectl describe pod {pod.name} -n {pod.namespace}",),
    )


def _probe(cluster: Cluster, pod: Pod, fix: str, commands: tuple[str, ...]) -> Diagnostic | None:
    """A pod whose containers run, but whose readiness probe fails."""
    if not all(container.running for container in pod.containers):
        return None
    said = _said(cluster, pod, "Unhealthy")
    if not said.startswith("Readiness"):
        return None
    if "refused" in said:
        cause = (
            "Rien n’écoute à l’adresse et au port que la sonde interroge (elle s’adresse à l’IP du "
            "pod)."
        )
    elif "statuscode" in said:
        cause = (
            "Le programme a répondu, mais par une erreur : la sonde ne demande pas la bonne "
            "adresse."
        )
    else:
        cause = "Tant que la sonde « readiness » échoue, Kubernetes n’envoie aucun client à ce pod."
    return Diagnostic(
        finding=f"Le pod {pod.name} tourne, mais n’est pas prêt : {said}",
        cause=cause,
        fix="Accordez la sonde (readinessProbe) et le programme : même port, et une adresse qui "
        f"existe. {fix}",
        commands=commands,
        look=(
            f"kubectl describe pod {pod.name} -n {pod.namespace}",
            f"kubectl logs {pod.name} -n {pod.namespace}",
        ),
        transient=_runs_for_less_than(
            _STARTED_SECONDS if _serves_otherwise(cluster, pod, said) else _STARTING_SECONDS, pod
        ),
    )


def _serves_otherwise(cluster: Cluster, pod: Pod, said: str) -> bool:
    """Whether the program serves already, elsewhere than where its readiness probe asks: waiting
    will not help."""
    if re.search(r"statuscode: 4\d\d", said):
        return True
    refused = re.search(r"dial tcp \S+:(\d+): connect: connection refused", said)
    if refused is None:
        return False
    with contextlib.suppress(CahierError):  # its image, or our rights, do not show it
        found = listeners(cluster, pod.name)
        return bool(found) and not any(
            one.port == int(refused[1]) and not one.on_loopback for one in found
        )
    return False


def _runs_for_less_than(seconds: int, pod: Pod) -> bool:
    started = [
        datetime.fromisoformat(status["state"]["running"]["startedAt"])
        for status in (pod.raw.get("status") or {}).get("containerStatuses") or []
        if (status.get("state") or {}).get("running", {}).get("startedAt")
    ]
    return not started or (datetime.now(UTC) - max(started)).total_seconds() < seconds


@dataclass(frozen=True)
class _Start:
    """Why a container's program could not be started at all, in French."""

    finding: str
    cause: str
    fix: str


def _never_ran(container: Container) -> _Start | None:
    """None unless the runtime could not execute what the container names as its program."""
    said = f"{container.waiting_message} {container.terminated_message}"
    found = re.search(r'exec: "((?:[^"\\]|\\.)*)": ([^:"]+(?:: [^:"]+)?)', said)
    if found is None or not {container.waiting_reason, container.terminated_reason} & _NOT_STARTED:
        return None
    program, why = found[1], found[2].strip()
    missing = "no such file" in why or "not found" in why
    state = "n’existe pas dans l’image" if missing else f"n’est pas exécutable ({why})"
    finding = f"le programme « {program} » {state}."
    silent = "Comme rien n’a été exécuté, « kubectl logs » ne montre rien."
    if container.command:
        return _Start(
            finding,
            "« command » remplace le programme de l’image (son ENTRYPOINT) ; « args » lui donne "
            f"seulement ses arguments. {silent}",
            "Donnez ces arguments sous « args », sans « command », ou commencez « command » par un "
            "vrai programme.",
        )
    return _Start(
        finding,
        "Cette image n’a pas de programme à elle (ENTRYPOINT) : le premier mot de « args » est "
        f"pris pour lui. {silent}",
        "Nommez sous « command » un programme qui existe dans l’image.",
    )


def _stopped_by(log: str) -> str:
    """Why a program ended, as far as its log tells."""
    said = told(log)
    if said is not None and said.trouble is Trouble.UNKNOWN_PORT:
        return (
            "Ce programme cherche un port par son nom, que le fichier /etc/services de son image "
            "ne donne pas. Un port s’écrit aussi en chiffres."
        )
    if said is not None and said.trouble is Trouble.UNKNOWN_HOST:
        return (
            "Ce programme cherche un nom dès son démarrage, et s’arrête quand le DNS ne le lui "
            "donne pas. La forme complète d’un nom de Service est NOM.NAMESPACE.svc.cluster.local."
        )
    return "Le programme du conteneur se termine : ses arguments ou sa configuration sont refusés."


def _container(
    cluster: Cluster, pod: Pod, container: Container, fix: str, commands: tuple[str, ...]
) -> Diagnostic | None:
    look = (f"kubectl describe pod {pod.name} -n {pod.namespace}",)
    if container.waiting_reason in _IMAGE:
        refusal = unpulled_image(container.waiting_message)
        return Diagnostic(
            finding=f"L’image « {container.image} » du pod {pod.name} n’a pas pu être téléchargée "
            f"({container.waiting_reason}).",
            cause=refusal.cause
            if refusal
            else "Ce nom ou cette étiquette (tag) n’existe pas dans le registre, ou le registre "
            "est injoignable.",
            fix=f"{refusal.pod if refusal else 'Corrigez le nom de l’image'}. {fix}",
            commands=commands,
            look=look,
        )
    if (
        container.waiting_reason == "CreateContainerConfigError"
        and "failed to sync" not in container.waiting_message
    ):
        return Diagnostic(
            finding=f"Le conteneur « {container.name} » du pod {pod.name} attend une configuration "
            f"absente : {container.waiting_message}",
            cause="Le manifeste cite un Secret ou une ConfigMap qui n’existe pas dans ce "
            "namespace.",
            fix=f"Créez ce qui manque, ou corrigez le nom cité. {fix}",
            commands=commands,
            look=look,
        )
    if not container.running and (never_ran := _never_ran(container)):
        return Diagnostic(
            finding=f"Le conteneur « {container.name} » du pod {pod.name} n’a jamais démarré : "
            f"{never_ran.finding}",
            cause=never_ran.cause,
            fix=f"{never_ran.fix} {fix}",
            commands=commands,
            look=look,  # its log is empty: the reason is in its state
        )
    if container.terminated_reason and not container.running:
        own = "" if container is pod.containers[0] else container.name
        log = cluster.logs(pod.name, 3, own)
        said = log.strip().replace("\n", " ⏎ ")
        return Diagnostic(
            finding=f"Le conteneur « {container.name} » du pod {pod.name} s’est arrêté (code "
            f"{container.exit_code}, {container.restarts} redémarrage(s)). Il a dit : « "
            f"{said or 'rien'} ».",
            cause=_stopped_by(log),
            fix=f"Lisez son journal et corrigez le manifeste. {fix}",
            commands=commands,
            look=(f"kubectl logs {pod.name} -n {pod.namespace}",),
        )
    if container.waiting_reason in (*_PULLING, "CreateContainerConfigError", ""):
        return None
    return Diagnostic(
        finding=f"Le conteneur « {container.name} » du pod {pod.name} ne démarre pas : "
        f"{container.waiting_reason} {container.waiting_message}".rstrip()
        + ".",
        cause="Kubernetes n’a pas pu lancer ce conteneur tel qu’il est décrit.",
        fix=f"Corrigez le manifeste. {fix}",
        commands=commands,
        look=look,
    )
