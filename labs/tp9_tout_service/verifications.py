"""Les vérifications du TP 9 : un tunnel vers MongoDB, un autre vers un éditeur, un relais vers une
page et son WebSocket."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.connections.tunnel import nobody_listens
from checks.diagnosis.workloads.readiness import not_ready
from checks.lesson import Wrong
from checks.verification import verification

from . import editor, front, lessons, mongodb, way


@verification(points=1)
def mongodb_tourne(cluster: Cluster) -> Wrong | None:
    """Une base MongoDB du catalogue tourne dans votre namespace."""
    pods = mongodb.servers(cluster)
    if not pods:
        return mongodb.absent(cluster)
    return not_ready(cluster, pods[0], lessons.RELAUNCH, mongodb.relaunched(cluster, pods[0]))


@verification(points=1, after=mongodb_tourne)
def un_tunnel_ecoute_sur_votre_poste(cluster: Cluster) -> Wrong | None:
    """Sur votre poste, un tunnel écoute sur localhost:27017."""
    return nobody_listens(cluster, mongodb.tunnel(cluster))


@verification(points=2, after=un_tunnel_ecoute_sur_votre_poste)
def le_tunnel_mene_a_mongodb(cluster: Cluster) -> Wrong | None:
    """Ce qui répond sur localhost:27017 est votre base MongoDB, et rien d’autre.

    Les connexions ouvertes sur localhost sont retrouvées dans la table des connexions du pod, là où
    son image la montre. Puis le serveur dit son nom (commande « hello », sans compte) : par le
    tunnel, ce doit être celui qu’il dit dans son pod.
    """
    return mongodb.not_reached(cluster)


@verification(points=1)
def l_editeur_est_pret(cluster: Cluster) -> Wrong | None:
    """L’éditeur et le programme qu’il montre sont démarrés et prêts."""
    return editor.unfit(cluster)


@verification(points=2, after=l_editeur_est_pret)
def un_tunnel_mene_a_l_editeur(cluster: Cluster) -> Wrong | None:
    """Un autre de vos tunnels mène à l’éditeur, d’un port de votre poste à votre choix.

    Chaque tunnel de votre poste qui le vise est essayé : le pod doit montrer les connexions que
    nous y ouvrons.
    """
    return editor.not_opened(cluster)


@verification(points=2, after=un_tunnel_mene_a_l_editeur)
def l_editeur_montre_le_programme(cluster: Cluster) -> Wrong | None:
    """Par ce tunnel, la page du programme s’ouvre à /proxy/8501/, et son WebSocket aussi.

    La page obtenue doit être, mot pour mot, celle que le programme donne dans son pod.
    """
    return editor.program_refused(cluster)


@verification(points=1)
def le_tableau_est_pret(cluster: Cluster) -> Wrong | None:
    """Le tableau de bord est démarré et prêt."""
    return front.unfit(cluster, front.FRONT)


@verification(points=1)
def le_relais_est_pret(cluster: Cluster) -> Wrong | None:
    """Le relais est démarré et prêt."""
    return front.unfit(cluster, front.RELAY)


@verification(points=1, after=(le_tableau_est_pret, le_relais_est_pret))
def le_service_mene_au_relais(cluster: Cluster) -> Wrong | None:
    """De vos pods, « relais » mène au relais, sur le port 80.

    Un pod à nous, dans votre namespace, ouvre la connexion ; les EndpointSlices du Service disent
    où elle va.
    """
    return way.relay_astray(cluster)


@verification(points=1, after=(le_tableau_est_pret, le_relais_est_pret))
def le_service_mene_au_tableau(cluster: Cluster) -> Wrong | None:
    """De vos pods, « tableau » mène au tableau de bord, sur le port 80."""
    return way.front_astray(cluster)


@verification(points=2, after=(le_service_mene_au_relais, le_service_mene_au_tableau))
def le_relais_mene_au_tableau(cluster: Cluster) -> Wrong | None:
    """Ce qui répond par le relais est un pod de votre tableau de bord.

    La réponse obtenue par le relais doit être, mot pour mot, celle que donne l’un de ses pods à un
    tunnel à nous.
    """
    return way.leads_elsewhere(cluster)


@verification(points=2, after=le_relais_mene_au_tableau)
def la_page_repond_sous_ses_deux_noms(cluster: Cluster) -> Wrong | None:
    """Par le relais, la page répond à qui l’appelle « relais » ou « localhost ».

    C’est l’en-tête Host de la requête : « relais » vient de vos pods, « localhost » d’un tunnel.
    """
    return way.page_refused(cluster)


@verification(points=2, after=la_page_repond_sous_ses_deux_noms)
def un_websocket_passe_par_le_relais(cluster: Cluster) -> Wrong | None:
    """Par le relais, un WebSocket s’ouvre, et rend ce qu’on lui envoie.

    Un mot tiré au hasard doit revenir, et le pod du tableau de bord montrer la connexion.
    """
    return way.websocket_refused(cluster)


@verification(points=1, after=un_websocket_passe_par_le_relais)
def plusieurs_websockets_passent_a_la_fois(cluster: Cluster) -> Wrong | None:
    """Trois WebSockets passent par le relais en même temps."""
    return way.one_at_a_time(cluster)
