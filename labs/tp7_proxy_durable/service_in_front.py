"""Whether a Service leads to the pods of one Deployment, to all of them and to no other, as the cluster worked it out.

Where a diagnostic has no commands, how to put the Service right is the lab's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.diagnosis.databases.relays import refuses
from checks.diagnosis.workloads.deployments import Deployment, rolled_out
from checks.diagnosis.workloads.objects import controller
from checks.facts import Cluster, Pod, lasting_containers
from checks.shell import one_word
from checks.verdict import Diagnostic


@dataclass(frozen=True)
class Front:
    """A Service as the API gives it, the port that its clients write, and the Deployment that should serve them."""

    service: Mapping[str, Any]
    port: int
    behind: Deployment

    @property
    def name(self) -> str:
        """Name of the Service."""
        return str(self.service["metadata"]["name"])

    @property
    def entry(self) -> Mapping[str, Any] | None:
        """How the Service declares its clients' port; None when it does not."""
        ports: Sequence[Mapping[str, Any]] = self.service["spec"].get("ports") or ()
        return next((one for one in ports if one["port"] == self.port and one.get("protocol", "TCP") == "TCP"), None)


@dataclass(frozen=True)
class Endpoint:
    """A pod to which a Service sends clients, and the port of the pod."""

    uid: str
    pod: str
    port: int


def endpoints(cluster: Cluster, front: Front) -> Sequence[Endpoint]:
    """Where the Service sends the clients of its port, or of any when it has no such port."""
    entry = front.entry
    return [
        Endpoint(str(reference.get("uid", "")), str(reference.get("name", "")), int(port["port"]))
        for item in cluster.objects("EndpointSlice")
        if item["metadata"].get("labels", {}).get("kubernetes.io/service-name") == front.name
        for port in item.get("ports") or ()
        if entry is None or (port.get("name") or "") == (entry.get("name") or "")
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for reference in [endpoint.get("targetRef") or {}]
    ]


def others_leading_to(cluster: Cluster, found: Deployment, port: int) -> Sequence[str]:
    """Names of the Services, whatever they are called, that send clients to the Deployment's pods."""
    ours = {pod.uid for pod in found.pods}
    return sorted(
        str(service["metadata"]["name"])
        for service in cluster.objects("Service")
        if any(endpoint.uid in ours for endpoint in endpoints(cluster, Front(service, port, found)))
    )


def selects_nothing(cluster: Cluster, front: Front, role: str) -> Diagnostic | None:
    """None when the Service's selector takes the Deployment's pods. `role`: what they are, after « les pods du »."""
    pod, spec = front.behind.pods[0], front.service["spec"]
    selector = spec.get("selector") or {}
    missing = [f"{key}={value}" for key, value in selector.items() if pod.labels.get(key) != value]
    if selector and not missing:
        return None
    labels = ", ".join(f"{key}={value}" for key, value in sorted(pod.labels.items()) if key != "pod-template-hash")
    kept = ""
    if spec.get("type") == "ExternalName":
        finding = f"Le Service {front.name} est de type ExternalName : il renvoie à « {spec['externalName']} »."
        cause = f"Ce n’est qu’un autre nom, donné par le DNS : les clients ne passent pas par les pods du {role}."
        kept = "Retirez type et externalName. "
    elif not selector:
        finding = f"Le Service {front.name} n’a pas de sélecteur (spec.selector) : le cluster ne lui trouve aucun pod."
        cause = "Un Service choisit ses pods par leurs étiquettes ; sans sélecteur, rien ne suit les pods remplacés."
    else:
        wanted = ", ".join(missing)
        finding = f"Le Service {front.name} cherche des pods étiquetés {wanted} ; ceux du Deployment portent {labels}."
        cause = (
            "Un Service choisit ses pods par leurs étiquettes, jamais par le nom du Deployment. Aucune erreur ne "
            "le signale : ses clients sont refusés."
        )
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=f"{kept}Recopiez dans spec.selector les étiquettes du modèle de pod (template.metadata.labels).",
        look=(
            f"kubectl get endpointslices -n {cluster.namespace} -l kubernetes.io/service-name={front.name}",
            f"kubectl get pods -n {cluster.namespace} --show-labels",
        ),
    )


def port_astray(cluster: Cluster, front: Front, program: str) -> Diagnostic | None:
    """None when the Service declares its clients' port, and a port of the pods behind it. `program` listens there."""
    entry, pod = front.entry, front.behind.pods[0]
    names = {one.get("name") for box in lasting_containers(pod.raw["spec"]) for one in box.get("ports") or ()}
    if entry is None:
        ports = front.service["spec"].get("ports") or ()
        opened = ", ".join(f"{one['port']}/{one.get('protocol', 'TCP')}" for one in ports)
        finding = f"Le Service {front.name} n’ouvre pas le port {front.port}/TCP ; il ouvre {opened}."
        cause = (
            "« port » est celui que les clients écrivent ; « targetPort », celui des pods. Un Service n’accepte "
            "que les ports qu’il déclare."
        )
    elif isinstance(entry.get("targetPort"), str) and entry["targetPort"] not in names:
        finding = f"Le Service {front.name} mène au port nommé « {entry['targetPort']} » ; aucun port des pods ne "
        finding += "s’appelle ainsi."
        cause = "Un targetPort en toutes lettres est cherché parmi les noms de « ports », dans le conteneur."
    else:
        return None
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=f"Dans spec.ports, écrivez port: {front.port} et, en targetPort, le port où {program} écoute.",
        look=(f"kubectl describe service {front.name} -n {cluster.namespace}",),
    )


def leads_elsewhere(cluster: Cluster, front: Front, label: Mapping[str, str]) -> Diagnostic | None:
    """None when the Service sends clients to no other pod than the Deployment's.

    `label` is one that could set its pods apart. The commands are given here: they are the same for every lab.
    """
    ours, place, deployment = {pod.uid for pod in front.behind.pods}, cluster.namespace, front.behind.name
    others = [one.pod for one in endpoints(cluster, front) if one.uid not in ours and cluster.pod(one.pod)]
    if not others:
        return None
    other = cluster.pod(others[0])
    bare = other is not None and other.name == deployment and not controller(other.raw)  # the Deployment replaces it
    selector = ", ".join(f"{key}={value}" for key, value in front.service["spec"]["selector"].items())
    wanted = {**front.service["spec"]["selector"], **label}
    change = {"spec": {"template": {"metadata": {"labels": dict(label)}}}}
    marked = one_word(json.dumps(change, separators=(",", ":")))
    chosen = one_word(",".join(f"{key}={value}" for key, value in wanted.items()))
    return Diagnostic(
        finding=f"Le Service {front.name} envoie aussi des clients au pod {others[0]}, qui n’est pas du Deployment "
        f"{deployment} : ce pod porte lui aussi {selector}.",
        cause="Un Service prend tous les pods qui ont les étiquettes de son sélecteur, d’où qu’ils viennent : un "
        "client sur deux peut arriver ailleurs.",
        fix=f"Supprimez le Pod {others[0]}, que votre Deployment remplace."
        if bare
        else "Donnez aux pods du Deployment une étiquette qu’ils sont seuls à porter, et ajoutez-la au sélecteur.",
        commands=(f"kubectl delete pod {others[0]} -n {place} --now",)
        if bare
        else (
            f"kubectl patch deployment {deployment} -n {place} -p {marked}",
            rolled_out(cluster, deployment),
            f"kubectl set selector service {front.name} -n {place} {chosen}",
        ),
        look=(f"kubectl get pods -n {place} --show-labels",),
    )


def unlinked(cluster: Cluster, front: Front) -> Diagnostic | None:
    """None when the Service sends clients to every pod of the Deployment, and only there."""
    if {one.uid for one in endpoints(cluster, front)} == {pod.uid for pod in front.behind.pods}:
        return None
    return Diagnostic(
        finding=f"Le cluster n’a pas encore relié le Service {front.name} à tous les pods du Deployment.",
        cause="Un pod n’entre dans un Service qu’une fois prêt, et en sort dès qu’il ne l’est plus.",
        fix="Attendez quelques secondes, puis recommencez.",
        look=(f"kubectl get endpointslices -n {cluster.namespace} -l kubernetes.io/service-name={front.name}",),
        transient=True,
    )


def closed(cluster: Cluster, front: Front) -> tuple[Pod, int] | None:
    """The first pod of the Deployment where nothing listens on the port to which the Service sends its clients."""
    ours = {pod.uid: pod for pod in front.behind.pods}
    reached = [one for one in endpoints(cluster, front) if one.uid in ours]
    return next(((ours[one.uid], one.port) for one in reached if refuses(cluster, one.pod, one.port)), None)
