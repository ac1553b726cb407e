"""Who the cluster says we are, and whether the namespace of the context is ours."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from checks.capabilities import Cluster
from checks.errors import AccessError
from checks.facts import OWNER_BINDING, Access, owners_of
from checks.french import SCRIPT_PAGE
from checks.refusals import Account, service_account
from checks.shell import one_word
from checks.verdict import Diagnostic

_NOWHERE = "cahier-namespace-temoin"  # a namespace that nobody owns
COPY_SCRIPT = (
    f"Sur le SSPCloud : « Mon compte », {SCRIPT_PAGE}, choisissez votre projet, copiez de nouveau "
    "le script et exécutez-le."
)


def personal_namespaces(user: str) -> Iterator[str]:
    """The personal namespaces that this name may mean: `oidc-jean-dupont` owns
    `user-jean-dupont`."""
    account = service_account(user)
    if account is not None:
        yield account.namespace
        return
    yield f"user-{user}"
    for separator in re.finditer(r"[^A-Za-z0-9]", user):
        yield f"user-{user[separator.end() :]}"


def commonest_right(cluster: Cluster, namespace: str = "") -> Access:
    """What the API server says of a right that all roles of the platform give; of another one where
    it is lacking: without both, there are none. `namespace` "": the learner's own."""
    access = cluster.may("list", "pods", namespace=namespace)
    return access if access.allowed else cluster.may("list", "services", namespace=namespace)


def own_namespace(cluster: Cluster) -> str:
    """The personal namespace where the cluster gives us rights; "" when nothing proves it."""
    try:
        if allowed_everywhere(cluster):
            return ""
        open_to_us = []
        for namespace in personal_namespaces(cluster.user):
            access = commonest_right(cluster, namespace)
            if access.allowed and given_by_owner(access, namespace):
                return namespace
            if access.allowed:
                open_to_us.append(namespace)
    except AccessError:  # the silence of the cluster is told by whoever asks it next
        return ""
    return open_to_us[0] if open_to_us else ""


def given_by_owner(access: Access, namespace: str) -> bool:
    """Whether this right comes from the binding that Onyxia makes for the owner of the
    namespace."""
    return f'"{OWNER_BINDING}/{namespace}"' in access.reason


def allowed_everywhere(cluster: Cluster) -> bool:
    """Whether the rights hold in the whole cluster: they prove nothing about a namespace then."""
    return cluster.may("list", "pods", namespace=_NOWHERE).allowed


def belongs_to_another(cluster: Cluster) -> bool | None:
    """Whether Onyxia gave this namespace to others than us; None when it is not written, or may not
    be read."""
    if not cluster.may("list", "rolebindings", group="rbac.authorization.k8s.io").allowed:
        return None
    subjects = owners_of(cluster.role_bindings())
    if not subjects or any(subject.kind == "Group" for subject in subjects):
        return None  # the cluster does not tell a member of which groups they are
    return cluster.user not in [subject.name for subject in subjects]


def change_namespace(namespace: str) -> tuple[str, ...]:
    """The command that makes the current context work in this namespace; none for ""."""
    return (
        (f"kubectl config set-context --current --namespace={one_word(namespace)}",)
        if namespace
        else ()
    )


def shared_namespace(cluster: Cluster) -> Diagnostic | None:
    """What is wrong when the context works in a namespace of the whole cluster; None when it has
    one of its own."""
    credentials = cluster.credentials
    if credentials.namespace != "default" and not credentials.namespace.startswith("kube-"):
        return None
    name = (
        f"Le contexte « {credentials.context} »" if credentials.context else "Votre configuration"
    )
    mine = own_namespace(cluster)
    return Diagnostic(
        finding=f"{name} travaille dans le namespace « {credentials.namespace} », commun à tout le "
        "cluster.",
        cause="Sans namespace dans le contexte, kubectl emploie « default ». Il n’est à personne : "
        "d’ordinaire, rien ne vous y est permis.",
        fix="Donnez à ce contexte votre propre namespace. Sur le SSPCloud, il se lit dans « Mon "
        "compte ».",
        commands=change_namespace(mine),
        look=("kubectl config get-contexts", "kubectl auth whoami"),
    )


def foreign_namespace(cluster: Cluster) -> Diagnostic | None:
    """What is wrong when the namespace does not exist or is not ours; None when it is ours or our
    project's."""
    namespace, user = cluster.namespace, cluster.user
    account = service_account(user)
    if account is not None and account.namespace == namespace:
        # the cluster knows this account, so its namespace exists; its rights are another question
        return None
    access = commonest_right(cluster)
    # RBAC looks at the bindings of the whole cluster first: a right that this one gives, none of
    # them does. It is asked in this namespace alone, as much as some teachers may ask.
    if access.allowed and given_by_owner(access, namespace):
        return None
    if allowed_everywhere(cluster):
        return _administrator(cluster)
    if not access.allowed:
        return _no_right(cluster, account)
    mine = own_namespace(cluster)
    another = belongs_to_another(cluster)
    if another is None:
        another = mine not in ("", namespace)
    if not another:
        return None
    return Diagnostic(
        finding=f"Vous ({user}) avez quelques droits dans « {namespace} », mais ce namespace "
        "appartient à quelqu’un d’autre.",
        cause="Un collègue peut vous ouvrir une partie de son namespace (c’est le TP 6). Ce n’est "
        "pas pour autant là que votre travail doit aller.",
        fix="Faites travailler votre contexte dans votre propre namespace.",
        commands=change_namespace(mine),
        look=(
            "kubectl config view --minify",
            "kubectl auth whoami",
            f"kubectl auth can-i --list -n {namespace}",
        ),
    )


def _administrator(cluster: Cluster) -> Diagnostic | None:
    """Who may do everything everywhere can mistake the namespace without a word from the
    cluster."""
    namespace, user = cluster.namespace, cluster.user
    # every namespace has some: Kubernetes publishes its certificate there
    if not cluster.config_maps():
        return Diagnostic(
            finding=f"Le namespace « {namespace} » n’existe pas sur ce cluster.",
            cause="Un contexte peut nommer n’importe quel namespace : kubectl ne vérifie pas qu’il "
            "existe.",
            fix="Donnez à votre contexte un namespace qui existe.",
            look=("kubectl get namespaces",),
        )
    if not belongs_to_another(cluster):
        return None
    return Diagnostic(
        finding=f"Le cluster vous reconnaît comme « {user} », qui administre tout le cluster, et "
        f"non comme la personne à qui appartient « {namespace} ».",
        cause="Avec tous les droits, rien n’est jamais refusé : ce que les TP montrent des droits "
        "ne se verrait pas.",
        fix=f"Reprenez vos propres identifiants. {COPY_SCRIPT} Sur le petit SSPCloud local : "
        "export KUBECONFIG=$(cahier cluster kubeconfig alice)",
        look=("kubectl auth whoami", "kubectl config get-contexts"),
    )


def _no_right(cluster: Cluster, account: Account | None) -> Diagnostic:
    namespace, user = cluster.namespace, cluster.user
    look = (
        "kubectl config view --minify",
        "kubectl auth whoami",
        f"kubectl auth can-i --list -n {namespace}",
    )
    if account is not None:
        return Diagnostic(
            finding=f"Le cluster vous reconnaît comme le ServiceAccount « {account.name} » du "
            f"namespace « {account.namespace} », alors que votre contexte travaille dans « "
            f"{namespace} ».",
            cause="Ces identifiants sont ceux d’un service lancé dans un autre namespace, souvent "
            "par quelqu’un d’autre : ils n’ont aucun droit ici.",
            fix=f"Reprenez vos propres identifiants. {COPY_SCRIPT}",
            look=look,
        )
    mine = own_namespace(cluster)
    if mine == namespace or (not mine and namespace in personal_namespaces(user)):
        return Diagnostic(
            finding=f"Le nom « {namespace} » est bien le vôtre, mais le cluster ne vous ({user}) y "
            "donne aucun droit.",
            cause="Ce namespace n’existe pas encore, ou la liaison qui vous y donne vos droits a "
            "été retirée.",
            fix="Ouvrez une fois le Datalab du SSPCloud avec votre compte : il crée le namespace "
            "et vos droits.",
            look=look,
        )
    if mine and difflib.SequenceMatcher(None, mine, namespace.lower()).ratio() > 0.85:
        return Diagnostic(
            finding=f"Le cluster ne vous ({user}) donne aucun droit dans « {namespace} », dont le "
            "nom ressemble de très près à celui de votre propre namespace.",
            cause="Une lettre de trop, en moins ou en majuscule suffit. Le cluster répond « "
            "Forbidden » aussi bien pour un namespace qui n’existe pas que pour celui d’un autre.",
            fix="Corrigez le nom du namespace dans votre contexte.",
            commands=change_namespace(mine),
            look=look,
        )
    return Diagnostic(
        finding=f"Le cluster ne vous ({user}) donne aucun droit dans le namespace « {namespace} ».",
        cause="C’est le namespace de quelqu’un d’autre, ou il n’existe pas : le cluster répond « "
        "Forbidden » dans les deux cas, pour ne rien révéler.",
        fix=f"Faites travailler votre contexte dans votre propre namespace. {COPY_SCRIPT}",
        commands=change_namespace(mine),
        look=look,
    )
