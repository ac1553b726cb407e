"""Which Services lead to a database's pod, as the cluster itself worked it out, and why another does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.diagnosis.databases.catalogue import PORT, ready_pods
from checks.facts import Cluster, Pod
from checks.verdict import Diagnostic


@dataclass(frozen=True)
class Address:
    """A Service that leads to PostgreSQL in a pod."""

    service: str
    namespace: str
    port: int

    @property
    def name(self) -> str:
        """Its name as any pod of the cluster may ask for it."""
        return f"{self.service}.{self.namespace}.svc.cluster.local"

    @property
    def target(self) -> str:
        """Host and port for a client. Without the cluster's own domain, which may be another."""
        return f"{self.service}.{self.namespace}.svc:{self.port}"


def addresses(cluster: Cluster, pod: Pod) -> Sequence[Address]:
    """The Services that lead to PostgreSQL in `pod`, the catalogue's own (`-rw`) first."""
    leading = _leading_to(cluster, pod)
    found = [
        Address(service["metadata"]["name"], cluster.namespace, port)
        for service in cluster.objects("Service")
        if service["metadata"]["name"] in leading and not _astray(service, pod)
        for port in _ports_to(service, pod)
    ]
    return sorted(found, key=lambda one: (not one.service.endswith("-rw"), one.service))


def no_service_leads(cluster: Cluster) -> Diagnostic | None:
    """None when a Service leads to a database that is ready."""
    ready = ready_pods(cluster)
    settling = ""
    for _, pod in ready:
        leading = _leading_to(cluster, pod)
        for service in cluster.objects("Service"):
            # The cluster takes a moment to follow a change: both what is written and what was worked out must hold.
            if not _astray(service, pod):
                if service["metadata"]["name"] in leading:
                    return None
                if service["spec"].get("selector"):
                    settling = str(service["metadata"]["name"])
    look = (
        f"kubectl get endpointslices -n {cluster.namespace}",
        f"kubectl get services -n {cluster.namespace} -o wide",
    )
    cause = (
        "L’adresse d’un pod change quand il redémarre ; le Service donne aux autres pods un nom qui reste. "
        "Un tunnel, lui, n’en a pas besoin s’il vise le pod."
    )
    if settling:
        return Diagnostic(
            finding=f"Le cluster n’a pas encore relié le Service {settling} au pod de la base.",
            cause=cause,
            fix="Attendez quelques secondes, puis recommencez.",
            look=look,
            transient=True,
        )
    database, pod = ready[0]
    name = f"{database.release}-rw" if "cnpg.io/cluster" in pod.labels else database.release
    named = [item for item in cluster.objects("Service") if item["metadata"]["name"] == name]
    seen = _astray(named[0], pod) if named else f"le Service {name} n’existe pas."
    return Diagnostic(
        finding=f"Dans le namespace {cluster.namespace}, aucun Service ne mène au pod {pod.name} : "
        + (seen or f"le Service {name} n’a pas de sélecteur."),
        cause=cause,
        fix="Recréez le Service devant le pod. (Sur le SSPCloud, la plateforme le rétablit souvent d’elle-même.)",
        commands=(
            f"kubectl delete service {name} -n {cluster.namespace} --ignore-not-found",
            f"kubectl expose pod/{pod.name} --name={name} --port={PORT} -n {cluster.namespace}",
        ),
        look=look,
    )


def _leading_to(cluster: Cluster, pod: Pod) -> set[str]:
    """Services that the cluster worked out to send their clients to PostgreSQL's port of `pod`."""
    return {
        slice_["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
        for slice_ in cluster.objects("EndpointSlice")
        if any(port.get("port") == PORT for port in slice_.get("ports") or ())
        and any(_is_endpoint(endpoint, pod) for endpoint in slice_.get("endpoints") or ())
    }


def leads_only_to(cluster: Cluster, service: str, pod: Pod) -> bool:
    """Whether every client of the Service is sent to `pod`."""
    endpoints = [
        endpoint
        for slice_ in cluster.objects("EndpointSlice")
        if slice_["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
        for endpoint in slice_.get("endpoints") or ()
    ]
    return bool(endpoints) and all(_is_endpoint(endpoint, pod) for endpoint in endpoints)


def _is_endpoint(endpoint: Mapping[str, Any], pod: Pod) -> bool:
    """Whether it is `pod` and takes clients: an absent `ready` means yes."""
    is_pod = (endpoint.get("targetRef") or {}).get("uid") == pod.uid or pod.ip in endpoint.get("addresses", ())
    return is_pod and (endpoint.get("conditions") or {}).get("ready") is not False


def _astray(service: Mapping[str, Any], pod: Pod) -> str:
    """Why a Service, as it is written, does not lead to PostgreSQL in `pod`; "" when it does."""
    name, spec = service["metadata"]["name"], service["spec"]
    wanted = (spec.get("selector") or {}).items()
    missing = [f"{key}={value}" for key, value in wanted if pod.labels.get(key) != value]
    if missing:
        return f"le Service {name} cherche un pod étiqueté {', '.join(missing)}, ce que {pod.name} n’est pas."
    if not _ports_to(service, pod):
        ports = [port.get("targetPort", port["port"]) for port in spec.get("ports") or ()]
        return f"le Service {name} mène au port {', '.join(map(str, ports))} de {pod.name}, pas à {PORT}."
    return ""


def _ports_to(service: Mapping[str, Any], pod: Pod) -> Sequence[int]:
    """Ports of the Service behind which PostgreSQL listens in `pod`; a headless Service translates none."""
    named = {
        port.get("name"): port["containerPort"]
        for box in pod.raw.get("spec", {}).get("containers", ())
        for port in box.get("ports") or ()
    }
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        if named.get(target, target) == PORT:
            found.append(PORT if service["spec"].get("clusterIP") == "None" else int(port["port"]))
    return found
