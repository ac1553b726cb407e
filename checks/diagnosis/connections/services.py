"""Which Services lead to a database's pod, as the cluster itself worked it out, and why another
does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import PORT, Database, ready_pods
from checks.facts import Pod
from checks.objects.parts import named
from checks.objects.services import Endpoint, Service
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
        Address(service.name, cluster.namespace, port)
        for service in cluster.services()
        if service.name in leading and not _astray(service, pod)
        for port in _ports_to(service, pod)
    ]
    return sorted(found, key=lambda one: (not one.service.endswith("-rw"), one.service))


def no_service_leads(cluster: Cluster) -> Diagnostic | None:
    """None when a Service leads to a database that is ready."""
    ready = ready_pods(cluster)
    settling = ""
    for _, pod in ready:
        leading = _leading_to(cluster, pod)
        for service in cluster.services():
            # The cluster takes a moment to follow a change: both what is written and what was
            # worked out must hold.
            if not _astray(service, pod):
                if service.name in leading:
                    return None
                if service.spec.selector:
                    settling = service.name
    return _not_linked_yet(cluster, settling) if settling else _none_leads(cluster, *ready[0])


_WHY = (
    "L’adresse d’un pod change quand il redémarre ; le Service donne aux autres pods un nom qui "
    "reste. Un tunnel, lui, n’en a pas besoin s’il vise le pod."
)


def _look(cluster: Cluster) -> tuple[str, ...]:
    return (
        f"kubectl get endpointslices -n {cluster.namespace}",
        f"kubectl get services -n {cluster.namespace} -o wide",
    )


def _not_linked_yet(cluster: Cluster, service: str) -> Diagnostic:
    return Diagnostic(
        finding=f"Le cluster n’a pas encore relié le Service {service} au pod de la base.",
        cause=_WHY,
        fix="Attendez quelques secondes, puis recommencez.",
        look=_look(cluster),
        transient=True,
    )


def _none_leads(cluster: Cluster, database: Database, pod: Pod) -> Diagnostic:
    name = f"{database.release}-rw" if "cnpg.io/cluster" in pod.labels else database.release
    usual = named(cluster.services(), name)
    seen = _astray(usual, pod) if usual else f"le Service {name} n’existe pas."
    return Diagnostic(
        finding=f"Dans le namespace {cluster.namespace}, aucun Service ne mène au pod {pod.name} : "
        + (seen or f"le Service {name} n’a pas de sélecteur."),
        cause=_WHY,
        fix="Supprimez le Service : l’opérateur qui tient la base le refait aussitôt, juste."
        if _kept_by_operator(name, pod)
        else "Recréez le Service devant le pod. (Sur le SSPCloud, la plateforme le rétablit "
        "souvent d’elle-même.)",
        commands=made_anew(cluster, name, pod),
        look=_look(cluster),
    )


def made_anew(cluster: Cluster, name: str, pod: Pod) -> tuple[str, ...]:
    """The commands after which the Service of this name leads to PostgreSQL in `pod` alone. An
    operator makes its own again by itself, quicker than one types."""
    delete = f"kubectl delete service {name} -n {cluster.namespace} --ignore-not-found"
    if _kept_by_operator(name, pod):
        return (delete,)
    expose = f"kubectl expose pod/{pod.name} --name={name} --port={PORT}"
    return (delete, f"{expose} -n {cluster.namespace}")


def _kept_by_operator(name: str, pod: Pod) -> bool:
    cluster = pod.given.metadata.database_cluster
    return cluster != "" and name == f"{cluster}-rw"


def _leading_to(cluster: Cluster, pod: Pod) -> set[str]:
    """Services that the cluster worked out to send their clients to PostgreSQL's port of `pod`."""
    return {
        one.service
        for one in cluster.endpoint_slices()
        if any(port.port == PORT for port in one.ports)
        and any(_is_endpoint(endpoint, pod) for endpoint in one.endpoints)
    }


def leads_only_to(cluster: Cluster, service: str, pod: Pod) -> bool:
    """Whether every client of the Service is sent to `pod`."""
    slices = [one for one in cluster.endpoint_slices() if one.service == service]
    endpoints = [endpoint for one in slices for endpoint in one.endpoints]
    return bool(endpoints) and all(_is_endpoint(endpoint, pod) for endpoint in endpoints)


def _is_endpoint(endpoint: Endpoint, pod: Pod) -> bool:
    """Whether it is `pod` and takes clients."""
    return endpoint.is_ready and (
        endpoint.target_ref.uid == pod.uid or pod.ip in endpoint.addresses
    )


def _astray(service: Service, pod: Pod) -> str:
    """Why a Service, as it is written, does not lead to PostgreSQL in `pod`; "" when it does."""
    name, wanted = service.name, service.spec.selector.items()
    missing = [f"{key}={value}" for key, value in wanted if pod.labels.get(key) != value]
    if missing:
        return (
            f"le Service {name} cherche un pod étiqueté {', '.join(missing)}, ce que {pod.name} "
            "n’est pas."
        )
    if not _ports_to(service, pod):
        ports = ", ".join(str(port.target) for port in service.spec.ports)
        return f"le Service {name} mène au port {ports} de {pod.name}, pas à {PORT}."
    return ""


def _ports_to(service: Service, pod: Pod) -> Sequence[int]:
    """Ports of the Service behind which PostgreSQL listens in `pod`; a headless Service translates
    none."""
    leading = (
        port for port in service.spec.ports if pod.port_named(port.target, port.protocol) == PORT
    )
    return [PORT if service.is_headless else port.port for port in leading]
