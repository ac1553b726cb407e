"""Les vérifications du TP 4 : la base répond au namespace du collègue, et à aucun troisième."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.connections.services import no_service_leads
from checks.diagnosis.databases.catalogue import no_database, not_serving
from checks.diagnosis.policies.other_enforcers import require_only_network_policies
from checks.errors import Unverifiable
from checks.lesson import Wrong
from checks.verification import verification

from . import as_read, lessons
from .judged_base import reading
from .kept_out import (
    another_server,
    not_admitted_as_read,
    shut_out_at_home,
    shut_out_from_the_colleague,
)
from .let_in import opened_as_read, opened_to_the_outsider, require_no_contradiction


@verification(points=1)
def la_base_est_prete(cluster: Cluster) -> Wrong | None:
    """Une base PostgreSQL du catalogue est prête dans votre namespace."""
    return no_database(cluster) or not_serving(cluster)


@verification(points=1, after=la_base_est_prete)
def un_service_mene_a_la_base(cluster: Cluster) -> Wrong | None:
    """Un Service mène au pod de la base : les autres namespaces l’appellent par ce nom.

    Demandé au cluster lui-même : ses EndpointSlices disent à quels pods chaque Service envoie ses
    clients.
    """
    return no_service_leads(cluster)


@verification(points=2, after=un_service_mene_a_la_base)
def votre_namespace_atteint_la_base(cluster: Cluster) -> Wrong | None:
    """Vos propres pods atteignent toujours la base.

    Une vraie connexion, d’un pod à nous placé dans votre namespace.
    """
    found = as_read.tried(cluster)
    if isinstance(found, Unverifiable):
        return as_read.own_namespace_kept_out(cluster, found)
    return None if found.own.entered else shut_out_at_home(cluster, found)


@verification(points=4, after=un_service_mene_a_la_base)
def le_namespace_du_collegue_atteint_la_base(cluster: Cluster) -> Wrong | None:
    """Le namespace de votre collègue atteint la base, et c’est bien ce serveur qui répond.

    Une vraie connexion, d’un pod sans étiquette particulière placé chez lui : l’empreinte du
    serveur atteint doit être celle du serveur qui tourne dans votre pod. Sans accès chez lui, vos
    policies sont interprétées.
    """
    found = as_read.tried(cluster)
    if isinstance(found, Unverifiable):
        return as_read.colleague_kept_out(cluster, found)
    if found.colleague is None:
        return not_admitted_as_read(cluster, found.subject)
    if found.colleague.entered:
        return another_server(cluster, found.subject, found.colleague)
    return shut_out_from_the_colleague(cluster, found.subject, found.colleague)


@verification(points=4, after=un_service_mene_a_la_base)
def un_troisieme_namespace_est_refuse(cluster: Cluster) -> Wrong | None:
    """Aucun autre namespace n’atteint la base.

    Une vraie connexion, d’un pod placé dans le namespace d’une troisième personne, doit échouer ;
    et vos policies ne doivent admettre personne d’autre. Sans accès ailleurs, elles sont
    interprétées.
    """
    found = as_read.tried(cluster)
    if isinstance(found, Unverifiable):
        return as_read.others_let_in(cluster, found)
    read = reading(cluster)
    if found.outsider is not None and found.outsider.entered:
        return opened_to_the_outsider(cluster, found, read)
    if found.outsider is not None:
        require_no_contradiction(found, read)
    wrong = opened_as_read(cluster, found.subject, read)
    if wrong is None and found.outsider is None:
        require_only_network_policies(cluster, lessons.ADMIT_NOBODY_ELSE)
    return wrong
