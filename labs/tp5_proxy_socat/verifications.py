"""Les vérifications du TP 5 : un pod relais, et le chemin complet jusqu’au serveur du collègue."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import leads_elsewhere, nobody_listens
from checks.diagnosis.databases.relay_failures import (
    Unanswered,
    misdirected,
    too_few_clients,
    unanswered,
)
from checks.diagnosis.databases.relay_manifest import listening_ports
from checks.diagnosis.databases.relays import Served
from checks.diagnosis.workloads.readiness import never_admitted, not_ready
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import ForwardRefused
from checks.lesson import Wrong
from checks.verification import verification

from . import lessons
from .relay import (
    NAME,
    PORT,
    clients,
    ended_by_itself,
    keeps_its_fingerprint,
    made_again,
    pod_of_relay,
    server_behind,
    socat_under_another_name,
    stranger_behind,
    tunnel,
)


@verification(points=1)
def le_proxy_existe(cluster: Cluster) -> Wrong | None:
    """Un pod « pg-proxy » existe dans votre namespace."""
    if cluster.pod(NAME):
        return None
    other, why, remedy = (
        socat_under_another_name(cluster),
        never_admitted(cluster),
        made_again(cluster),
    )
    if other:
        return lessons.RelayUnderAnotherName(never_admitted=why, other=other, commands=remedy)
    return lessons.NoRelay(never_admitted=why, commands=remedy)


@verification(points=1, after=le_proxy_existe)
def le_proxy_tourne(cluster: Cluster) -> Wrong | None:
    """Le proxy est démarré et prêt."""
    pod = pod_of_relay(cluster)
    if ended_by_itself(pod):
        return lessons.EndedAfterOneClient(commands=made_again(cluster))
    return not_ready(cluster, pod, lessons.APPLY, made_again(cluster))


@verification(points=2, after=le_proxy_existe)
def le_proxy_vise_la_base_du_collegue(cluster: Cluster) -> Wrong | None:
    """Le proxy relaie vers un Service du namespace de votre collègue.

    Un client passe par le proxy : le serveur atteint décide, quel que soit l’outil. Le manifeste ne
    sert qu’à expliquer pourquoi le chemin ne mène pas chez votre collègue.
    """
    why = misdirected(cluster, pod_of_relay(cluster), lambda: stranger_behind(cluster))
    return lessons.LeadsElsewhere(why=why, commands=made_again(cluster)) if why else None


@verification(points=1, after=le_proxy_tourne)
def le_proxy_ecoute_sur_5432(cluster: Cluster) -> Wrong | None:
    """Le proxy accepte plusieurs clients à la fois sur son port 5432.

    Trois connexions sont ouvertes en même temps par des tunnels à nous, puis une autre après leur
    départ.
    """
    met = clients(cluster)
    if isinstance(met, ForwardRefused) and "refused" in str(met):
        return _nothing_listens(cluster)
    if not isinstance(met, Served):
        return None  # it listens; what is behind is the next check's
    remedy = made_again(cluster)
    if met.held == 1 and not met.waits:
        return lessons.OneClientOnly(commands=remedy)
    look = (f"kubectl logs {NAME} -n {cluster.namespace}",)
    return too_few_clients(met, lessons.THE_RELAY, lessons.SERVE_ALL, remedy, look)


def _nothing_listens(cluster: Cluster) -> lessons.NothingListens:
    remedy, listening = made_again(cluster), listening_ports(pod_of_relay(cluster))
    if not listening or PORT in listening:  # the program may not have opened its port yet
        return lessons.NothingListens(commands=remedy, transient=True)
    return lessons.ListensElsewhere(ports=", ".join(map(str, sorted(listening))), commands=remedy)


@verification(points=2, after=(le_proxy_ecoute_sur_5432, le_proxy_vise_la_base_du_collegue))
def la_base_repond_a_travers_le_proxy(cluster: Cluster) -> Wrong | None:
    """À travers le proxy, c’est bien un serveur PostgreSQL qui répond."""
    try:
        server_behind(cluster)
    except (NotPostgres, ForwardRefused) as silence:
        look = (f"kubectl logs {NAME} -n {cluster.namespace}",)
        lab = Unanswered(lessons.UNRESOLVED, lessons.UNANSWERED, made_again(cluster), look)
        return unanswered(cluster, [pod_of_relay(cluster)], str(silence), lab)
    found = stranger_behind(cluster)
    if found is None:
        return None
    if found.namespace:
        return lessons.ServerOfAnotherNamespace(place=found.namespace, commands=made_again(cluster))
    return lessons.ServerOfNobodyKnown(commands=made_again(cluster))


@verification(points=1, after=le_proxy_existe)
def un_tunnel_ecoute_sur_votre_poste(cluster: Cluster) -> Wrong | None:
    """Sur votre poste, un tunnel écoute sur localhost:5432."""
    return nobody_listens(cluster, tunnel(cluster))


@verification(points=2, after=(un_tunnel_ecoute_sur_votre_poste, la_base_repond_a_travers_le_proxy))
def le_tunnel_mene_au_proxy(cluster: Cluster) -> Wrong | None:
    """Ce tunnel mène à votre pod « pg-proxy », et à lui seul."""
    return leads_elsewhere(cluster, tunnel(cluster))


@verification(points=2, after=le_tunnel_mene_au_proxy)
def un_client_atteint_le_serveur_du_collegue(cluster: Cluster) -> Wrong | None:
    """Un client de votre poste atteint le serveur de votre collègue à travers le proxy.

    Deux serveurs PostgreSQL se distinguent sans mot de passe : l’empreinte lue par localhost doit
    être celle lue dans le pod relais.
    """
    port, behind, again = (
        cluster.local_port(PORT),
        server_behind(cluster),
        (tunnel(cluster).command,),
    )
    try:
        with cluster.machine.connect(port) as connection:
            connection.settimeout(8)
            reached = identify(connection)
    except (NotPostgres, OSError) as silence:
        return lessons.ExchangeCut(port=port, silence=str(silence), commands=again)
    if reached == behind or not keeps_its_fingerprint(cluster, behind):
        return None
    return lessons.TwoServers(port=port, commands=again)
