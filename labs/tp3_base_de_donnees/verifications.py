"""Les vérifications du TP 3 : une base du catalogue, un tunnel vers elle, et personne d’autre que
son propriétaire."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.connections.services import no_service_leads
from checks.diagnosis.connections.tunnel import leads_elsewhere, nobody_listens
from checks.diagnosis.databases.catalogue import (
    PORT,
    no_database,
    not_serving,
    ready_pods,
    relaunch,
)
from checks.diagnosis.rights.excess import entering, obtaining, tunnel_to
from checks.diagnosis.rights.leaks import only_the_owner
from checks.exchange.postgres import NotPostgres
from checks.lesson import Wrong
from checks.verification import verification

from . import lessons
from .account import absent, account_in, answer_to, base_reached, refused
from .kept_closed import pods_of_bases, secrets_of_bases
from .server import reached, silent_base, tunnel


@verification(points=1)
def une_base_du_catalogue_existe(cluster: Cluster) -> Wrong | None:
    """Une base PostgreSQL du catalogue existe dans votre namespace.

    Elle est reconnue à ses étiquettes (labels), quel que soit son nom.
    """
    return no_database(cluster)


@verification(points=1, after=une_base_du_catalogue_existe)
def la_base_est_prete(cluster: Cluster) -> Wrong | None:
    """Le pod de la base est prêt."""
    return not_serving(cluster)


@verification(points=1, after=la_base_est_prete)
def un_service_mene_a_la_base(cluster: Cluster) -> Wrong | None:
    """Un Service mène au pod de la base.

    Demandé au cluster lui-même : ses EndpointSlices disent à quels pods chaque Service envoie ses
    clients.
    """
    return no_service_leads(cluster)


@verification(points=1, after=la_base_est_prete)
def postgresql_repond_dans_le_pod(cluster: Cluster) -> Wrong | None:
    """Dans ce pod, c’est bien un serveur PostgreSQL qui répond.

    Une vraie ouverture de dialogue, par un tunnel à nous, sans mot de passe.
    """
    found = silent_base(cluster)
    if found is None:
        return None
    return lessons.SilentServer(
        pod=found.pod,
        port=PORT,
        silence=found.silence,
        commands=relaunch(cluster, found.release),
        transient=True,  # the server may still be opening its files
    )


@verification(points=1, after=la_base_est_prete)
def un_tunnel_ecoute_sur_votre_poste(cluster: Cluster) -> Wrong | None:
    """Sur votre poste, un tunnel écoute sur localhost:5432."""
    return nobody_listens(cluster, tunnel(cluster))


@verification(points=2, after=(un_tunnel_ecoute_sur_votre_poste, postgresql_repond_dans_le_pod))
def le_tunnel_mene_a_la_base(cluster: Cluster) -> Wrong | None:
    """Ce tunnel mène au pod de votre base.

    Des connexions ouvertes sur localhost sont retrouvées dans la table des connexions du pod.
    """
    return leads_elsewhere(cluster, tunnel(cluster))


@verification(points=2, after=le_tunnel_mene_a_la_base)
def le_serveur_est_celui_du_pod(cluster: Cluster) -> Wrong | None:
    """Le serveur qui répond sur localhost:5432 est celui qui tourne dans ce pod.

    Deux serveurs PostgreSQL se distinguent sans mot de passe : l’empreinte lue par localhost doit
    être celle qui est lue dans le pod.
    """
    port, pods = cluster.local_port(PORT), ", ".join(pod.name for _, pod in ready_pods(cluster))
    try:
        if reached(cluster):
            return None
    except (NotPostgres, OSError) as silence:
        return lessons.ExchangeCut(
            port=port, silence=str(silence), commands=(tunnel(cluster).command,)
        )
    return lessons.AnotherServer(port=port, pods=pods, commands=(tunnel(cluster).command,))


@verification(points=2, after=le_serveur_est_celui_du_pod)
def le_compte_du_secret_ouvre_une_session(cluster: Cluster) -> Wrong | None:
    """Le compte rangé dans le Secret de la base ouvre une session à travers le tunnel.

    Le mot de passe est lu dans le Secret le temps de se connecter ; il n’est ni gardé, ni montré.
    """
    database, pod = base_reached(cluster)
    values = cluster.secret_values(database.release)
    account = account_in(values or {}, database, pod)
    if not account.is_whole:
        return absent(cluster, account, values)
    answer = answer_to(cluster, account)
    return refused(cluster, account, answer) if answer.code else None


@verification(points=2, after=une_base_du_catalogue_existe)
def personne_d_autre_n_ouvre_de_tunnel(cluster: Cluster) -> Wrong | None:
    """Personne d’autre que vous ne peut ouvrir un tunnel vers la base.

    Demandé au cluster pour un inconnu, pour votre collègue et pour toute personne que vos
    RoleBindings nomment. Le namespace d’un projet appartient à tous ses membres : « vous », ce sont
    eux.
    """
    return only_the_owner(
        cluster, tunnel_to(cluster, pods_of_bases(cluster)), lessons.NO_POLICY_STOPS_IT
    )


@verification(points=1, after=personne_d_autre_n_ouvre_de_tunnel)
def personne_d_autre_ne_lit_le_mot_de_passe(cluster: Cluster) -> Wrong | None:
    """Personne d’autre que vous ne peut lire le mot de passe de la base.

    Ni dans son Secret, ni en faisant tourner chez vous un pod qui le monte, ou en prenant un de vos
    comptes de service.
    """
    return only_the_owner(cluster, obtaining(secrets_of_bases(cluster)), lessons.NOT_ENCRYPTED)


@verification(points=1, after=personne_d_autre_ne_lit_le_mot_de_passe)
def personne_d_autre_n_entre_dans_le_pod(cluster: Cluster) -> Wrong | None:
    """Personne d’autre que vous ne peut exécuter de commande dans le pod de la base."""
    return only_the_owner(
        cluster, entering(cluster, pods_of_bases(cluster)), lessons.ADMINISTRATOR_INSIDE
    )
