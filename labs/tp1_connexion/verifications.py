"""Les vérifications du TP 1 : qui vous êtes pour le cluster, dans quel namespace, et ce que vous y
pouvez."""

from __future__ import annotations

from datetime import UTC, datetime

from checks.capabilities import Cluster
from checks.diagnosis.rights.credentials import ending_credentials, have_ended, unsuited_kubectl
from checks.diagnosis.rights.identity import COPY_SCRIPT, foreign_namespace, shared_namespace
from checks.diagnosis.rights.role import insufficient_rights
from checks.errors import Unverifiable
from checks.facts import KubectlVersion
from checks.lesson import Wrong
from checks.verification import verification

from . import lessons
from .configuration import refused_by_kubectl


def _kubectl(cluster: Cluster) -> KubectlVersion | None:
    """The kubectl of this terminal, run once for all."""
    return cluster.machine.kubectl()


@verification(points=1)
def kubectl_est_installe(cluster: Cluster) -> Wrong | None:
    """Le programme kubectl est installé sur ce poste.

    Le programme est cherché dans le PATH et lancé : « kubectl version --client ».
    """
    return lessons.NoKubectl() if cluster.once(_kubectl) is None else None


@verification(points=1)
def le_cluster_vous_reconnait(cluster: Cluster) -> Wrong | None:
    """Le cluster répond et vous reconnaît.

    Il est interrogé avec vos identifiants, puis par votre kubectl (« kubectl auth whoami ») : il
    dit sous quel nom il vous connaît, et ce doit être le même. Un jeton expiré ou refusé n’est pas
    une faute : il se renouvelle ; ce que kubectl refuse de lire en est une.
    """
    refused = refused_by_kubectl(cluster)
    if refused is None and not cluster.user:
        raise Unverifiable(lessons.NOBODY, COPY_SCRIPT)
    return refused


@verification(points=1, after=(kubectl_est_installe, le_cluster_vous_reconnait))
def la_version_de_kubectl_convient(cluster: Cluster) -> Wrong | None:
    """Votre kubectl comprend ce cluster.

    Kubernetes garantit une version mineure d’écart. Les TP n’emploient que des API stables, qu’un
    kubectl plus éloigné parle aussi : seul est refusé celui qui sort de cet écart et ignore une
    commande des TP.
    """
    kubectl = cluster.once(_kubectl)
    if kubectl is None:
        raise Unverifiable("kubectl a disparu pendant la vérification.")
    return unsuited_kubectl(kubectl, cluster.server_version)


@verification(points=2)
def le_contexte_designe_un_namespace(cluster: Cluster) -> Wrong | None:
    """Votre contexte désigne un cluster et un namespace de travail.

    Le contexte courant est lu comme kubectl le lit. Sans namespace, kubectl travaille dans «
    default ».
    """
    return shared_namespace(cluster)


@verification(points=2, after=(le_contexte_designe_un_namespace, le_cluster_vous_reconnait))
def le_namespace_est_le_votre(cluster: Cluster) -> Wrong | None:
    """Ce namespace existe, et c’est le vôtre ou celui de votre projet.

    Le cluster dit si vous y avez des droits, et par quelle liaison. Un ServiceAccount de ce
    namespace (celui d’un service VSCode) convient aussi bien que la personne.
    """
    return foreign_namespace(cluster)


@verification(points=2, after=le_namespace_est_le_votre)
def vos_droits_suffisent(cluster: Cluster) -> Wrong | None:
    """Vos droits suffisent pour tous les TP.

    Chaque droit est demandé au cluster, comme « kubectl auth can-i ». Les rôles « view » et « edit
    » n’en donnent qu’une partie.
    """
    return insufficient_rights(cluster)


@verification(points=1, after=le_cluster_vous_reconnait)
def vos_identifiants_ne_vont_pas_expirer(cluster: Cluster) -> Wrong | None:
    """Vos identifiants n’annoncent pas leur fin prochaine.

    La fin est lue dans le jeton ou le certificat : il doit en rester dix minutes, ou le cinquième
    de sa durée si elle est courte. Un jeton opaque n’annonce rien, et le cluster vient de
    l’accepter ; ce qui se renouvelle tout seul (exec, jeton de rafraîchissement, ServiceAccount du
    pod) convient toujours. Un jeton déjà expiré n’est pas une faute : il se renouvelle.
    """
    credentials, now = cluster.credentials, datetime.now(UTC)
    diagnostic = ending_credentials(credentials, now)
    if diagnostic is not None and have_ended(credentials, now):
        raise Unverifiable(diagnostic.finding, " ".join((diagnostic.fix, *diagnostic.commands)))
    return diagnostic
