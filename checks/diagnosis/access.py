"""Whether kubectl, the credentials and the rights are enough for the labs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.diagnosis.identity import COPY_SCRIPT, service_account
from checks.facts import Cluster, Credentials, KubectlVersion
from checks.verdict import Diagnostic

OLDEST_KUBECTL = (1, 28)  # `kubectl auth whoami`, which the labs use, came with it
RENEWED = ("exec", "oidc", "serviceaccount")  # kinds of credentials that renew themselves
_SOON = timedelta(minutes=10)


@dataclass(frozen=True)
class Right:
    """A right that the labs need; `words` says it in French, after « peut »."""

    verb: str
    resource: str
    words: str
    group: str = ""


# From the commonest to the rarest: the first are what `view` lacks, the last what `edit` lacks.
NEEDED = (
    Right("create", "pods", "créer des pods"),
    Right("delete", "pods", "supprimer des pods"),
    Right("create", "pods/portforward", "ouvrir un tunnel vers un pod"),
    Right("create", "pods/exec", "exécuter une commande dans un pod"),
    Right("create", "services", "créer des Services"),
    Right("create", "deployments", "créer des Deployments", "apps"),
    Right("get", "secrets", "lire les Secrets"),
    Right("create", "networkpolicies", "créer des NetworkPolicies", "networking.k8s.io"),
    Right("create", "roles", "créer des Roles", "rbac.authorization.k8s.io"),
    Right("create", "rolebindings", "créer des RoleBindings", "rbac.authorization.k8s.io"),
    Right("create", "localsubjectaccessreviews", "demander les droits d’un collègue", "authorization.k8s.io"),
)


def within_skew(kubectl: KubectlVersion, server: tuple[int, int]) -> bool:
    """Whether Kubernetes promises that this kubectl suits a `server` of that version: one minor version either way."""
    return kubectl.major == server[0] and abs(kubectl.minor - server[1]) <= 1


def unsuited_kubectl(kubectl: KubectlVersion, server: tuple[int, int]) -> Diagnostic | None:
    """What is wrong when this kubectl is too old for a `server` of that version; None when it suits.

    A kubectl out of the skew still speaks the stable APIs of the labs: only one that also lacks a command of theirs
    is refused.
    """
    version = (kubectl.major, kubectl.minor)
    if within_skew(kubectl, server) or version >= OLDEST_KUBECTL:
        return None
    return Diagnostic(
        finding=f"Votre kubectl est en version {version[0]}.{version[1]}, le cluster en {server[0]}.{server[1]} : "
        f"l’écart est de {abs(server[1] - version[1])} versions mineures.",
        cause="Kubernetes ne garantit qu’une version mineure d’écart, et des commandes des TP, comme « kubectl auth "
        f"whoami », n’existent pas avant la version {OLDEST_KUBECTL[0]}.{OLDEST_KUBECTL[1]}.",
        fix=f"Installez un kubectl {server[0]}.{server[1]} : https://kubernetes.io/fr/docs/tasks/tools/install-kubectl/",
        look=("kubectl version", "command -v kubectl"),
    )


def missing_rights(cluster: Cluster) -> Sequence[Right]:
    """The rights of `NEEDED` that we lack in our namespace."""
    return [
        right for right in NEEDED if not cluster.may(right.verb, right.resource, group=right.group, name="").allowed
    ]


def insufficient_rights(cluster: Cluster) -> Diagnostic | None:
    """What the labs need and we may not do, and which role that looks like; None when nothing is missing."""
    namespace, user = cluster.namespace, cluster.user
    missing = missing_rights(cluster)
    if not missing:
        return None
    account = service_account(user)
    who = f"Le ServiceAccount « {account.name} »" if account else f"« {user} »"
    reads = cluster.may("list", "pods").allowed
    creates = "create pods" not in {f"{right.verb} {right.resource}" for right in missing}
    lacking = ", ".join(right.words for right in missing)
    if not reads:
        finding = f"{who} n’a aucun droit dans « {namespace} » : pas même celui d’y lire la liste des pods."
        cause = (
            "Une identité sans RoleBinding ne peut rien. C’est celle d’un service lancé sans accès à Kubernetes, ou "
            "d’un compte à qui personne n’a encore donné de rôle."
        )
    elif not creates:
        finding = f"{who} peut lire dans « {namespace} », mais pas y écrire (rôle « view »). Il lui manque : {lacking}."
        cause = (
            "Un service du SSPCloud est lancé avec le rôle Kubernetes « view » si l’on ne choisit rien. Ce rôle ne "
            "permet ni tunnel, ni création, ni lecture d’un Secret."
        )
    else:
        finding = f"{who} peut travailler dans « {namespace} », mais pas tout y faire. Il lui manque : {lacking}."
        cause = (
            "Le rôle « edit » permet de créer des pods et d’ouvrir un tunnel, mais pas de donner des droits : le TP 6 "
            "et le TP 8 demandent le rôle « admin »."
        )
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix="Dans un service VSCode : relancez-en un en choisissant, dans l’onglet « Kubernetes » de sa configuration, "
        f"le rôle « admin ». Sur votre poste : reprenez vos propres identifiants. {COPY_SCRIPT}",
        look=("kubectl auth whoami", f"kubectl auth can-i --list -n {namespace}"),
    )


def ending_credentials(credentials: Credentials, now: datetime) -> Diagnostic | None:
    """What is wrong when the credentials end within ten minutes, or within a fifth of a short life; None else.

    None too for an opaque token, which does not tell its end, and for what renews itself.
    """
    if credentials.expires is None or credentials.kind in RENEWED:
        return None
    left = credentials.expires - now
    whole = credentials.expires - credentials.issued if credentials.issued else 5 * _SOON
    if left >= min(_SOON, whole / 5):
        return None
    what = "certificat" if credentials.kind == "certificate" else "jeton"
    if left <= timedelta():
        finding = f"Votre {what} a expiré le {credentials.expires.astimezone():%d/%m/%Y à %H:%M}."
    else:
        finding = f"Il reste {_minutes(left)} à votre {what} : il expire à {credentials.expires.astimezone():%H:%M}."
    how = "Copiez de nouveau le script et exécutez-le :"
    if not credentials.renewal_command:
        how = f"{COPY_SCRIPT} Sur le petit SSPCloud local : cahier cluster creer"
    return Diagnostic(
        finding=finding,
        cause="Passé cette heure, le cluster répond « Unauthorized » à chaque commande, et aucun tunnel ne s’ouvre.",
        fix=f"Renouvelez-le avant de continuer. {how}",
        commands=(credentials.renewal_command,) if credentials.renewal_command else (),
        look=("kubectl config view --minify",),
    )


def have_ended(credentials: Credentials, now: datetime) -> bool:
    """Whether the credentials say that their end is past."""
    return credentials.expires is not None and credentials.kind not in RENEWED and credentials.expires <= now


def _minutes(left: timedelta) -> str:
    minutes = int(left.total_seconds() // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}" if minutes else "moins d’une minute"
