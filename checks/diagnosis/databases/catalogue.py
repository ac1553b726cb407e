"""The databases of the catalogue, recognised by the labels that the platform puts on their pods and
Services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.workloads.readiness import never_admitted, not_ready
from checks.errors import Unverifiable
from checks.exchange.postgres import PostgresServer, identify
from checks.facts import OLDER_RELEASE, Pod
from checks.objects.parts import metadata
from checks.verdict import Diagnostic

PORT = 5432
USUAL = "postgresql-cnpg-951239"
"""The release of the labs' story."""


@dataclass(frozen=True)
class Database:
    """A release of the catalogue. `pod` is its primary, None when the release has no server pod at
    all. `operated`: CloudNativePG's operator keeps it, as on the platform."""

    release: str
    pod: Pod | None
    preparing: bool = False
    operated: bool = False


def _release(labels: Mapping[str, str]) -> str:
    """Release that these labels, or a Service's selector, belong to; "" when they are not a
    database's."""
    if labels.get("cnpg.io/cluster"):
        return labels["cnpg.io/cluster"]
    read_only = labels.get("app.kubernetes.io/component") in ("read", "metrics")
    if labels.get("app.kubernetes.io/name") == "postgresql" and not read_only:
        return labels.get("app.kubernetes.io/instance", "")
    return ""


def release_of_service(name: str) -> str:
    """The release whose Service bears this name (`R-rw`, or `R` for the older chart); "" for
    none."""
    if name.endswith("-rw"):
        return name.removesuffix("-rw")
    return name if OLDER_RELEASE.fullmatch(name) else ""


def is_of_a_database(pod: Pod) -> bool:
    """Whether the pod serves a database of the catalogue, whichever."""
    return bool(_release(pod.labels))


def of_release(labels: Mapping[str, str], release: str) -> bool:
    """Whether what bears these labels belongs to the release, whatever it is."""
    return release in (labels.get("cnpg.io/cluster"), labels.get("app.kubernetes.io/instance"))


def _primary(pods: Sequence[Pod]) -> Pod | None:
    """The pod that takes writes: said by a label with CloudNativePG, the only one with the older
    chart."""
    servers = [
        pod
        for pod in pods
        if "cnpg.io/cluster" not in pod.labels or pod.labels.get("cnpg.io/podRole") == "instance"
    ]
    leading = [
        pod
        for pod in servers
        if "primary" in (pod.labels.get("cnpg.io/instanceRole"), pod.labels.get("role"))
    ]
    return next(iter(leading or servers), None)


def databases(cluster: Cluster) -> Sequence[Database]:
    """The namespace's databases, those that are ready first, then by name."""
    return cluster.once(_databases)


def _databases(cluster: Cluster) -> Sequence[Database]:
    pods: dict[str, list[Pod]] = {}
    kept: set[str] = set()
    for pod in cluster.pods():
        pods.setdefault(_release(pod.labels), []).append(pod)
        kept.add(pod.given.metadata.database_cluster)
    for service in cluster.services():  # a release whose pod is gone still has its Service
        pods.setdefault(_release(service.spec.selector), [])
        kept.add(service.metadata.database_cluster)
    pods.pop("", None)
    found = [
        Database(release, _primary(some), preparing=bool(some), operated=release in kept)
        for release, some in sorted(pods.items())
    ]
    return sorted(found, key=lambda database: not is_ready(database))


def is_ready(database: Database) -> bool:
    """Whether it has a pod that serves."""
    return database.pod is not None and database.pod.ready and not database.pod.deleting


def ready_pods(cluster: Cluster) -> Sequence[tuple[Database, Pod]]:
    """The databases whose pod is ready. Raises Unverifiable when there is none left."""
    found = [(one, one.pod) for one in databases(cluster) if one.pod is not None and is_ready(one)]
    if not found:
        raise Unverifiable(
            "Le pod de la base a cessé d’être prêt pendant la vérification.",
            "Relancez la commande.",
        )
    return found


def other_bases(cluster: Cluster, release: str) -> str:
    """The releases that are ready beside this one, for a sentence; "" for none."""
    return ", ".join(one.release for one, _ in ready_pods(cluster) if one.release != release)


def launch(cluster: Cluster, release: str = "") -> str:
    """The command that starts a database."""
    named = f" --nom {release}" if release else ""
    return f"cahier catalogue lancer postgresql --namespace {cluster.namespace}{named}"


def relaunch(cluster: Cluster, release: str) -> tuple[str, ...]:
    """The commands that make a database anew; none on the platform, where its interface does."""
    if any(one.operated for one in databases(cluster) if one.release == release):
        return ()
    return (
        f"cahier catalogue arreter {release} --namespace {cluster.namespace}",
        launch(cluster, release),
    )


RELAUNCH = (
    "Sur le SSPCloud, relancez-la depuis « Mes services » ; sur le cluster local, arrêtez-la puis "
    "relancez-la (ses données sont alors perdues)."
)


def no_database(cluster: Cluster) -> Diagnostic | None:
    """None when there is a database of the catalogue, whatever its name."""
    if databases(cluster):
        return None
    others = [
        pod.name for pod in cluster.pods() if any("postgres" in box.image for box in pod.containers)
    ]
    seen = (
        f" Le pod {others[0]} utilise une image PostgreSQL, mais ne vient pas du catalogue."
        if others
        else ""
    )
    return Diagnostic(
        finding=f"Aucune base PostgreSQL du catalogue dans le namespace {cluster.namespace}.{seen}",
        cause="Une base du catalogue se reconnaît aux étiquettes que la plateforme pose sur son "
        "pod et son Service. Elle n’a pas été lancée, l’a été dans un autre namespace, ou a été "
        "supprimée.",
        fix="Lancez-la : sur le SSPCloud, « Catalogue de services », « Databases », PostgreSQL ; "
        "sur le cluster local, cahier catalogue lancer postgresql",
        commands=(launch(cluster),),
        look=(f"kubectl get pods -n {cluster.namespace} --show-labels",),
    )


def not_serving(cluster: Cluster) -> Diagnostic | None:
    """None when the pod of the first database is ready."""
    first = databases(cluster)[0]
    if first.pod is not None:
        return not_ready(cluster, first.pod, RELAUNCH, relaunch(cluster, first.release))
    return Diagnostic(
        finding=f"La base {first.release} n’a plus de pod dans le namespace {cluster.namespace} : "
        "il reste son Service, mais aucun serveur derrière lui."
        if not first.preparing
        else f"La base {first.release} se prépare : son pod serveur n’existe pas encore.",
        cause=_why_no_pod(cluster, first),
        fix=RELAUNCH,
        commands=relaunch(cluster, first.release),
        look=(f"kubectl get pods,services -n {cluster.namespace}",),
        # an operator makes a deleted pod again, within seconds
        transient=first.preparing or first.operated,
    )


def _why_no_pod(cluster: Cluster, database: Database) -> str:
    if database.preparing:
        return "Un premier pod crée les fichiers de la base, puis cède la place au pod qui la sert."
    why = (
        "La base est en pause, ou l’opérateur qui la tient, et qui recrée un pod supprimé, n’y "
        f"arrive pas.{never_admitted(cluster)}"
        if database.operated
        else "La base a été mise en pause, ou son pod a été supprimé sans que rien ne le recrée."
    )
    return f"Un Service n’est qu’un nom et une adresse. {why}"


def server_in(cluster: Cluster, pod: Pod, port: int = PORT) -> PostgresServer:
    """The server inside the pod, or that it relays, through a tunnel of ours to its `port`.

    Raises NotPostgres or ForwardRefused.
    """
    with cluster.forward(pod.name, port) as connection:
        return identify(connection)


_SECRETS = ("", "-user", "-superuser", "-app", "-ca", "-server", "-replication", "-pooler")


_HELM_RELEASE = "meta.helm.sh/release-name"
HELM_STORAGE = "sh.helm.release.v1."
"""How the name of a Secret begins where Helm keeps, packed, all that a release was made from."""


def platform_secrets(cluster: Cluster, release: str) -> Sequence[str]:
    """Names of the Secrets that the platform made for a database: its chart and its operator say
    so, or else they are called as theirs."""
    called = {release + suffix for suffix in _SECRETS}
    found = map(metadata, cluster.objects("Secret"))
    return sorted(
        {release}
        | {
            one.name
            for one in found
            if one.name in called
            or one.name.startswith(f"{HELM_STORAGE}{release}.")
            or one.annotations.get(_HELM_RELEASE) == release
            or release == one.database_cluster
        }
    )


def platform_values(cluster: Cluster, release: str, key: str) -> Sequence[str]:
    """Values of a key in the Secrets that the platform made for a database: read each time, never
    kept, never shown."""
    found = [
        cluster.secret_values(release + suffix) or {}
        for suffix in ("", "-user", "-superuser", "-app")
    ]
    return list(dict.fromkeys(values[key] for values in found if values.get(key)))
