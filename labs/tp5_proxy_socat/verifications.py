"""Les vérifications du TP 5 : un pod relais, et le chemin complet jusqu’au serveur du collègue."""

from __future__ import annotations

from checks.diagnosis.databases import server_in
from checks.diagnosis.elsewhere import launched, their_base
from checks.diagnosis.pods import never_admitted, not_ready
from checks.diagnosis.relay_failures import (
    Unanswered,
    misdirected,
    too_few_clients,
    unanswered,
)
from checks.diagnosis.relay_manifest import listening_ports, targets
from checks.diagnosis.relays import Served, Stranger, served, stranger
from checks.diagnosis.tunnel import Tunnel, leads_elsewhere, nobody_listens
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, PostgresServer, identify
from checks.facts import Cluster, ForwardRefused, Pod
from checks.verdict import Diagnostic
from checks.verification import verification

PROXY = "pg-proxy"
PORT = 5432
_APPLY = "Corrigez proxy.yaml, supprimez l’ancien pod, puis appliquez de nouveau le manifeste."


def proxy(cluster: Cluster) -> Pod:
    """Le pod relais, une fois qu’on sait qu’il existe."""
    pod = cluster.pod(PROXY)
    if pod is None:
        raise Unverifiable(f"Le pod {PROXY} a disparu pendant la vérification.")
    return pod


def again(cluster: Cluster) -> tuple[str, ...]:
    """Le remède commun : refaire le pod à partir de la solution, vers la base du collègue, qui est lancée si l’on peut
    dire qu’elle ne l’est pas ; rien si on ne la connaît pas."""
    colleague, pod = cluster.colleague.namespace, cluster.pod(PROXY)
    base = their_base(cluster, targets(cluster, pod) if pod else ())
    if not base.release:
        return ()
    return (
        *launched(cluster, base),
        f"kubectl delete pod {PROXY} -n {cluster.namespace} --ignore-not-found --now",
        f"cahier solution tp5 --namespace {cluster.namespace} --collegue {colleague} --base {base.release} --appliquer",
    )


@verification(points=1)
def le_proxy_existe(cluster: Cluster) -> Diagnostic | None:
    """Un pod « pg-proxy » existe dans votre namespace."""
    if cluster.pod(PROXY):
        return None
    others = [pod.name for pod in cluster.pods() if any("socat" in box.image for box in pod.containers)]
    seen = f" Le pod {others[0]} utilise bien socat, mais porte un autre nom." if others else ""
    return Diagnostic(
        finding=f"Aucun pod « {PROXY} » dans le namespace {cluster.namespace}.{seen}",
        cause="Le manifeste n’a pas été appliqué, ou l’a été dans un autre namespace ou sous un autre nom."
        + never_admitted(cluster),
        fix="Appliquez votre manifeste : kubectl apply -f proxy.yaml",
        commands=again(cluster),
        look=(f"kubectl get pods -n {cluster.namespace}",),
    )


@verification(points=1, after=le_proxy_existe)
def le_proxy_tourne(cluster: Cluster) -> Diagnostic | None:
    """Le proxy est démarré et prêt."""
    pod = proxy(cluster)
    ended = [box for box in pod.containers if box.exit_code == 0 and not box.running]
    if ended and not pod.deleting:
        return _one_client_only(cluster, f"Le conteneur du pod {PROXY} s’est arrêté sans erreur (code 0)")
    return not_ready(cluster, pod, _APPLY, again(cluster))


@verification(points=2, after=le_proxy_existe)
def le_proxy_vise_la_base_du_collegue(cluster: Cluster) -> Diagnostic | None:
    """Le proxy relaie vers un Service du namespace de votre collègue.

    Un client passe par le proxy : le serveur atteint décide, quel que soit l’outil. Le manifeste ne sert qu’à
    expliquer pourquoi le chemin ne mène pas chez votre collègue.
    """
    wrong = misdirected(cluster, proxy(cluster), lambda: cluster.once(_whose))
    if wrong is None:
        return None
    return Diagnostic(
        finding=wrong.finding,
        cause=wrong.cause,
        fix=wrong.fix,
        commands=again(cluster),
        look=(f"kubectl get pod {PROXY} -n {cluster.namespace} -o jsonpath='{{.spec.containers[*].args}}'",),
    )


@verification(points=1, after=le_proxy_tourne)
def le_proxy_ecoute_sur_5432(cluster: Cluster) -> Diagnostic | None:
    """Le proxy accepte plusieurs clients à la fois sur son port 5432.

    Trois connexions sont ouvertes en même temps par des tunnels à nous, puis une autre après leur départ.
    """
    met = cluster.once(_clients)
    if isinstance(met, ForwardRefused) and "refused" in str(met):
        return _nothing_listens(cluster, proxy(cluster))
    if not isinstance(met, Served):
        return None  # it listens; what is behind is the next check's
    if met.held == 1 and not met.waits:
        return _one_client_only(cluster, f"Le pod {PROXY} n’accepte qu’un seul client : le second est refusé")
    return too_few_clients(
        met,
        f"le pod {PROXY}",
        f"Laissez-le servir tous ceux qui viennent, par exemple TCP-LISTEN:{PORT},fork,reuseaddr. {_APPLY}",
        again(cluster),
        (f"kubectl logs {PROXY} -n {cluster.namespace}",),
    )


@verification(points=2, after=(le_proxy_ecoute_sur_5432, le_proxy_vise_la_base_du_collegue))
def la_base_repond_a_travers_le_proxy(cluster: Cluster) -> Diagnostic | None:
    """À travers le proxy, c’est bien un serveur PostgreSQL qui répond."""
    try:
        server_behind(cluster)
    except (NotPostgres, ForwardRefused) as silence:
        lab = Unanswered(
            unresolved="socat ne résout le nom qu’à l’arrivée d’un client : le pod reste « Running » malgré l’erreur.",
            fix="Vérifiez le nom et le port avec votre collègue (kubectl get svc, dans son namespace), corrigez "
            "proxy.yaml et refaites le pod.",
            commands=again(cluster),
            look=(f"kubectl logs {PROXY} -n {cluster.namespace}",),
        )
        return unanswered(cluster, [proxy(cluster)], str(silence), lab)
    found = cluster.once(_whose)
    return _another_owner(cluster, found) if found else None


@verification(points=1, after=le_proxy_existe)
def un_tunnel_ecoute_sur_votre_poste(cluster: Cluster) -> Diagnostic | None:
    """Sur votre poste, un tunnel écoute sur localhost:5432."""
    return nobody_listens(cluster, tunnel(cluster))


@verification(points=2, after=(un_tunnel_ecoute_sur_votre_poste, la_base_repond_a_travers_le_proxy))
def le_tunnel_mene_au_proxy(cluster: Cluster) -> Diagnostic | None:
    """Ce tunnel mène à votre pod « pg-proxy », et à lui seul."""
    return leads_elsewhere(cluster, tunnel(cluster))


@verification(points=2, after=le_tunnel_mene_au_proxy)
def un_client_atteint_le_serveur_du_collegue(cluster: Cluster) -> Diagnostic | None:
    """Un client de votre poste atteint le serveur de votre collègue à travers le proxy.

    Deux serveurs PostgreSQL se distinguent sans mot de passe : l’empreinte lue par localhost doit être celle lue
    dans le pod relais.
    """
    port = cluster.local_port(PORT)
    behind = server_behind(cluster)
    try:
        with cluster.machine.connect(port) as connection:
            connection.settimeout(8)
            reached = identify(connection)
    except (NotPostgres, OSError) as silence:
        return Diagnostic(
            finding=f"Sur localhost:{port}, PostgreSQL ne répond pas jusqu’au bout : {silence}.",
            cause="Le tunnel ou le proxy a coupé la connexion en cours d’échange.",
            fix="Fermez le tunnel et rouvrez-le dans un second terminal.",
            commands=(tunnel(cluster).command,),
            look=(f"kubectl logs {PROXY} -n {cluster.namespace}",),
        )
    if reached == behind or not _keeps_its_fingerprint(cluster, behind):
        return None
    return Diagnostic(
        finding=f"Le serveur atteint par localhost:{port} n’est pas celui que le proxy atteint.",
        cause="Deux bases différentes répondent : la vôtre, par exemple, et celle de votre collègue.",
        fix="Fermez le tunnel et rouvrez-le vers pod/pg-proxy.",
        commands=(tunnel(cluster).command,),
        look=("ps aux | grep port-forward",),
    )


def _keeps_its_fingerprint(cluster: Cluster, behind: PostgresServer) -> bool:
    """Un pooler peut en donner une autre à chaque client : le tunnel, lui, a été reconnu à ses connexions."""
    try:
        return server_in(cluster, proxy(cluster), PORT) == behind
    except (NotPostgres, ForwardRefused):
        return True


def tunnel(cluster: Cluster) -> Tunnel:
    """Le tunnel attendu : localhost:5432 vers pod/pg-proxy."""
    return Tunnel(
        local_port=cluster.local_port(PORT),
        pods=(proxy(cluster),),
        port=PORT,
        speak=identify,
        service="pod/pg-proxy",
    )


def _clients(cluster: Cluster) -> Served | NotPostgres | ForwardRefused:
    """Met once for all checks: a silence lasts as long as a connection waits."""
    try:
        return served(lambda: cluster.forward(PROXY, PORT))
    except (NotPostgres, ForwardRefused) as silence:
        return silence


def server_behind(cluster: Cluster) -> PostgresServer:
    """Le serveur que le proxy atteint, demandé par un tunnel à nous. Lève NotPostgres ou ForwardRefused."""
    met = cluster.once(_clients)
    if isinstance(met, Served):
        return met.server
    raise met


def _whose(cluster: Cluster) -> Stranger | None:
    """À qui est ce serveur : None quand c’est au collègue. Lève NotPostgres ou ForwardRefused, et Unverifiable."""
    return stranger(cluster, proxy(cluster), PORT, server_behind(cluster))


def _nothing_listens(cluster: Cluster, pod: Pod) -> Diagnostic:
    listening = sorted(listening_ports(pod))
    seen = f" Il écoute sur {', '.join(map(str, listening))}." if listening and PORT not in listening else ""
    return Diagnostic(
        finding=f"Dans le pod {PROXY}, rien n’écoute sur le port {PORT}.{seen}",
        cause="« TCP-LISTEN:PORT » dit à socat où attendre les clients ; le tunnel du TP mène au port 5432.",
        fix=f"Écrivez TCP-LISTEN:{PORT},fork,reuseaddr. {_APPLY}",
        commands=again(cluster),
        look=(f"kubectl logs {PROXY} -n {cluster.namespace}",),
        transient=not seen,  # the program may not have opened its port yet
    )


def _one_client_only(cluster: Cluster, seen: str) -> Diagnostic:
    return Diagnostic(
        finding=f"{seen}. Sans l’option fork, socat sert un seul client, puis s’arrête.",
        cause="L’option « fork » de TCP-LISTEN crée un processus par client ; un client PostgreSQL en ouvre souvent "
        "plusieurs.",
        fix=f"Ajoutez fork : TCP-LISTEN:{PORT},fork,reuseaddr. {_APPLY}",
        commands=again(cluster),
        look=(f"kubectl get pod {PROXY} -n {cluster.namespace}",),
    )


def _another_owner(cluster: Cluster, found: Stranger) -> Diagnostic:
    colleague = cluster.colleague.namespace
    if found.namespace:
        finding = f"Le proxy mène à un serveur PostgreSQL du namespace « {found.namespace} », pas de « {colleague} »."
        cause = "Le pod montre l’adresse qu’il a jointe pour servir un client : elle est dans ce namespace."
    else:
        finding = f"Le serveur PostgreSQL atteint à travers le proxy n’est aucun de ceux de {colleague}."
        cause = "Deux serveurs se distinguent par leur empreinte, lue ici dans le pod de votre collègue."
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=f"Visez le Service du namespace {colleague}.",
        commands=again(cluster),
        look=(f"kubectl describe pod {PROXY} -n {cluster.namespace}",),
    )
