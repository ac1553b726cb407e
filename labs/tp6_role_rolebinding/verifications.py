"""Les vérifications du TP 6 : un droit précis, pour une personne précise, demandé à l’API dans les
deux sens."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import no_database, not_serving
from checks.diagnosis.rights.excess import Excess
from checks.lesson import Wrong
from checks.verification import Follows, verification

from . import lessons
from .beyond_the_tunnel import only_a_tunnel, tunnel_of_the_uninvited, way_to_secrets
from .project import refuse_a_member
from .refused_tunnel import tunnel_refused
from .their_tunnel import tunnel_leads_elsewhere


@verification(points=1)
def la_base_est_prete(cluster: Cluster) -> Wrong | None:
    """La base à partager existe, et son pod est prêt."""
    return no_database(cluster) or not_serving(cluster)


@verification(points=3, after=la_base_est_prete)
def votre_collegue_peut_ouvrir_le_tunnel(cluster: Cluster) -> Wrong | None:
    """Votre collègue a le droit d’ouvrir un tunnel vers la base.

    Demandé au cluster : lire le pod (get sur pods), puis créer le tunnel (create sur
    pods/portforward). Le nom des objets, leur nombre et leur ordre sont libres. Si vous donnez
    plusieurs collègues (--collegue répété), chacun doit l’avoir. Le namespace d’un projet
    appartient à tous ses membres : un collègue qui en est n’a rien à recevoir.
    """
    refuse_a_member(cluster)
    return tunnel_refused(cluster)


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_ne_lit_aucun_secret(cluster: Cluster) -> Wrong | None:
    """Votre collègue ne lit aucun de vos Secrets.

    Qui crée un pod, entre dans un des vôtres ou prend un de vos comptes de service les obtient sans
    les lire : cette phrase attend alors celle qui le dit.
    """
    found = only_a_tunnel(cluster, lessons.SECRETS_GIVEN, Excess.SECRET)
    other = None if found else way_to_secrets(cluster)
    if other is not None:
        raise Follows(_TOLD_BY[other])
    return found


@verification(points=1, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_n_entre_pas_dans_les_pods(cluster: Cluster) -> Wrong | None:
    """Votre collègue n’exécute rien dans vos pods, et n’en lit pas le journal."""
    return only_a_tunnel(cluster, lessons.INSIDE_PODS, Excess.INSIDE)


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_ne_change_rien(cluster: Cluster) -> Wrong | None:
    """Votre collègue ne crée, ne modifie et ne supprime rien chez vous.

    Tout ce que vos RoleBindings lui donnent est lu, quelle que soit la ressource, puis confirmé par
    le cluster.
    """
    return only_a_tunnel(cluster, lessons.CHANGES, Excess.CHANGE)


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_n_atteint_que_la_base(cluster: Cluster) -> Wrong | None:
    """Ce droit ne porte que sur la base, et rien de plus : ni d’autres pods, ni un autre chemin.

    Lister les pods est toléré, et lire par son nom le Service de la base : un tunnel vers un
    Service en a besoin, et « list » ne se réduit pas à un nom.
    """
    return only_a_tunnel(cluster, lessons.OTHER_PATHS, Excess.OTHER)


_TOLD_BY = {
    Excess.INSIDE: votre_collegue_n_entre_pas_dans_les_pods,
    Excess.CHANGE: votre_collegue_ne_change_rien,
    Excess.OTHER: votre_collegue_n_atteint_que_la_base,
}


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def personne_d_autre_n_ouvre_de_tunnel(cluster: Cluster) -> Wrong | None:
    """Personne d’autre n’a ce droit.

    Demandé pour un inconnu, pour les groupes de tout le monde, et pour chaque personne que vos
    RoleBindings nomment, hors des membres du projet si le namespace est celui d’un projet. Une
    équipe se déclare en répétant --collegue, ou par la ConfigMap « equipe » du TP 8.
    """
    return tunnel_of_the_uninvited(cluster)


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def le_tunnel_de_votre_collegue_s_ouvre(cluster: Cluster) -> Wrong | None:
    """Le tunnel de votre collègue s’ouvre, et mène au serveur de votre base.

    Sur le petit SSPCloud local, kubectl l’ouvre vraiment avec les identifiants de votre collègue ;
    le serveur qui répond doit avoir l’empreinte de celui du pod.
    """
    return tunnel_leads_elsewhere(cluster)
