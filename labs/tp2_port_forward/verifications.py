"""Les vérifications du TP 2 : une API prête dans son pod, et un tunnel qui mène bien à elle."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import leads_elsewhere, nobody_listens
from checks.diagnosis.workloads.readiness import not_ready
from checks.exchange.http import NotHttp, get
from checks.facts import ForwardRefused
from checks.lesson import Wrong
from checks.verification import verification

from . import lessons
from .absence import why_absent
from .api import (
    LOCAL_PORT,
    PORT,
    again,
    api_pods,
    labelled,
    nothing_listens,
    require_opened,
    tunnel,
)


@verification(points=1)
def l_api_est_deployee(cluster: Cluster) -> Wrong | None:
    """Un pod qui porte l’étiquette « app: mon-api » existe dans votre namespace."""
    return None if labelled(cluster) else why_absent(cluster)


@verification(points=2, after=l_api_est_deployee)
def l_api_est_prete(cluster: Cluster) -> Wrong | None:
    """Votre API est démarrée et prête."""
    found = (
        not_ready(cluster, pod, lessons.APPLY, again(cluster, pod))
        for pod in reversed(api_pods(cluster))
    )
    return next(filter(None, found), None)


@verification(points=2, after=l_api_est_prete)
def l_api_repond_dans_son_pod(cluster: Cluster) -> Wrong | None:
    """Dans son pod, votre API répond en HTTP sur le port 8000.

    Une requête lui est envoyée par un tunnel à nous, qui ne dépend pas du vôtre. Toute réponse HTTP
    convient.
    """
    for pod in api_pods(cluster):
        try:
            with cluster.forward(pod.name, PORT) as connection:
                get(connection)
        except ForwardRefused as refused:
            require_opened(pod, refused)
            return nothing_listens(cluster, pod)
        except (NotHttp, OSError) as silence:
            return lessons.SpeaksNoHttp(
                pod=pod.name, silence=str(silence), commands=again(cluster, pod)
            )
    return None


@verification(points=1, after=l_api_est_deployee)
def un_tunnel_ecoute_sur_votre_poste(cluster: Cluster) -> Wrong | None:
    """Sur votre poste, quelque chose écoute sur localhost:1500."""
    return nobody_listens(cluster, tunnel(cluster))


@verification(points=2, after=(un_tunnel_ecoute_sur_votre_poste, l_api_repond_dans_son_pod))
def le_tunnel_mene_a_votre_api(cluster: Cluster) -> Wrong | None:
    """Ce qui répond sur localhost:1500 est un pod de votre API, et rien d’autre.

    Des connexions ouvertes sur localhost sont retrouvées dans la table des connexions du pod.
    """
    return leads_elsewhere(cluster, tunnel(cluster))


@verification(points=2, after=le_tunnel_mene_a_votre_api)
def votre_api_repond_a_travers_le_tunnel(cluster: Cluster) -> Wrong | None:
    """Votre API répond en HTTP à un client de votre poste.

    Deux requêtes se suivent : un tunnel qui ne survit pas à la première ne sert à rien.
    """
    port = cluster.local_port(LOCAL_PORT)
    try:
        for _ in range(2):
            with cluster.machine.connect(port) as connection:
                connection.settimeout(8)
                get(connection)
    except (NotHttp, OSError) as silence:
        return lessons.ExchangeCut(
            port=port, silence=str(silence), commands=(tunnel(cluster).command,)
        )
    return None
