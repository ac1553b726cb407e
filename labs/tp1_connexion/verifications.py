"""Les vérifications du TP 1 : qui vous êtes pour le cluster, dans quel namespace, et ce que vous y pouvez."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from checks.errors import AccessError, Unverifiable
from checks.facts import OWNER_BINDING, Access, Cluster
from checks.verdict import Diagnostic
from checks.verification import verification

OLDEST_KUBECTL = (1, 28)  # « kubectl auth whoami », que les TP emploient, date de cette version
_NOWHERE = "cahier-namespace-temoin"  # un namespace que personne ne possède
_SOON = timedelta(minutes=10)
_SCRIPT = (
    "Sur le SSPCloud : « Mon compte », « Connexion à Kubernetes », choisissez votre projet, copiez de nouveau le "
    "script et exécutez-le."
)


@dataclass(frozen=True)
class Right:
    """Un droit dont les TP ont besoin ; `words` le dit en français."""

    verb: str
    resource: str
    words: str
    group: str = ""


# Du plus courant au plus rare : les premiers manquent à « view », les derniers à « edit ».
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


@dataclass(frozen=True)
class Account:
    """Un ServiceAccount : l’identité d’un programme du cluster, par exemple d’un service VSCode."""

    namespace: str
    name: str


def service_account(user: str) -> Account | None:
    """Le ServiceAccount que ce nom d’utilisateur désigne, None pour une personne."""
    found = re.fullmatch(r"system:serviceaccount:([^:]+):([^:]+)", user)
    return Account(found[1], found[2]) if found else None


def personal_namespaces(user: str) -> Iterator[str]:
    """Les namespaces personnels que ce nom peut désigner : « oidc-jean-dupont » a « user-jean-dupont »."""
    account = service_account(user)
    if account is not None:
        yield account.namespace
        return
    yield f"user-{user}"
    for separator in re.finditer(r"[^A-Za-z0-9]", user):
        yield f"user-{user[separator.end() :]}"


def own_namespace(cluster: Cluster) -> str:
    """Le namespace personnel où le cluster donne des droits à qui demande ; "" quand rien ne le prouve."""
    try:
        if allowed_everywhere(cluster):
            return ""
        open_to_us = []
        for namespace in personal_namespaces(cluster.user):
            access = cluster.may("list", "pods", namespace=namespace)
            if access.allowed and given_by_owner(access, namespace):
                return namespace
            if access.allowed:
                open_to_us.append(namespace)
    except AccessError:  # le silence du cluster est l’affaire de la vérification qui l’interroge
        return ""
    return open_to_us[0] if open_to_us else ""


def given_by_owner(access: Access, namespace: str) -> bool:
    """Si ce droit vient de la liaison qu’Onyxia pose pour qui possède le namespace."""
    return f'"{OWNER_BINDING}/{namespace}"' in access.reason


def allowed_everywhere(cluster: Cluster) -> bool:
    """Si les droits valent dans tout le cluster : ils ne prouvent alors rien sur un namespace."""
    return cluster.may("list", "pods", namespace=_NOWHERE).allowed


def belongs_to_another(cluster: Cluster) -> bool | None:
    """Si Onyxia a donné ce namespace à d’autres que nous ; None quand ce n’est pas écrit, ou pas lisible."""
    if not cluster.may("list", "rolebindings", group="rbac.authorization.k8s.io").allowed:
        return None
    subjects = [
        subject
        for binding in cluster.objects("RoleBinding")
        if binding["metadata"]["name"] == OWNER_BINDING
        for subject in binding.get("subjects") or []
    ]
    if not subjects or any(subject.get("kind") == "Group" for subject in subjects):
        return None  # le cluster ne dit pas à un membre de quels groupes il est
    return cluster.user not in [subject.get("name") for subject in subjects]


def change_namespace(namespace: str) -> tuple[str, ...]:
    """La commande qui fait travailler le contexte courant dans ce namespace."""
    return (f"kubectl config set-context --current --namespace={namespace}",) if namespace else ()


@verification(points=1)
def kubectl_est_installe(cluster: Cluster) -> Diagnostic | None:
    """Le programme kubectl est installé sur ce poste.

    Le programme est cherché dans le PATH et lancé : « kubectl version --client ».
    """
    if cluster.machine.kubectl() is not None:
        return None
    return Diagnostic(
        finding="Aucun programme « kubectl » utilisable n’a été trouvé dans le PATH de ce terminal.",
        cause="Toutes les commandes des TP passent par lui : c’est lui qui parle à l’API de Kubernetes.",
        fix="Installez-le (https://kubernetes.io/fr/docs/tasks/tools/install-kubectl/), puis ouvrez un nouveau "
        "terminal. Dans un service VSCode du SSPCloud, il est déjà là.",
        look=("command -v kubectl", "kubectl version --client"),
    )


@verification(points=1)
def le_cluster_vous_reconnait(cluster: Cluster) -> Diagnostic | None:
    """Le cluster répond et vous reconnaît.

    Il est interrogé avec vos identifiants : il dit sous quel nom il vous connaît, comme « kubectl auth whoami ».
    Un jeton expiré ou refusé n’est pas une faute : il se renouvelle.
    """
    if cluster.user:
        return None
    raise Unverifiable("Le cluster répond, mais ne dit pas qui vous êtes.", _SCRIPT)


@verification(points=1, after=(kubectl_est_installe, le_cluster_vous_reconnait))
def la_version_de_kubectl_convient(cluster: Cluster) -> Diagnostic | None:
    """Votre kubectl comprend ce cluster.

    Kubernetes garantit une version mineure d’écart. Les TP n’emploient que des API stables, qu’un kubectl plus
    éloigné parle aussi : seul est refusé celui qui sort de cet écart et ignore une commande des TP.
    """
    kubectl = cluster.machine.kubectl()
    if kubectl is None:
        raise Unverifiable("kubectl a disparu pendant la vérification.")
    version, server = (kubectl.major, kubectl.minor), cluster.server_version
    within = version[0] == server[0] and abs(version[1] - server[1]) <= 1
    if within or version >= OLDEST_KUBECTL:
        return None
    return Diagnostic(
        finding=f"Votre kubectl est en version {version[0]}.{version[1]}, le cluster en {server[0]}.{server[1]} : "
        f"l’écart est de {abs(server[1] - version[1])} versions mineures.",
        cause="Kubernetes ne garantit qu’une version mineure d’écart, et des commandes des TP, comme « kubectl auth "
        f"whoami », n’existent pas avant la version {OLDEST_KUBECTL[0]}.{OLDEST_KUBECTL[1]}.",
        fix=f"Installez un kubectl {server[0]}.{server[1]} : https://kubernetes.io/fr/docs/tasks/tools/install-kubectl/",
        look=("kubectl version", "command -v kubectl"),
    )


@verification(points=2)
def le_contexte_designe_un_namespace(cluster: Cluster) -> Diagnostic | None:
    """Votre contexte désigne un cluster et un namespace de travail.

    Le contexte courant est lu comme kubectl le lit. Sans namespace, kubectl travaille dans « default ».
    """
    credentials = cluster.credentials
    if credentials.namespace != "default" and not credentials.namespace.startswith("kube-"):
        return None
    name = f"Le contexte « {credentials.context} »" if credentials.context else "Votre configuration"
    mine = own_namespace(cluster)
    return Diagnostic(
        finding=f"{name} travaille dans le namespace « {credentials.namespace} », commun à tout le cluster.",
        cause="Sans namespace dans le contexte, kubectl emploie « default ». Il n’est à personne : d’ordinaire, rien "
        "ne vous y est permis.",
        fix="Donnez à ce contexte votre propre namespace. Sur le SSPCloud, il se lit dans « Mon compte ».",
        commands=change_namespace(mine),
        look=("kubectl config get-contexts", "kubectl auth whoami"),
    )


@verification(points=2, after=(le_contexte_designe_un_namespace, le_cluster_vous_reconnait))
def le_namespace_est_le_votre(cluster: Cluster) -> Diagnostic | None:
    """Ce namespace existe, et c’est le vôtre ou celui de votre projet.

    Le cluster dit si vous y avez des droits, et par quelle liaison. Un ServiceAccount de ce namespace (celui d’un
    service VSCode) convient aussi bien que la personne.
    """
    namespace, user = cluster.namespace, cluster.user
    account = service_account(user)
    if account is not None and account.namespace == namespace:
        return None  # le cluster connaît ce compte, donc son namespace existe ; ses droits sont une autre question
    if allowed_everywhere(cluster):
        return _administrator(cluster)
    access = cluster.may("list", "pods")
    if access.allowed and given_by_owner(access, namespace):
        return None
    if not access.allowed:
        return _no_right(cluster, account)
    mine = own_namespace(cluster)
    another = belongs_to_another(cluster)
    if another is None:
        another = mine not in ("", namespace)
    if not another:
        return None
    return Diagnostic(
        finding=f"Vous ({user}) avez quelques droits dans « {namespace} », mais ce namespace appartient à "
        "quelqu’un d’autre.",
        cause="Un collègue peut vous ouvrir une partie de son namespace (c’est le TP 6). Ce n’est pas pour autant là "
        "que votre travail doit aller.",
        fix="Faites travailler votre contexte dans votre propre namespace.",
        commands=change_namespace(mine),
        look=("kubectl config view --minify", "kubectl auth whoami", f"kubectl auth can-i --list -n {namespace}"),
    )


def _administrator(cluster: Cluster) -> Diagnostic | None:
    """Qui peut tout, partout, peut se tromper de namespace sans que le cluster le dise."""
    namespace, user = cluster.namespace, cluster.user
    if not cluster.objects("ConfigMap"):  # tout namespace en contient : Kubernetes y publie son certificat
        return Diagnostic(
            finding=f"Le namespace « {namespace} » n’existe pas sur ce cluster.",
            cause="Un contexte peut nommer n’importe quel namespace : kubectl ne vérifie pas qu’il existe.",
            fix="Donnez à votre contexte un namespace qui existe.",
            look=("kubectl get namespaces",),
        )
    if not belongs_to_another(cluster):
        return None
    return Diagnostic(
        finding=f"Le cluster vous reconnaît comme « {user} », qui administre tout le cluster, et non comme la personne "
        f"à qui appartient « {namespace} ».",
        cause="Avec tous les droits, rien n’est jamais refusé : ce que les TP montrent des droits ne se verrait pas.",
        fix=f"Reprenez vos propres identifiants. {_SCRIPT} Sur le petit SSPCloud local : "
        "export KUBECONFIG=$(cahier cluster kubeconfig alice)",
        look=("kubectl auth whoami", "kubectl config get-contexts"),
    )


def _no_right(cluster: Cluster, account: Account | None) -> Diagnostic:
    namespace, user = cluster.namespace, cluster.user
    look = ("kubectl config view --minify", "kubectl auth whoami", f"kubectl auth can-i --list -n {namespace}")
    if account is not None:
        return Diagnostic(
            finding=f"Le cluster vous reconnaît comme le ServiceAccount « {account.name} » du namespace "
            f"« {account.namespace} », alors que votre contexte travaille dans « {namespace} ».",
            cause="Ces identifiants sont ceux d’un service lancé dans un autre namespace, souvent par quelqu’un "
            "d’autre : ils n’ont aucun droit ici.",
            fix=f"Reprenez vos propres identifiants. {_SCRIPT}",
            look=look,
        )
    mine = own_namespace(cluster)
    if mine == namespace or (not mine and namespace in personal_namespaces(user)):
        return Diagnostic(
            finding=f"Le nom « {namespace} » est bien le vôtre, mais le cluster ne vous ({user}) y donne aucun droit.",
            cause="Ce namespace n’existe pas encore, ou la liaison qui vous y donne vos droits a été retirée.",
            fix="Ouvrez une fois le Datalab du SSPCloud avec votre compte : il crée le namespace et vos droits.",
            look=look,
        )
    if mine and difflib.SequenceMatcher(None, mine, namespace.lower()).ratio() > 0.85:
        return Diagnostic(
            finding=f"Le cluster ne vous ({user}) donne aucun droit dans « {namespace} », dont le nom ressemble de "
            "très près à celui de votre propre namespace.",
            cause="Une lettre de trop, en moins ou en majuscule suffit. Le cluster répond « Forbidden » aussi bien "
            "pour un namespace qui n’existe pas que pour celui d’un autre.",
            fix="Corrigez le nom du namespace dans votre contexte.",
            commands=change_namespace(mine),
            look=look,
        )
    return Diagnostic(
        finding=f"Le cluster ne vous ({user}) donne aucun droit dans le namespace « {namespace} ».",
        cause="C’est le namespace de quelqu’un d’autre, ou il n’existe pas : le cluster répond « Forbidden » dans les "
        "deux cas, pour ne rien révéler.",
        fix=f"Faites travailler votre contexte dans votre propre namespace. {_SCRIPT}",
        commands=change_namespace(mine),
        look=look,
    )


@verification(points=2, after=le_namespace_est_le_votre)
def vos_droits_suffisent(cluster: Cluster) -> Diagnostic | None:
    """Vos droits suffisent pour tous les TP.

    Chaque droit est demandé au cluster, comme « kubectl auth can-i ». Les rôles « view » et « edit » n’en donnent
    qu’une partie.
    """
    namespace, user = cluster.namespace, cluster.user
    missing = [
        right for right in NEEDED if not cluster.may(right.verb, right.resource, group=right.group, name="").allowed
    ]
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
        f"le rôle « admin ». Sur votre poste : reprenez vos propres identifiants. {_SCRIPT}",
        look=("kubectl auth whoami", f"kubectl auth can-i --list -n {namespace}"),
    )


@verification(points=1, after=le_cluster_vous_reconnait)
def vos_identifiants_ne_vont_pas_expirer(cluster: Cluster) -> Diagnostic | None:
    """Vos identifiants n’annoncent pas leur fin prochaine.

    La fin est lue dans le jeton ou le certificat : il doit en rester dix minutes, ou le cinquième de sa durée si elle
    est courte. Un jeton opaque n’annonce rien, et le cluster vient de l’accepter ; ce qui se renouvelle tout seul
    (exec, jeton de rafraîchissement, ServiceAccount du pod) convient toujours.
    """
    credentials = cluster.credentials
    if credentials.expires is None or credentials.kind in ("exec", "oidc", "serviceaccount"):
        return None
    left = credentials.expires - datetime.now(UTC)
    whole = credentials.expires - credentials.issued if credentials.issued else 5 * _SOON
    if left >= min(_SOON, whole / 5):
        return None
    what = "certificat" if credentials.kind == "certificate" else "jeton"
    minutes = max(0, int(left.total_seconds() // 60))
    rest = f"{minutes} minute{'s' if minutes > 1 else ''}" if minutes else "moins d’une minute"
    return Diagnostic(
        finding=f"Il reste {rest} à votre {what} : il expire à {credentials.expires.astimezone():%H:%M}.",
        cause="Passé cette heure, le cluster répond « Unauthorized » à chaque commande, et aucun tunnel ne s’ouvre.",
        fix=f"Renouvelez-le avant de continuer. {_SCRIPT} Sur le petit SSPCloud local : cahier cluster creer",
        look=("kubectl config view --minify",),
    )
