"""Why a relay fails its clients, or leads elsewhere: told from its manifest and its log once an
exchange has failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.connections.dns import require_dns
from checks.diagnosis.databases.colleague_base import (
    TheirBase,
    admitted,
    launched,
    shut_to,
    their_base,
)
from checks.diagnosis.databases.relay_manifest import Target, mentions, own_service, targets
from checks.diagnosis.databases.relays import Served, Stranger
from checks.diagnosis.workloads.program_logs import Told, Trouble, last_words, told
from checks.errors import Forbidden, Unverifiable
from checks.exchange.postgres import NotPostgres
from checks.facts import ForwardRefused, Pod
from checks.verdict import Diagnostic

_POSTGRESQL = ("5432", "postgresql")
_OPTION = "(l’option « only allow access from the same namespace » du catalogue)"


@dataclass(frozen=True)
class Misplaced:
    """Why a target is not in the colleague's namespace, in French, and how to mend it there.

    `certain`: no exchange can show otherwise, so that it holds also where none can be made.
    """

    finding: str
    cause: str
    fix: str
    certain: bool = True


def misdirected(
    cluster: Cluster, pod: Pod, follow: Callable[[], Stranger | None]
) -> Misplaced | None:
    """What the manifest of a relaying pod tells of a relay that does not lead to the colleague's.

    None where it tells nothing against it, or where the relay leads there, whatever is written:
    `follow` makes the exchange, says whose server is reached, and raises NotPostgres or
    ForwardRefused when none is. Raises what it raises where no exchange can be made and the
    manifest does not settle it.
    """
    if mentions(cluster, pod, cluster.colleague.namespace):
        return None
    found = (misplaced(cluster, target) for target in targets(cluster, pod))
    wrong = next((one for one in found if one is not None), None)
    try:
        return None if follow() is None else wrong
    except (NotPostgres, ForwardRefused):
        return wrong
    except (Unverifiable, Forbidden):
        if wrong is None or not wrong.certain:
            raise
        return wrong


def misplaced(cluster: Cluster, target: Target) -> Misplaced | None:
    """None when a target may well lead to the colleague's namespace."""
    colleague = cluster.colleague.namespace
    place = target.namespace(cluster.namespace)
    service = own_service(cluster, target)
    if place == colleague:
        return None
    if service is not None and not service.spec.selector:
        return _without_address(cluster, target)
    if place == cluster.namespace and "." not in target.host:
        return Misplaced(
            f"Le proxy vise « {target} », un nom court qui désigne un Service de votre propre "
            f"namespace ({cluster.namespace}).",
            "Un nom de Service sans namespace se résout dans le namespace du pod qui le demande.",
            f"Écrivez le namespace après le nom : {target.host}.{colleague}.svc.cluster.local",
            certain=service is None,
        )
    if place is not None:
        return Misplaced(
            f"Le proxy vise « {target} », un Service du namespace « {place} », pas de « "
            f"{colleague} ».",
            "Le DNS du cluster lit NOM.NAMESPACE.svc.cluster.local : la deuxième partie est le "
            "namespace.",
            f"Remplacez-la par {colleague}.",
            certain=service is None,
        )
    if target.is_address:
        return Misplaced(
            f"Le proxy vise l’adresse « {target} » au lieu d’un nom de Service.",
            "L’adresse d’un pod change à chaque redémarrage ; le nom du Service, lui, reste.",
            "Utilisez le nom du Service que votre collègue vous a donné.",
            certain=False,
        )
    return Misplaced(
        f"Le proxy vise « {target.host} », qui n’est pas un nom de Service de ce cluster.",
        "La forme complète est NOM.NAMESPACE.svc.cluster.local.",
        "Corrigez le nom du Service.",
        certain=False,
    )


def _without_address(cluster: Cluster, target: Target) -> Misplaced | None:
    """None when somebody has given the learner's Service without selector an address, which leads
    where it leads."""
    name = target.host.partition(".")[0]
    if any(one.service == name and one.endpoints for one in cluster.endpoint_slices()):
        return None
    return Misplaced(
        f"Le proxy vise « {target} » : ce Service de votre namespace n’a aucune adresse, et aucun "
        "sélecteur ne lui en donnera.",
        "Un Service sans sélecteur attend des adresses écrites à la main, dans une EndpointSlice. "
        "Le rôle « admin » ne le permet pas : les clients d’un Service pourraient alors être "
        "envoyés vers n’importe quel pod du cluster.",
        f"Visez le Service de {cluster.colleague.namespace} par son nom complet, ou donnez-lui un "
        "nom dans votre namespace par un Service de type ExternalName.",
    )


def too_few_clients(
    met: Served, relay: str, fix: str, commands: tuple[str, ...], look: tuple[str, ...]
) -> Diagnostic | None:
    """None when a relay, called `relay` in French, has served several clients together, then
    another."""
    if met.held is None and met.lasts:
        return None
    together = "qu’un client est servi" if met.held == 1 else f"que {met.held} clients sont servis"
    fate = "attend, sans réponse" if met.waits else "est refusé"
    return Diagnostic(
        finding=f"Pendant {together} à travers {relay}, le suivant {fate}."
        if met.held
        else f"Une fois partis ceux qui passaient par {relay}, un autre client n’est plus servi.",
        cause="Un client PostgreSQL ouvre souvent plusieurs connexions. Ce relais en limite le "
        "nombre (max-children, pour socat), sert ses clients l’un après l’autre, ou ne survit pas "
        "aux premiers.",
        fix=fix,
        commands=commands,
        look=look,
    )


@dataclass(frozen=True)
class Unanswered:
    """What a lab says of a relay behind which nothing answers: why its pods look well while they do
    not find the name (`unresolved`), and its own remedy. `settling`: the network may still be
    following a change."""

    unresolved: str
    fix: str
    commands: tuple[str, ...]
    look: tuple[str, ...]
    settling: bool = False


def unanswered(cluster: Cluster, pods: Sequence[Pod], silence: str, lab: Unanswered) -> Diagnostic:
    """Why the relay, of which these are the pods, takes a client and what is behind does not answer
    (`silence`).

    Raises Unverifiable where the cluster's DNS is silent.
    """
    log = "\n".join(cluster.logs(pod.name, 5, box.name) for pod in pods for box in pod.containers)
    aimed = [target for pod in pods[:1] for target in targets(cluster, pod)]
    said = told(log)
    trouble = said.trouble if said else Trouble.SILENT if "délai" in silence else None
    base = their_base(cluster, aimed)
    if base.ready is False and trouble in (Trouble.UNKNOWN_HOST, Trouble.REFUSED, Trouble.SILENT):
        return _stopped(cluster, aimed, base, lab)
    if said is not None and trouble is Trouble.UNKNOWN_PORT:
        return _unknown_port(said, aimed, lab)
    if said is not None and trouble is Trouble.UNKNOWN_HOST:
        require_dns(cluster)
        return _unknown_host(said, aimed, lab)
    on_the_port = bool(aimed) and all(target.port in _POSTGRESQL for target in aimed)
    if trouble is Trouble.REFUSED and on_the_port and shut_to(cluster, base, pods):
        return _kept_out(cluster, aimed, base, lab)
    if trouble is Trouble.REFUSED:
        return _refused(cluster, aimed, lab, on_the_port=on_the_port)
    if trouble is Trouble.SILENT:
        return _silent(cluster, aimed, base, lab)
    last = last_words(log)
    return Diagnostic(
        finding=f"À travers le proxy, « {_named(aimed)} » ne répond pas comme PostgreSQL "
        f"({silence})." + (f" Son journal finit par « {last} »." if last else ""),
        cause="Le proxy relaie vers un autre programme, ou vers un port qui n’est pas celui de la "
        "base.",
        fix=lab.fix,
        commands=lab.commands,
        look=lab.look,
        transient=lab.settling,
    )


def _named(aimed: Sequence[Target]) -> str:
    return " ou ".join(map(str, aimed)) or "sa cible"


def _unknown_port(said: Told, aimed: Sequence[Target], lab: Unanswered) -> Diagnostic:
    names = (
        [said.port] if said.port else [target.port for target in aimed if not target.port.isdigit()]
    )
    seen = f"le port « {names[0]} »" if names else "le nom du port de sa cible"
    return Diagnostic(
        finding=f"Le proxy ne connaît pas {seen} ; il a dit : « {said.words} ».",
        cause="Un port écrit par son nom est cherché dans le fichier /etc/services de l’image, "
        "quand elle en a un. L’hôte, lui, n’est pas en cause.",
        fix=f"Écrivez le port de la base en chiffres : 5432. {lab.fix}",
        commands=lab.commands,
        look=lab.look,
    )


def _unknown_host(said: Told, aimed: Sequence[Target], lab: Unanswered) -> Diagnostic:
    name = said.host or " ou ".join(target.host for target in aimed)
    return Diagnostic(
        finding=f"Le proxy ne trouve pas « {name} » : ce nom n’existe pas dans le DNS du cluster."
        if name
        else "Le proxy vise un nom qui n’existe pas dans le DNS du cluster ; il a dit : « "
        f"{said.message} ».",
        cause=lab.unresolved,
        fix=lab.fix,
        commands=lab.commands,
        look=lab.look,
    )


def _refused(
    cluster: Cluster, aimed: Sequence[Target], lab: Unanswered, *, on_the_port: bool
) -> Diagnostic:
    there = cluster.colleague.namespace
    return Diagnostic(
        finding=f"« {_named(aimed)} » refuse la connexion."
        if on_the_port
        else f"« {_named(aimed)} » refuse la connexion : rien n’écoute sur ce port.",
        cause="Un Service refuse ses clients quand il n’a aucun pod prêt : la base de votre "
        "collègue est peut-être arrêtée. Certains réseaux refusent aussi ce qu’une NetworkPolicy "
        "interdit : la base est peut-être fermée à votre namespace."
        if on_the_port
        else "Un Service n’accepte que les ports qu’il déclare ; PostgreSQL est sur 5432.",
        fix=f"Demandez à {there} si sa base tourne (kubectl get pods) et si elle admet votre "
        "namespace (TP 4), et relancez ensuite."
        if on_the_port
        else lab.fix,
        commands=() if on_the_port else lab.commands,
        look=lab.look,
    )


def _stopped(
    cluster: Cluster, aimed: Sequence[Target], base: TheirBase, lab: Unanswered
) -> Diagnostic:
    """Nothing answers, and the colleague's own namespace tells why."""
    there = cluster.colleague.namespace
    return Diagnostic(
        finding=f"« {_named(aimed)} » ne répond pas : aucune base ne tourne sous le nom "
        f"{base.release} dans {there}.",
        cause="Le relais n’y est pour rien : il n’y a pas de serveur au bout du chemin. Une base "
        "arrêtée emporte son Service, donc son nom.",
        fix="C’est à votre collègue de la relancer. Sur le petit SSPCloud local, jouez son rôle :",
        commands=launched(cluster, base),
        look=lab.look,
    )


def _kept_out(
    cluster: Cluster, aimed: Sequence[Target], base: TheirBase, lab: Unanswered
) -> Diagnostic:
    """What runs refuses: a network that does not stay silent answers in its place."""
    return _to_be_admitted(
        cluster,
        base,
        lab,
        f"« {_named(aimed)} » refuse la connexion, alors que la base {base.release} tourne.",
        f"Une NetworkPolicy du namespace de votre collègue écarte votre namespace {_OPTION}. Le "
        "réseau de ce cluster refuse ce qu’elle interdit, au lieu de le laisser sans réponse.",
    )


def _silent(
    cluster: Cluster, aimed: Sequence[Target], base: TheirBase, lab: Unanswered
) -> Diagnostic:
    return _to_be_admitted(
        cluster,
        base,
        lab,
        f"« {_named(aimed)} » ne répond pas : la connexion reste sans réponse.",
        f"Une NetworkPolicy du namespace de votre collègue écarte votre namespace {_OPTION}, ou "
        "son pod est arrêté.",
    )


def _to_be_admitted(
    cluster: Cluster, base: TheirBase, lab: Unanswered, finding: str, cause: str
) -> Diagnostic:
    there = admitted(cluster, base)
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix="C’est à votre collègue d’ouvrir sa base à votre namespace (TP 4). Sur le petit "
        "SSPCloud local, jouez son rôle :"
        if there
        else "Vous n’y pouvez rien d’ici : demandez à votre collègue d’ouvrir sa base à votre "
        "namespace (TP 4).",
        commands=there,
        look=lab.look,
    )
