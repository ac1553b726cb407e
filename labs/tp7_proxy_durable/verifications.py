"""Les vérifications du TP 7 : un relais que le cluster remplace, et des clients qui passent
toujours."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.workloads import deployments
from checks.lesson import Wrong
from checks.objects.parts import named
from checks.verification import verification

from . import deployment, health_probes, recovery, service_in_front, way_through
from .relay import FILE, PROXY, front, relay, running
from .remedies import again


@verification(points=1)
def un_deployment_pg_proxy_existe(cluster: Cluster) -> Wrong | None:
    """Un Deployment « pg-proxy » demande au moins un pod dans votre namespace."""
    if named(cluster.deployments(), PROXY) is None:
        return deployment.absent(cluster)
    return deployments.asleep(cluster, PROXY, FILE, again(cluster))


@verification(points=1, after=un_deployment_pg_proxy_existe)
def l_image_porte_une_etiquette_precise(cluster: Cluster) -> Wrong | None:
    """L’image du relais porte une étiquette précise, la même à chaque redémarrage."""
    return deployment.floating_image(cluster)


@verification(points=1, after=un_deployment_pg_proxy_existe)
def chaque_conteneur_dit_ses_ressources(cluster: Cluster) -> Wrong | None:
    """Chaque conteneur demande du processeur et de la mémoire, et se donne des limites.

    Lu sur les pods, tels que le cluster les a faits : ce qu’une valeur par défaut du namespace
    ajoute compte aussi.
    """
    return deployment.without_resources(cluster)


@verification(points=1, after=un_deployment_pg_proxy_existe)
def la_sonde_liveness_laisse_vivre_le_proxy(cluster: Cluster) -> Wrong | None:
    """Aucune sonde « liveness » ne tue un proxy qui fonctionne.

    Elle n’est pas obligatoire ; s’il y en a une, le vérificateur la joue lui-même sur chaque pod.
    """
    found = (health_probes.deadly_liveness(cluster, pod) for pod in relay(cluster).pods)
    return next(filter(None, found), None)


@verification(points=1, after=un_deployment_pg_proxy_existe)
def les_pods_du_proxy_sont_prets(cluster: Cluster) -> Wrong | None:
    """Tous les pods que le Deployment demande sont prêts, dans leur dernière version."""
    found = relay(cluster)
    return (
        deployment.creation_refused(cluster, found)
        or deployments.paused(cluster, found)
        or deployment.pod_not_ready(cluster, found)
        or deployments.settling(cluster, found)
    )


@verification(points=1, after=les_pods_du_proxy_sont_prets)
def le_proxy_vise_la_base_du_collegue(cluster: Cluster) -> Wrong | None:
    """Le proxy relaie vers un Service du namespace de votre collègue.

    Un client passe par lui : le serveur atteint décide, quel que soit l’outil. Le manifeste ne sert
    qu’à expliquer pourquoi le chemin ne mène pas chez votre collègue.
    """
    pods = relay(cluster).pods  # all of them are made from one template
    return way_through.leads_elsewhere(cluster, pods[0]) if pods else None


@verification(points=1, after=les_pods_du_proxy_sont_prets)
def une_sonde_dit_quand_le_proxy_sert(cluster: Cluster) -> Wrong | None:
    """Une sonde « readiness » dit quand un pod peut recevoir des clients.

    Une sonde par commande est essayée dans un pod à nous où rien n’écoute : elle doit y échouer.
    """
    found = (health_probes.useless_readiness(cluster, pod) for pod in relay(cluster).pods)
    return next(filter(None, found), None)


@verification(points=1, after=les_pods_du_proxy_sont_prets)
def le_service_mene_aux_pods_du_proxy(cluster: Cluster) -> Wrong | None:
    """Le Service « pg-proxy » mène aux pods du Deployment, à eux seuls, par son port 5432.

    Demandé au cluster lui-même : ses EndpointSlices disent à quels pods, et sur quel port, il
    envoie les clients.
    """
    before = front(cluster)
    if before is None:
        return service_in_front.absent(cluster, running(cluster))
    return service_in_front.astray(cluster, before)


@verification(
    points=1, after=(le_service_mene_aux_pods_du_proxy, le_proxy_vise_la_base_du_collegue)
)
def la_base_repond_a_travers_le_service(cluster: Cluster) -> Wrong | None:
    """À travers le Service, PostgreSQL répond à plusieurs clients à la fois.

    Un pod à nous, dans votre namespace, ouvre trois connexions en même temps vers pg-proxy:5432,
    puis une autre.
    """
    return way_through.clients_not_served(cluster)


@verification(points=1, after=la_base_repond_a_travers_le_service)
def chaque_pod_mene_au_serveur_du_collegue(cluster: Cluster) -> Wrong | None:
    """Chaque pod du proxy mène au serveur de votre collègue.

    Deux serveurs PostgreSQL se distinguent sans mot de passe, par leur empreinte. Là où l’accès de
    votre collègue est à portée de main, elle est lue aussi chez lui ; ailleurs, les connexions du
    pod et le DNS du cluster disent chez qui est l’adresse jointe.
    """
    found = (way_through.another_server(cluster, pod) for pod in relay(cluster).pods)
    return next(filter(None, found), None)


@verification(
    points=2,
    after=(
        chaque_pod_mene_au_serveur_du_collegue,
        la_sonde_liveness_laisse_vivre_le_proxy,
        une_sonde_dit_quand_le_proxy_sert,
    ),
)
def le_proxy_reprend_son_port_aussitot(cluster: Cluster) -> Wrong | None:
    """Redémarré alors qu’un client est connecté, le proxy reprend aussitôt son port.

    Le vérificateur tue exprès, une seule fois, le programme d’un des pods : le client connecté est
    coupé, et le conteneur redémarre dans le même pod, donc avec les mêmes ports.
    """
    return recovery.not_restarted(cluster)


@verification(points=2, after=le_proxy_reprend_son_port_aussitot)
def le_proxy_revient_quand_son_pod_disparait(cluster: Cluster) -> Wrong | None:
    """Un pod perdu est remplacé, et les clients passent de nouveau par le Service.

    Le vérificateur supprime exprès, une seule fois, un pod du Deployment, jamais un Pod seul. Les
    connexions et les tunnels qui passaient par lui sont coupés, comme ils le seraient avec la perte
    d’un nœud.
    """
    return recovery.not_replaced(cluster)
