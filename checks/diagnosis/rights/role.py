"""What our identity may do in its namespace, told by the platform's role that it amounts to, and
what is out of its reach. Asked of the API server, right by right: a role's name says nothing of
what a cluster puts into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

from checks.capabilities import Cluster
from checks.diagnosis.rights.identity import COPY_SCRIPT, commonest_right
from checks.errors import AccessError, Forbidden
from checks.facts import Level
from checks.refusals import is_service_of, named, service_account
from checks.verdict import Diagnostic

RELAUNCH = (
    "Relancez un service VSCode : dans « Mes services », cliquez sur « Nouveau service », puis "
    "choisissez le rôle « admin » dans l’onglet « Kubernetes » de sa configuration."
)
_AT_ONCE = 4  # access reviews asked at the same time


@dataclass(frozen=True)
class Right:
    """A right that the labs need; `words` says it in French, after « peut ». `level`: the smallest
    role with it."""

    verb: str
    resource: str
    words: str
    group: str = ""
    level: Level = "edit"


_WRITE = Right("create", "pods", "créer des pods")

# From the commonest to the rarest.
NEEDED = (
    Right("list", "pods", "lister les pods"),
    _WRITE,
    Right("delete", "pods", "supprimer des pods"),
    Right("create", "pods/portforward", "ouvrir un tunnel vers un pod"),
    Right("create", "pods/exec", "exécuter une commande dans un pod"),
    Right("create", "services", "créer des Services"),
    Right("create", "deployments", "créer des Deployments", "apps"),
    Right("get", "secrets", "lire les Secrets"),
    Right("create", "networkpolicies", "créer des NetworkPolicies", "networking.k8s.io"),
    Right("create", "roles", "créer des Roles", "rbac.authorization.k8s.io", "admin"),
    Right("create", "rolebindings", "créer des RoleBindings", "rbac.authorization.k8s.io", "admin"),
    Right(
        "create",
        "localsubjectaccessreviews",
        "demander les droits d’un collègue",
        "authorization.k8s.io",
        "admin",
    ),
)


_ABLE = {
    "": "n’a aucun droit {} : pas même celui d’y lire la liste des pods",
    "view": "peut lire {}, mais pas y écrire (rôle « view »)",
    "edit": "peut travailler {}, mais pas tout y faire (rôle « edit »)",
    "admin": "a le rôle « admin » {} : de quoi faire tous les TP",
}


@dataclass(frozen=True)
class Role:
    """What `user` may do in `namespace`. `name`: the platform's role that it amounts to, "" for
    none of them.

    `missing`: the rights of `NEEDED` that it lacks.
    """

    user: str
    namespace: str
    name: Literal["", "view", "edit", "admin"]
    missing: Sequence[Right]

    @property
    def said(self) -> str:
        """One French sentence or two: who, where, what is possible and what is not."""
        who = named(self.user)
        return f"{who[0].upper()}{who[1:]} {self.able}"

    @property
    def able(self) -> str:
        """The same without the subject."""
        words = _ABLE[self.name].format(f"dans « {self.namespace} »")
        if self.name in ("", "admin"):
            return f"{words}."
        return f"{words}. Il lui manque : {', '.join(right.words for right in self.missing)}."

    @property
    def remedy(self) -> str:
        """How to be given a larger one."""
        if is_service_of(self.user, self.namespace):
            return RELAUNCH
        return (
            "Demandez le rôle « admin » à qui possède ce namespace, ou reprenez vos propres "
            f"identifiants. {COPY_SCRIPT}"
        )


def role(cluster: Cluster) -> Role:
    """What we may do in our namespace. Raises AccessError."""
    user = cluster.user  # asked before the rights: a silent cluster is waited for once
    asked = [
        partial(cluster.may, right.verb, right.resource, group=right.group) for right in NEEDED
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda ask: ask(), asked))
    missing = [right for right, answer in zip(NEEDED, answers, strict=True) if not answer.allowed]
    name: Literal["", "view", "edit", "admin"]
    if not missing:
        name = "admin"
    elif not commonest_right(cluster).allowed:
        name = ""
    else:
        name = "view" if _WRITE in missing else "edit"
    return Role(user, cluster.namespace, name, missing)


def insufficient_rights(cluster: Cluster) -> Diagnostic | None:
    """What the labs need and we may not do, and which role that looks like; None when nothing is
    missing."""
    found = role(cluster)
    if not found.missing:
        return None
    causes = {
        "": "Une identité sans RoleBinding ne peut rien. C’est celle d’un service lancé sans accès "
        "à Kubernetes, ou d’un compte à qui personne n’a encore donné de rôle.",
        "view": "Un service du SSPCloud est lancé avec le rôle Kubernetes « view » si l’on ne "
        "choisit rien. Ce rôle ne permet ni tunnel, ni création, ni lecture d’un Secret.",
        "edit": "Le rôle « edit » permet de créer des pods et d’ouvrir un tunnel, mais ni de "
        "donner des droits, ni de demander ceux d’un autre : les TP 3, 6 et 8 ont besoin du rôle « "
        "admin ».",
    }
    return Diagnostic(
        finding=found.said,
        cause=causes[found.name],
        fix=found.remedy,
        look=("kubectl auth whoami", f"kubectl auth can-i --list -n {cluster.namespace}"),
    )


def too_small(cluster: Cluster, level: Level, what: str) -> AccessError | None:
    """Why our rights do not suffice for what takes the role `level`, and how to get more; None when
    they do.

    `what` begins the sentence: « Le TP 6 ». Raises AccessError when the cluster does not answer.
    """
    if not level:
        return None
    found = role(cluster)
    if not any(right.level == "edit" or level == "admin" for right in found.missing):
        return None
    at_least = " au moins" if level == "edit" else ""
    return AccessError(f"{what} demande le rôle « {level} »{at_least}. {found.said}", found.remedy)


def explained(refusal: Forbidden, cluster: Cluster) -> AccessError:
    """The refusal with what this identity may and may not do, and the remedy. Raises
    AccessError."""
    account = service_account(refusal.refusal.user)
    if account is not None and account.namespace != refusal.refusal.namespace:
        return AccessError(
            refusal.message,
            f"Un service n’a de droits que dans son propre namespace, « {account.namespace} », "
            "quel que soit son rôle. Ailleurs, il faut une autre identité : la vôtre, ou celle de "
            f"l’enseignant. {COPY_SCRIPT}",
        )
    found = role(cluster)
    if account is None and not found.name:  # nobody's place, or somebody else's
        return AccessError(refusal.message, "Vérifiez le namespace : kubectl config view --minify")
    return AccessError(
        f"{refusal.message} Il {found.able}", found.remedy if found.missing else refusal.remedy
    )
