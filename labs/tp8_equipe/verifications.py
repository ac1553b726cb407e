"""Les vérifications du TP 8 : une équipe déclarée, une base partagée avec elle, et avec personne
d’autre."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import no_database, not_serving
from checks.diagnosis.rights.excess import touching
from checks.errors import Unverifiable
from checks.lesson import Wrong
from checks.verification import verification

from . import as_read, lessons
from .declaration import undeclared
from .fit_accounts import administrating_account, no_fit_account
from .leftovers import left_behind
from .let_in import base_open_to_others, relay_open_to_others
from .others_rights import everybody, secret_read, tunnel_of_strangers
from .passwords_in_clear import in_clear
from .shut_out import members_shut_out
from .ways_in import base, doors
from .withdrawn import not_of


@verification(points=1)
def l_equipe_est_declaree(cluster: Cluster) -> Wrong | None:
    """L’équipe est déclarée : votre collègue, et au moins une autre personne.

    La ConfigMap « equipe » nomme le namespace de chaque membre, sous la clé « membres », suivi au
    besoin de son utilisateur (user-chloe=NOM). Tout le reste est comparé à cette déclaration.
    """
    return undeclared(cluster)


@verification(points=1)
def la_base_est_prete(cluster: Cluster) -> Wrong | None:
    """La base partagée existe, et son pod est prêt."""
    return no_database(cluster) or not_serving(cluster)


@verification(points=3, after=(l_equipe_est_declaree, la_base_est_prete))
def chaque_membre_atteint_la_base(cluster: Cluster) -> Wrong | None:
    """Chaque membre de l’équipe a une voie jusqu’à la base : un tunnel, ou le réseau.

    Les droits sont demandés à l’API, et les voies ouvertes pour de vrai là où l’on peut se mettre à
    la place du membre (sur le petit SSPCloud local) ; ailleurs, le réseau est jugé d’après le sens
    de vos NetworkPolicies.
    """
    return members_shut_out(cluster)


@verification(points=2, after=(l_equipe_est_declaree, la_base_est_prete))
def le_reseau_n_admet_que_l_equipe(cluster: Cluster) -> Wrong | None:
    """Par le réseau, personne n’atteint la base hors de votre namespace et de l’équipe.

    Une vraie connexion est tentée depuis le namespace de quelqu’un d’autre, là où c’est possible ;
    le sens de vos NetworkPolicies est lu aussi, pour tous ceux qu’elles pourraient admettre.
    """
    return base_open_to_others(cluster)


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def aucun_relais_ouvert_a_tous(cluster: Cluster) -> Wrong | None:
    """Aucun pod de votre namespace ne relaie la base hors de l’équipe.

    Chaque port ouvert de vos autres pods est essayé : un relais se reconnaît à l’empreinte du
    serveur qui répond.
    """
    return relay_open_to_others(cluster)


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def personne_d_autre_n_ouvre_de_tunnel(cluster: Cluster) -> Wrong | None:
    """Hors de l’équipe, personne ne peut ouvrir de tunnel vers la base.

    Demandé à l’API pour un inconnu, et pour chaque personne que vos RoleBindings nomment sans
    qu’elle soit déclarée.
    """
    try:
        ways = doors(cluster)
    except Unverifiable as reason:
        return as_read.or_raise(
            lambda cluster: tunnel_of_strangers(cluster, [as_read.door(cluster)]), cluster, reason
        )
    return tunnel_of_strangers(cluster, ways)


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def personne_ne_lit_les_secrets_de_la_base(cluster: Cluster) -> Wrong | None:
    """Personne d’autre que vous, membres compris, ne lit les Secrets de la base.

    Ni directement, ni en faisant tourner chez vous un pod qui les monte, ou en prenant un compte de
    service. Un Secret à part, que l’équipe lit pour y trouver le mot de passe de son propre compte,
    convient. Le namespace d’un projet appartient à tous ses membres : « vous », ce sont eux.
    """
    return secret_read(cluster)


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def personne_n_agit_sur_le_pod_de_la_base(cluster: Cluster) -> Wrong | None:
    """Personne d’autre que vous n’agit dans le pod de la base, ni ne touche à ce qui le protège.

    Ni y exécuter une commande, ni modifier ou supprimer vos pods, vos NetworkPolicies ou vos
    Services.
    """
    acting = touching(cluster, base(cluster)[1].name)
    return not_of(cluster, everybody(cluster), acting, lessons.INSIDE, lessons.NARROW)


@verification(points=2, after=la_base_est_prete)
def l_equipe_a_son_propre_compte(cluster: Cluster) -> Wrong | None:
    """L’équipe a son propre compte PostgreSQL, sans pouvoir d’administrateur.

    Un compte pour tous, ou un par membre. Le serveur est interrogé dans son pod ; le mot de passe
    de la plateforme est vraiment essayé sur ce compte, et doit être refusé.
    """
    return no_fit_account(cluster)


@verification(points=1, after=l_equipe_a_son_propre_compte)
def aucun_compte_n_administre_la_base(cluster: Cluster) -> Wrong | None:
    """Hors des comptes de la plateforme, aucun compte n’a de pouvoir d’administrateur."""
    return administrating_account(cluster)


@verification(points=1, after=la_base_est_prete)
def aucun_mot_de_passe_n_est_ecrit_en_clair(cluster: Cluster) -> Wrong | None:
    """Aucun mot de passe de la base n’est écrit en clair dans votre namespace.

    Hors des Secrets, tous les textes de tous vos objets sont lus. Les mots de passe de vos Secrets
    qui ouvrent la base y sont cherchés, en mémoire, sous toutes leurs écritures (guillemets,
    échappements, base64) ; pour les comptes dont aucun Secret n’a le mot de passe, les mots sont
    comparés à ce que le serveur en garde. Rien n’est montré.
    """
    return in_clear(cluster, base(cluster)[0].release)


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def rien_ne_traine(cluster: Cluster) -> Wrong | None:
    """Rien ne traîne : ni pod terminé, ni Service, droit ou règle sans effet.

    Ce que le catalogue a créé n’est pas compté, ni les pods qu’un autre objet recrée.
    """
    return left_behind(cluster)
