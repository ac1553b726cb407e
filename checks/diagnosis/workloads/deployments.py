"""A Deployment and the pods that it makes: which are of its newest version, and why some are
missing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from checks.capabilities import Cluster
from checks.errors import Unverifiable
from checks.facts import LAST_APPLIED, Pod
from checks.objects.labels import LabelSelector
from checks.objects.parts import named
from checks.objects.pods import PodSpec
from checks.objects.workloads import Workload
from checks.shell import thing
from checks.verdict import Diagnostic


@dataclass(frozen=True)
class Deployment:
    """A Deployment, the pods of its newest version, and those that older versions have left.

    `given` is the object as the API gives it, `version` the uid of the ReplicaSet that makes the
    newest pods.
    """

    given: Workload
    version: str
    pods: tuple[Pod, ...]
    older: tuple[Pod, ...]

    @property
    def name(self) -> str:
        """Its name."""
        return self.given.name

    @property
    def wanted(self) -> int:
        """How many pods it asks for."""
        return self.given.spec.replicas

    @property
    def template(self) -> PodSpec:
        """What each of its pods is made from."""
        return self.given.template.spec

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the pods that it makes."""
        return self.given.template.labels


def find(cluster: Cluster, name: str) -> Deployment:
    """The Deployment of that name, once it is known to exist. Raises Unverifiable when it has
    gone."""
    found = named(cluster.deployments(), name)
    if found is None:
        raise Unverifiable(
            f"Le Deployment {name} a disparu pendant la vérification.", "Relancez la commande."
        )
    own = found.metadata.uid
    owned = [one for one in cluster.replica_sets() if one.metadata.controller_uid == own]
    owned.sort(key=_revision)
    versions = [one.metadata.uid for one in owned]
    newest = versions[-1] if versions else ""
    alive = [
        pod
        for pod in cluster.pods()
        if not pod.deleting and pod.phase not in ("Failed", "Succeeded")
    ]
    makers = {pod.uid: pod.given.metadata.controller_uid for pod in alive}
    return Deployment(
        given=found,
        version=newest,
        pods=tuple(pod for pod in alive if newest and makers[pod.uid] == newest),
        older=tuple(pod for pod in alive if makers[pod.uid] in versions[:-1]),
    )


def _revision(replica_set: Workload) -> int:
    noted = replica_set.metadata.annotations.get("deployment.kubernetes.io/revision", "0")
    return int(noted) if noted.isdigit() else 0


# -- its commands ----------------------------------------------------------------------------------


def rolled_out(cluster: Cluster, name: str) -> str:
    """The command that waits until all its pods are of its newest version, and ready."""
    return f"kubectl rollout status deployment/{name} -n {cluster.namespace} --timeout=90s"


def deleted(cluster: Cluster, name: str) -> str:
    """The command that takes it away, and waits until its pods have gone."""
    return (
        f"kubectl delete deployment {name} -n {cluster.namespace} --ignore-not-found "
        "--cascade=foreground"
    )


# by the cluster itself
_GIVEN = {
    "name",
    "imagePullPolicy",
    "terminationMessagePath",
    "terminationMessagePolicy",
}


def replaceable(cluster: Cluster, name: str, labels: Mapping[str, str]) -> bool:
    """Whether applying a manifest whose selector is `labels` makes it what that manifest says: the
    selector of a Deployment cannot be changed, and `apply` leaves what it did not write.

    Any field counts, known to us or not: it is read as the API gives it.
    """
    found = named(cluster.deployments(), name)
    if found is None:
        return True
    items = cluster.objects("Deployment")
    raw = next(one for one in items if one["metadata"]["name"] == name)
    now = raw["spec"]["template"]["spec"]
    # its alias stays
    if found.spec.selector != LabelSelector(dict(labels)) or now.get("serviceAccountName"):
        return False
    with contextlib.suppress(*_NOT_OURS):
        before = _applied(found)["template"]["spec"]
        written = {box.get("name"): {*box} for box in before.get("containers") or ()}
        return all(
            {key for key, value in box.items() if value} <= written.get(box["name"], set()) | _GIVEN
            for box in now["containers"]
        )
    return False


_NOT_OURS = (ValueError, LookupError, TypeError, AttributeError)
"""What reading an annotation raises that kubectl has not written, or that is not there."""


def _applied(found: Workload) -> Any:
    """The `spec` of the file that was last applied. Raises one of `_NOT_OURS`."""
    return json.loads(found.metadata.annotations[LAST_APPLIED])["spec"]


def woken(
    cluster: Cluster, found: Workload, file: str, again: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What has a Deployment that asks for no pod ask for one: the lines to write in `file`, and
    commands.

    Where that file, which was last applied, asks for none, scaling would last until it is applied
    again: the commands are `again`. Elsewhere there is nothing to write, nor where no file is ours
    (`file` "").
    """
    name = found.name
    with contextlib.suppress(*_NOT_OURS):
        if file and _applied(found)["replicas"] == 0:
            return (f"# {file}, Deployment {name} :", "spec:", "  replicas: 1"), again
    return (), (
        f"kubectl scale deployment {name} -n {cluster.namespace} --replicas=1",
        rolled_out(cluster, name),
    )


# -- what to write in its manifest -----------------------------------------------------------------


def to_write(file: str, container: str, line: str) -> tuple[str, str]:
    """A line of YAML for one of its containers, below the place where it goes."""
    return (f"# {file}, conteneur « {container} » :", line)


# -- its manifest ----------------------------------------------------------------------------------


def instead(cluster: Cluster, name: str, role: str) -> Diagnostic | None:
    """What bears the name of a Deployment that does not exist: a bare pod, or what keeps pods
    otherwise; None for neither. `role` is what the pods are, a masculine noun; `commands` only take
    them away.
    """
    pod = cluster.pod(name)
    if pod is not None and pod.controller is None:
        return Diagnostic(
            finding=f"Dans {cluster.namespace}, {name} est un Pod seul : aucun Deployment ne le "
            "tient.",
            cause="Un Pod supprimé, ou perdu avec son nœud, ne revient jamais : rien n’a pour "
            "tâche de le remplacer.",
            fix="Supprimez ce Pod et décrivez-le dans le modèle (spec.template) d’un Deployment de "
            "ce nom.",
            commands=(
                f"kubectl delete pod {name} -n {cluster.namespace} --ignore-not-found --now",
            ),
            look=(
                f"kubectl get pod {name} -n {cluster.namespace} -o "
                f"jsonpath='{{.metadata.ownerReferences}}'",
            ),
        )
    owners = (pod.controller for pod in cluster.pods() if not pod.deleting)
    kind = next((owner.kind for owner in owners if owner is not None and owner.name == name), "")
    if not kind:
        return None
    return Diagnostic(
        finding=f"Dans {cluster.namespace}, {name} est un {kind}, pas un Deployment.",
        cause=f"Un {kind} recrée aussi ses pods, mais un {role} n’a ni disque ni identité à "
        "garder, et doit pouvoir changer de version sans coupure : c’est le rôle d’un Deployment.",
        fix=f"Remplacez le {kind} par un Deployment du même nom.",
        commands=(
            f"kubectl delete {thing(kind.lower(), name)} -n {cluster.namespace} "
            "--cascade=foreground",
        ),
        look=(f"kubectl get {thing(kind.lower(), name)} -n {cluster.namespace}",),
    )


def asleep(cluster: Cluster, name: str, file: str, again: tuple[str, ...]) -> Diagnostic | None:
    """None when the Deployment asks for a pod at least; it must exist. `file` describes it;
    `again`: the commands that put that file right."""
    found = find(cluster, name)
    if found.wanted > 0:
        return None
    lines, commands = woken(cluster, found.given, file, again)
    return Diagnostic(
        finding=f"Le Deployment {name} existe dans {cluster.namespace}, mais il demande 0 pod "
        "(spec.replicas).",
        cause="Un Deployment maintient exactement le nombre de pods que « replicas » demande : 0 "
        "le met en sommeil.",
        fix=f"Demandez-en au moins un. Écrivez ceci, puis : kubectl apply -f {file}"
        if lines
        else "Demandez-en au moins un.",
        lines=lines,
        commands=commands,
        look=(f"kubectl get deployment {name} -n {cluster.namespace}",),
    )


class FloatingImage(NamedTuple):
    """An image that another may replace under its name; `lacking`: what is not said, in French."""

    container: str
    image: str
    lacking: str


def floating_image(found: Deployment) -> FloatingImage | None:
    """The first of its images that another may replace under its name."""
    for box in found.template.lasting:
        tag = box.image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in box.image and tag in ("", "latest"):
            lacking = "sans étiquette" if not tag else "d’étiquette « latest »"
            return FloatingImage(box.name, box.image, lacking)
    return None


def without_resources(
    cluster: Cluster, found: Deployment, role: str
) -> tuple[str, Diagnostic] | None:
    """None when each container says its CPU and memory, and their limits; else the container, and
    what is wrong without its commands. `role`: what they are, a masculine noun.

    Read on the pods as the cluster made them, with what the namespace's defaults add.
    """
    for spec in [pod.spec for pod in found.pods] or [found.template]:
        for box in spec.lasting:
            lacking = [
                f"{family}.{resource}"
                for family in ("requests", "limits")
                for resource in ("cpu", "memory")
                if not box.resources.says(family, resource)
                and not spec.resources.says(family, resource)
            ]
            if lacking:
                return box.name, _lacking(cluster, found.name, box.name, lacking, role)
    return None


# All four are given: a limit alone might be below what is requested, and be refused.
RESOURCES = "resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 200m, memory: 64Mi}}"


def _lacking(
    cluster: Cluster, name: str, container: str, lacking: Sequence[str], role: str
) -> Diagnostic:
    return Diagnostic(
        finding=f"Le conteneur « {container} » du Deployment {name} n’indique pas "
        f"{', '.join(lacking)} (resources).",
        cause="Sans demande, l’ordonnanceur ne lui réserve rien et le nœud l’arrête parmi les "
        "premiers quand la mémoire manque ; sans limite, il peut prendre celle des autres. Un "
        f"namespace à quota refuse de créer un tel pod : le {role} ne reviendrait pas.",
        fix="Il faut les quatre valeurs (resources.requests et resources.limits, cpu et memory).",
        look=(
            f"kubectl describe deployment {name} -n {cluster.namespace}",
            f"kubectl describe quota -n {cluster.namespace}",
        ),
    )


# -- its pods --------------------------------------------------------------------------------------


def creation_refused(
    cluster: Cluster,
    found: Deployment,
    fix: str = "",
    commands: tuple[str, ...] = (),
    role: str = "programme",
) -> Diagnostic | None:
    """None unless the API server refuses to make its pods: no pod exists then that could tell why.

    `fix` and `commands` are the lab's own way to make it anew; `role` is what its pods are, a
    masculine noun.
    """
    refused = found.given.refused
    if refused is None:
        return None
    message = refused.message.strip()
    said = message.partition("is forbidden: ")[2] or message
    cause, advice = _why_refused(said, role)
    selector = ",".join(f"{key}={value}" for key, value in found.labels.items())
    return Diagnostic(
        finding=f"Le cluster refuse de créer les pods du Deployment {found.name} : {said}",
        cause=f"{cause} Un Deployment est accepté sans que ses pods le soient : « kubectl apply » "
        "n’a rien dit.",
        fix=f"{advice} {fix}",
        commands=commands,
        look=(
            f"kubectl describe replicaset -n {cluster.namespace} -l {selector}",
            f"kubectl describe quota -n {cluster.namespace}",
        ),
    )


def _why_refused(said: str, role: str) -> tuple[str, str]:
    if "must specify" in said:
        return (
            "Le quota du namespace compte cette ressource : chaque conteneur doit donc dire "
            "combien il en veut.",
            "Ajoutez au conteneur les valeurs demandées (resources.requests et resources.limits).",
        )
    if "exceeded quota" in said:
        return (
            "Le namespace a atteint son quota : « used » y est ajouté à « requested », et dépasse "
            "« limited ».",
            "Demandez moins, ou arrêtez ce qui ne sert plus (kubectl describe quota).",
        )
    if "service account" in said.lower() or "serviceaccount" in said:
        return (
            "Un pod agit sous l’identité d’un ServiceAccount, qui doit exister au moment où il est "
            "créé.",
            f"Retirez serviceAccountName du modèle de pod : un {role} n’a rien à demander à l’API "
            "du cluster.",
        )
    return "L’API refuse le pod tel que le Deployment le décrit.", "Corrigez ce que ce refus nomme."


def paused(cluster: Cluster, found: Deployment) -> Diagnostic | None:
    """None unless a change is written but not rolled out."""
    if not found.given.spec.paused or found.given.status.updated_replicas >= found.wanted:
        return None
    return Diagnostic(
        finding=f"Le Deployment {found.name} est en pause (spec.paused) : sa dernière version "
        "n’est pas mise en place.",
        cause="En pause, un Deployment garde ses anciens pods et n’applique aucun changement de "
        "modèle.",
        fix="Reprenez-le : kubectl rollout resume",
        commands=(
            f"kubectl rollout resume deployment/{found.name} -n {cluster.namespace}",
            rolled_out(cluster, found.name),
        ),
        look=(f"kubectl get replicasets -n {cluster.namespace}",),
    )


def settling(cluster: Cluster, found: Deployment) -> Diagnostic | None:
    """None when the pods that it asks for are there, all of its newest version."""
    seen = found.given.status.observed_generation >= found.given.metadata.generation
    if seen and len(found.pods) >= found.wanted and not found.older:
        return None
    return Diagnostic(
        finding=f"Le Deployment {found.name} est en train de se mettre en place : "
        f"{len(found.pods)} pod(s) de sa dernière version sur {found.wanted}, {len(found.older)} "
        "d’une version précédente.",
        cause="Un Deployment crée les nouveaux pods avant de retirer les anciens, pour servir sans "
        "coupure.",
        fix="Attendez quelques secondes ; si cela dure, lisez ce qu’il en dit.",
        commands=(rolled_out(cluster, found.name),),
        look=(f"kubectl describe deployment {found.name} -n {cluster.namespace}",),
        transient=True,
    )
