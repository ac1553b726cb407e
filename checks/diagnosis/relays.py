"""Where a relaying pod leads: as its manifest writes it, then as connections through it prove it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.diagnosis.databases import databases, ready_pods, release_of_service, server_in
from checks.diagnosis.dns import require_dns
from checks.diagnosis.objects import named
from checks.diagnosis.sockets import established
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, PostgresServer, is_postgres
from checks.facts import Cluster, ForwardRefused, Pod
from checks.verdict import Diagnostic


@dataclass(frozen=True)
class Target:
    """The address a relay leads to, as it is written."""

    host: str
    port: str

    def namespace(self, own: str) -> str | None:
        """Namespace in which this name is resolved; None for an IP address or a name from outside."""
        if re.fullmatch(r"[\d.]+|\[?[0-9a-fA-F:]+\]?", self.host):
            return None
        words = self.host.rstrip(".").split(".")
        if len(words) == 1:
            return own
        return words[1] if len(words) == 2 or words[2] == "svc" else None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


# socat's address types: https://manpages.debian.org/bookworm/socat/socat.1.en.html
_ADDRESS = re.compile(r"\b(?:tcp[46]?|tcp[46]?-connect):([^\s,:\"']+|\[[^]]+]):(\w+)", re.IGNORECASE)
_LISTEN = re.compile(r"\btcp[46]?-l(?:isten)?:\S+", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\((\w+)\)|\$\{(\w+)}|\$(\w+)")


def targets(cluster: Cluster, pod: Pod) -> Iterator[Target]:
    """The `TCP:host:port` addresses of the pod's command and arguments, however they are spelt.

    Variables whose value the manifest gives are replaced; an address that stays unknown is left out. The name of an
    ExternalName Service of the learner's own is followed.
    """
    for container in pod.raw.get("spec", {}).get("containers") or ():
        values = {one["name"]: one.get("value", "") for one in container.get("env") or () if "value" in one}
        for word in (*(container.get("command") or ()), *(container.get("args") or ())):
            for found in _ADDRESS.finditer(_expanded(word, values)):
                if "$" not in found[0]:
                    yield _followed(cluster, Target(found[1], found[2]))


def _expanded(word: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        return values.get(name, found[0])

    return _VARIABLE.sub(value, word)


def _followed(cluster: Cluster, target: Target) -> Target:
    """An ExternalName Service is only another name: https://kubernetes.io/docs/concepts/services-networking/service/"""
    if target.namespace(cluster.namespace) != cluster.namespace:
        return target
    service = named(cluster, "Service", target.host.partition(".")[0])
    other = service["spec"].get("externalName", "") if service else ""
    return Target(str(other), target.port) if other else target


def listens(pod: Pod) -> Sequence[str]:
    """The `TCP-LISTEN:port,options` addresses of the pod's command and arguments."""
    words = [word for box in pod.containers for word in (*box.command, *box.args)]
    return [found for word in words for found in _LISTEN.findall(word)]


def listening_ports(pod: Pod) -> set[int]:
    """Ports on which the pod's arguments have it wait for clients, as far as they are written in digits."""
    return {int(found[1]) for one in listens(pod) if (found := re.search(r":(\d+)", one))}


def refuses(cluster: Cluster, pod: str, port: int) -> bool:
    """Whether the pod refuses a connection to that port: nothing listens there, or it takes no more clients."""
    try:
        with cluster.forward(pod, port) as connection:
            is_postgres(connection)
    except ForwardRefused as refused:
        return "refused" in str(refused)
    except NotPostgres:
        return False
    return False


@dataclass(frozen=True)
class Misplaced:
    """Why a target is not in the colleague's namespace, in French, and how to mend it there."""

    finding: str
    cause: str
    fix: str


def misplaced(cluster: Cluster, target: Target) -> Misplaced | None:
    """None when a target is a Service's name in the colleague's namespace."""
    colleague = cluster.colleague.namespace
    place = target.namespace(cluster.namespace)
    if place == colleague:
        return None
    if place == cluster.namespace and "." not in target.host:
        return Misplaced(
            f"Le proxy vise « {target} », un nom court qui désigne un Service de votre propre namespace "
            f"({cluster.namespace}).",
            "Un nom de Service sans namespace se résout dans le namespace du pod qui le demande.",
            f"Écrivez le namespace après le nom : {target.host}.{colleague}.svc.cluster.local",
        )
    if place is not None:
        return Misplaced(
            f"Le proxy vise « {target} », un Service du namespace « {place} », pas de « {colleague} ».",
            "Le DNS du cluster lit NOM.NAMESPACE.svc.cluster.local : la deuxième partie est le namespace.",
            f"Remplacez-la par {colleague}.",
        )
    if re.fullmatch(r"[\d.]+", target.host):
        return Misplaced(
            f"Le proxy vise l’adresse « {target} » au lieu d’un nom de Service.",
            "L’adresse d’un pod change à chaque redémarrage ; le nom du Service, lui, reste.",
            "Utilisez le nom du Service que votre collègue vous a donné.",
        )
    return Misplaced(
        f"Le proxy vise « {target.host} », qui n’est pas un nom de Service de ce cluster.",
        "La forme complète est NOM.NAMESPACE.svc.cluster.local.",
        "Corrigez le nom du Service.",
    )


def release_of_colleague(cluster: Cluster, written: Sequence[Target]) -> str:
    """The colleague's database: the one whose Service the relay names (`written`), unless their own namespace, where
    their access is at hand, tells that there is none such; "" where nothing tells."""
    services = [target.host.partition(".")[0] for target in written if target.namespace(cluster.namespace)]
    wanted = next((release for service in services if (release := release_of_service(service))), "")
    theirs = cluster.as_owner(cluster.colleague.namespace)
    releases = [one.release for one in databases(theirs)] if theirs is not None else []
    return wanted if wanted in releases or not releases else releases[0]


def unanswered(
    cluster: Cluster,
    pods: Sequence[Pod],
    silence: str,
    *,
    unresolved: str,
    fix: str,
    commands: tuple[str, ...],
    look: tuple[str, ...],
    settling: bool = False,
) -> Diagnostic:
    """Why the relay, of which these are the pods, takes a client and what is behind does not answer (`silence`).

    `unresolved` says why its pods look well while they do not find the name; `settling`, that the network may still be
    following a change. Raises Unverifiable where the cluster's DNS is silent.
    """
    said = "\n".join(cluster.logs(pod.name, 5) for pod in pods)
    target = next((str(one) for pod in pods[:1] for one in targets(cluster, pod)), "sa cible")
    name = target.rpartition(":")[0] or target
    transient = False
    if re.search(r"not known|no address|Temporary failure|does not resolve|getaddrinfo", said):
        require_dns(cluster)
        finding = f"Le proxy ne trouve pas « {name} » : ce nom n’existe pas dans le DNS du cluster."
        cause = unresolved
    elif "refused" in said:
        finding = f"« {target} » refuse la connexion : rien n’écoute sur ce port."
        cause = "Un Service n’accepte que les ports qu’il déclare ; PostgreSQL est sur 5432."
    elif re.search(r"timed out|No route", said) or "délai" in silence:
        finding = f"« {target} » ne répond pas : la connexion reste sans réponse."
        cause = (
            "Une NetworkPolicy du namespace de votre collègue écarte votre namespace (l’option « only allow access "
            "from the same namespace » du catalogue), ou son pod est arrêté."
        )
        fix = "Vous n’y pouvez rien d’ici : demandez à votre collègue d’ouvrir sa base à votre namespace (TP 4)."
        commands = ()
    else:
        finding = f"À travers le proxy, « {target} » ne répond pas comme PostgreSQL ({silence})."
        cause = "Le proxy relaie vers un autre programme, ou vers un port qui n’est pas celui de la base."
        transient = settling
    return Diagnostic(finding=finding, cause=cause, fix=fix, commands=commands, look=look, transient=transient)


@dataclass(frozen=True)
class Stranger:
    """A server that is not the colleague's. `namespace`: whose it is; "" when it is only known to be none of theirs."""

    namespace: str


def stranger(cluster: Cluster, pod: Pod, port: int, reached: PostgresServer) -> Stranger | None:
    """None when `reached`, the server behind `port` of the relaying pod, is one of the colleague's.

    Where the colleague's access is at hand, their own servers are compared; elsewhere, an address that the pod's
    arguments do not tell is asked of the cluster's reverse DNS.
    """
    known = cluster.once(_servers_of_the_colleague)
    if known and reached.fingerprint is not None:
        return None if reached in known else Stranger("")
    place = "" if any(targets(cluster, pod)) else _place_reached(cluster, pod, port)
    return None if place in ("", cluster.colleague.namespace) else Stranger(place)


def _servers_of_the_colleague(cluster: Cluster) -> Sequence[PostgresServer]:
    """Read in their own pods; none where they cannot all be."""
    theirs = cluster.as_owner(cluster.colleague.namespace)
    if theirs is not None:
        with contextlib.suppress(Unverifiable, NotPostgres, ForwardRefused):
            return [server_in(theirs, pod) for _, pod in ready_pods(theirs)]
    return []


def _place_reached(cluster: Cluster, pod: Pod, port: int) -> str:
    """Namespace of the Service that a relaying pod joins for a client of its `port`, by the cluster's reverse DNS; ""
    when it does not tell."""
    with contextlib.suppress(Unverifiable, NotPostgres, ForwardRefused):
        before = established(cluster, pod.name)
        with cluster.forward(pod.name, port) as connection:
            is_postgres(connection)
            opened = established(cluster, pod.name) - before
        for one in opened:
            if not one.from_loopback:
                answer = cluster.execute(pod.name, ["nslookup", one.remote_address])
                found = re.search(r"[\w-]+\.([\w-]+)\.svc\.", answer)
                if found:
                    return found[1]
    return ""
