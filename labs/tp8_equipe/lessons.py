"""Ce que le TP 8 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.diagnosis.policies.explanations import Fault
from checks.lesson import Clause, Lesson, Names

# -- the team --------------------------------------------------------------------------------------

UNDER_DATA = "# equipe.yaml, ConfigMap equipe, sous « data » :"


class NotDeclared(Lesson):
    """Nothing says who is of the team."""

    finding = "Aucune ConfigMap « equipe » dans le namespace {namespace}."
    cause = "Sans liste écrite de qui doit entrer, personne ne peut dire qui est de trop."
    fix = (
        "Écrivez dans la ConfigMap « equipe », sous la clé « membres », le namespace de chaque "
        "membre, séparés par des espaces, sans compter le vôtre."
    )
    look = ("kubectl get configmap equipe -n {namespace} -o yaml",)


class NobodyDeclared(NotDeclared):
    """The list names nobody but the learner."""

    finding = "La ConfigMap « equipe » ne nomme aucun membre sous la clé « membres »."


class WrongMember(NotDeclared):
    """A word of the list is nobody's namespace."""

    finding = "ConfigMap « equipe », clé « membres » : {wrong}."
    cause = "{why}"
    wrong: str
    why: str


class ColleagueNotDeclared(NotDeclared):
    """The list leaves the colleague out."""

    finding = "La ConfigMap « equipe » ne nomme pas votre collègue, {colleague}."


class NobodyElseDeclared(NotDeclared):
    """The list names the colleague alone."""

    finding = "La ConfigMap « equipe » ne nomme qu’une personne en plus de vous : {colleague}."
    cause = (
        "Partager à deux se règle de gré à gré ; à trois, il faut savoir qui entre, qui sort, et "
        "qui est parti."
    )


# -- each member gets in ---------------------------------------------------------------------------

UNDER_SUBJECTS = "# acces.yaml, RoleBinding tunnel-equipe, sous « subjects » :"


class MemberShutOut(Lesson):
    """A member gets in neither by a tunnel nor by the network. `misnamed`, `others`: more of it, or
    nothing."""

    finding = (
        "{member}, que vous avez déclaré, n’a aucune voie vers la base {base} : par tunnel, "
        "{by_tunnel}{misnamed} ; par le réseau, {by_network}.{others}"
    )
    cause = (
        "Une équipe est servie quand chacun de ses membres l’est. L’API a été interrogée pour "
        "chacun, sous le nom que le cluster lui connaît."
    )
    fix = (
        "Donnez une voie à chacun : nommez-le dans une RoleBinding qui permet le tunnel, ou "
        "admettez son namespace dans une NetworkPolicy. La première, pour les membres qui manquent "
        ":"
    )
    look = (
        "kubectl get rolebindings -n {namespace} -o wide",
        "kubectl describe networkpolicy -n {namespace}",
    )
    member: str
    base: str
    by_tunnel: Clause
    misnamed: str
    by_network: Clause
    others: str


class LacksTheRight(Clause):
    """A member may open no tunnel."""

    text = "{user} {lacks}"
    user: str
    lacks: str


class TunnelLeadsElsewhere(Clause):
    """A member may open a tunnel, at the end of which the base does not answer."""

    text = "le tunnel que {user} a le droit d’ouvrir ne mène pas à la base"
    user: str


class NamespaceForAUser(Clause):
    """A RoleBinding writes the member's namespace where the cluster expects a user."""

    text = (
        " (La RoleBinding « {binding} » nomme l’utilisateur « {member} » : c’est le nom d’un "
        "namespace.)"
    )
    binding: str
    member: str


class NoConnection(Clause):
    """A connection was tried from the member's namespace."""

    text = "une vraie connexion depuis {member} n’aboutit pas"
    member: str


class NoConnectionAsMeant(NoConnection):
    """The policies mean it so."""

    text = "une vraie connexion depuis {member} n’aboutit pas (NetworkPolicy {policies})"
    policies: str


class KeptOutByPolicies(Clause):
    """No connection was tried: the policies are read."""

    text = "vos NetworkPolicies ({policies}) écartent son namespace"
    policies: str


class SameFor(Clause):
    """Other members are shut out too."""

    text = " Même chose pour {members}."
    members: str


# -- nobody else by the network --------------------------------------------------------------------


class BaseOpen(Lesson):
    """Somebody who is not of the team reaches the base. `entering`: who, and how we know;
    `through`: by what."""

    finding = "Namespace {namespace} : {entering}. {through}"
    cause = (
        "Les NetworkPolicies s’additionnent : un pod que l’une choisit reçoit ce qu’admet l’une ou "
        "l’autre, et un pod qu’aucune ne choisit reçoit tout. L’étiquette d’un pod ne protège pas "
        ": chacun étiquette les siens."
    )
    fix = (
        "N’admettez que votre namespace et, si l’équipe passe par le réseau, les namespaces de ses "
        "membres, désignés par kubernetes.io/metadata.name."
    )
    look = ("kubectl describe networkpolicy -n {namespace}",)
    entering: Clause
    through: Clause


class RelayOpen(Lesson):
    """They reach another pod of the namespace, which relays the base."""

    finding = "Le pod {pod} relaie votre base sur son port {port}, et {entering}. {through}"
    cause = (
        "La base admet les pods de votre namespace : un relais oublié chez vous la rouvre à tous "
        "ceux qui l’atteignent, lui, sans que la NetworkPolicy de la base y puisse rien."
    )
    fix = (
        "Supprimez ce relais s’il ne sert plus, avec ce qui ne servait qu’à lui ; sinon, fermez-le "
        "par une NetworkPolicy qui le choisit et n’admet que l’équipe."
    )
    look = ("kubectl get pods -n {namespace} -o wide",)
    pod: str
    port: int
    entering: Clause
    through: Clause


class StrangerCameIn(Clause):
    """A connection was made."""

    text = (
        "une vraie connexion depuis {stranger}, qui n’est pas de l’équipe, atteint le pod {pod} "
        "(port {port})"
    )
    stranger: str
    pod: str
    port: int


class OpenToAll(Clause):
    """The policies, as they are written, admit everybody."""

    text = (
        "d’après vos NetworkPolicies, n’importe quel namespace atteint le pod {pod} (port {port})"
    )
    pod: str
    port: int


class OpenToNamespaces(Clause):
    """They admit namespaces that they name."""

    text = (
        "d’après vos NetworkPolicies, le pod {pod} (port {port}) est ouvert, hors de l’équipe, "
        "{namespaces:au namespace|aux namespaces} {namespaces}"
    )
    pod: str
    port: int
    namespaces: Names


class OpenToAdministrators(Clause):
    """They admit all the pods of a namespace of the cluster's administrators, or of several."""

    text = (
        "d’après vos NetworkPolicies, le pod {pod} (port {port}) est ouvert, hors de l’équipe, à "
        "tous les pods {administrators}"
    )
    pod: str
    port: int
    administrators: str


class OpenToBoth(OpenToNamespaces):
    """They admit both."""

    text = (
        "d’après vos NetworkPolicies, le pod {pod} (port {port}) est ouvert, hors de l’équipe, "
        "{namespaces:au namespace|aux namespaces} {namespaces} et à tous les pods {administrators}"
    )
    administrators: str


class ThroughPolicies(Clause):
    """The policies that admit them."""

    text = (
        "{policies:C’est la NetworkPolicy|Ce sont les NetworkPolicies} {policies} qui "
        "{policies:l’admet|l’admettent}."
    )
    policies: Names


class InSpiteOfPolicies(Clause):
    """The policies admit nobody: the network may be following a change."""

    text = "Les NetworkPolicies {policies} devraient l’écarter."
    policies: str


class WithoutPolicies(Clause):
    """No policy chooses the pod."""

    text = "Aucune NetworkPolicy ne choisit ce pod : tout le cluster lui est ouvert."


class MissedByAPolicy(WithoutPolicies):
    """One was meant for it."""

    text = (
        "Aucune NetworkPolicy ne choisit ce pod : tout le cluster lui est ouvert. Celle qui "
        "s’appelle « {policy} » le manque : {fault.said}."
    )
    policy: str
    fault: Fault


# -- nobody else by the rights: this lab's words in what several labs tell -------------------------

NARROW = "L’équipe n’a besoin que d’un chemin vers la base : un tunnel, ou le réseau."
TUNNELS = (
    "Un tunnel entre par la boucle locale du pod : aucune NetworkPolicy ne l’arrête. Une "
    "RoleBinding qui nomme trop de monde, ou quelqu’un qui a quitté l’équipe, ouvre donc la base."
)
DECLARE_THEM_FIRST = "Si cette personne est de l’équipe, déclarez-la d’abord."
SECRETS = (
    "Le catalogue donne le même mot de passe au propriétaire de la base et à l’administrateur du "
    "serveur : qui lit ce Secret peut tout, et le retirer de l’équipe n’y changera rien."
)
COPIES = (
    "Copier un mot de passe dans un Secret, c’est le partager avec tous ceux qui lisent la copie."
)
INSIDE = (
    "Dans le conteneur, psql ouvre une session d’administrateur sans mot de passe ; ce qui touche "
    "à vos pods est du côté intérieur de toutes vos serrures."
)


class OpensTheBase(Clause):
    """Ends the sentence about a right to read a Secret: it has the password of an account."""

    text = ", dont une valeur ouvre la base (« {account} »)"
    account: str


class AdministersTheBase(OpensTheBase):
    """It has that of an account of the platform."""

    text = ", dont une valeur administre la base (« {account} »)"


# -- the accounts ----------------------------------------------------------------------------------


class NoOwnAccount(Lesson):
    """The server has no account but the platform's."""

    finding = (
        "La base {base} n’a pas d’autre compte que ceux de la plateforme : l’équipe n’a que le "
        "vôtre."
    )
    cause = (
        "Le compte du formulaire possède la base, et son mot de passe est aussi celui de "
        "l’administrateur du serveur. Un compte à part se limite, se change et se retire sans "
        "toucher au vôtre."
    )
    fix = (
        "Créez un rôle LOGIN ordinaire dans le serveur, avec un mot de passe tiré au hasard que "
        "vous gardez dans un Secret à part."
    )
    look = ("kubectl exec {pod} -n {namespace} -- psql -U {administrator} -c '\\du'",)
    base: str
    pod: str
    administrator: str


class UnfitAccount(NoOwnAccount):
    """There are others, and none is fit for the team."""

    finding = (
        "Base {base} : le compte « {account} » {flaw}. Aucun autre compte ne convient à l’équipe."
    )
    fix = (
        "Ce compte ne doit avoir que ce qu’il faut : ouvrir une session, se connecter à la base, "
        "et un mot de passe qui ne sert à rien d’autre."
    )
    account: str
    flaw: str


class AdministratingAccount(Lesson):
    """An account that is not the platform's has the powers of an administrator."""

    finding = "Base {base} : le compte « {account} » {power}."
    cause = (
        "Ces pouvoirs suffisent à lire toutes les données, à créer d’autres comptes ou à sortir de "
        "la base : un seul compte de ce genre rend tous les autres inutiles."
    )
    fix = "Retirez ce pouvoir, ou supprimez le compte s’il ne sert plus."
    look = ("kubectl exec {pod} -n {namespace} -- psql -U postgres -c '\\du'",)
    base: str
    account: str
    power: str
    pod: str


class HasPowers(Clause):
    """The account has powers of its own."""

    text = "a le pouvoir {powers}"
    powers: str


class HandlesFiles(Clause):
    """The account is a member of a role that PostgreSQL defines."""

    text = "est membre de « {role} », donc lit ou écrit les fichiers du serveur"
    role: str


class MemberOfPlatform(Clause):
    """The account is a member of one of the platform's."""

    text = "est membre de « {role} », un compte de la plateforme : il en a tous les pouvoirs"
    role: str


class MemberOfPowerful(Clause):
    """The account is a member of another one, which has powers."""

    text = "est membre de « {role} », un rôle puissant : il en a tous les pouvoirs"
    role: str


NO_LOGIN = "ne peut pas ouvrir de session (NOLOGIN)"
NO_CONNECT = "n’a pas le droit de se connecter à la base (CONNECT)"
NO_PASSWORD = "n’a pas de mot de passe : il ne peut pas entrer"
EXPIRED = "a expiré (VALID UNTIL)"
PASSWORD_OF_THE_PLATFORM = (
    "a le mot de passe de la plateforme : celui du Secret de la base lui ouvre une session"
)


# -- passwords in clear ----------------------------------------------------------------------------


class InClear(Lesson):
    """Passwords of the base are written in one place. `what`: which; `besides`: more of the cause,
    or nothing."""

    finding = "Namespace {namespace} : {places}, contient en clair {what}."
    cause = (
        "Une ConfigMap, une variable ou un argument se lit avec le simple rôle « view », s’affiche "
        "dans « kubectl describe » et finit dans git. Seul un Secret se protège à part.{besides}"
    )
    fix = (
        "Retirez-le de là ; lisez-le dans un Secret (valueFrom.secretKeyRef). Puis changez ce mot "
        "de passe : ce qui a été écrit en clair a pu être lu."
    )
    look = ("kubectl get {kinds} -n {namespace}",)
    places: Clause
    what: Clause
    besides: str
    kinds: str


class OneInClearInPlaces(InClear):
    """One password, in several places."""

    finding = "Namespace {namespace} : {what}, est écrit en clair à {places}."


class SeveralInClearInPlaces(InClear):
    """Several passwords, in several places."""

    finding = "Namespace {namespace} : {what}, sont écrits en clair à {places}."


class Places(Clause):
    """The places, the first of them told. `more`: how many are not, or nothing."""

    text = "{number} endroits : {told}{more}"
    number: int
    told: str
    more: str


class OneMore(Clause):
    """One place is not told."""

    text = " ; et {number} autre"
    number: int


class SeveralMore(OneMore):
    """Several are not."""

    text = " ; et {number} autres"


class OnePassword(Clause):
    """Whose password it is. `unknown`: that no Secret has it, or nothing."""

    text = "un mot de passe de la base, celui de {accounts}{unknown}"
    accounts: str
    unknown: str


class SeveralPasswords(OnePassword):
    """Whose passwords they are."""

    text = "des mots de passe de la base, ceux de {accounts}{unknown}"


AND = " et "
IN_NO_SECRET = " (aucun de vos Secrets ne le contient)"


class SomeInNoSecret(Clause):
    """Of several passwords, those that no Secret has."""

    text = " (aucun de vos Secrets ne contient celui de {accounts})"
    accounts: str


ENCODED = " base64 n’est pas un chiffrement : il se relit sans aucune clé."
OF_A_SERVICE = (
    " Un service du catalogue récrit ce qu’il a créé quand on le relance : décochez-y la "
    "découverte des bases (« discovery »), ou supprimez-le."
)
HISTORY = (
    " Corriger un objet ne corrige pas son passé : un Deployment garde ses anciennes versions (des "
    "ReplicaSets), un StatefulSet aussi (des ControllerRevisions), un CronJob ses derniers Jobs."
)


# -- where a text is written -----------------------------------------------------------------------

KINDS = {
    "ConfigMap": "la ConfigMap",
    "PersistentVolumeClaim": "la PersistentVolumeClaim",
    "NetworkPolicy": "la NetworkPolicy",
    "RoleBinding": "la RoleBinding",
    "Pod": "le pod",
    "Event": "l’événement",
    "CronJob": "le CronJob",
    "DaemonSet": "le DaemonSet",
    "Deployment": "le Deployment",
    "Job": "le Job",
    "ReplicaSet": "le ReplicaSet",
    "ReplicationController": "le ReplicationController",
    "Role": "le Role",
    "Service": "le Service",
    "ServiceAccount": "le ServiceAccount",
    "StatefulSet": "le StatefulSet",
}
BOXES = {
    "containers": "du conteneur",
    "initContainers": "du conteneur d’initialisation",
    "ephemeralContainers": "du conteneur éphémère",
}


class Place(Clause):
    """A text of an object, and where it is there."""

    text = "{object}, {at}"
    object: str
    at: str


class PlaceInBase64(Place):
    """A text that has the password once decoded."""

    text = "{object}, {at} (en base64)"


class Named(Clause):
    """An object."""

    text = "{kind} « {name} »"
    kind: str
    name: str


class NamedOfKind(Named):
    """An object of a kind that has no words of its own here."""

    text = "l’objet {kind} « {name} »"


class Masked(Clause):
    """An object whose own name would show a password."""

    text = "l’objet {kind} au nom masqué"
    kind: str


MASKED_PLACE = "à un endroit dont le nom est masqué"


class Annotation(Clause):
    """An annotation."""

    text = "annotation {key}"
    key: str


class Label(Clause):
    """A label."""

    text = "étiquette {key}"
    key: str


class Key(Clause):
    """A key of a ConfigMap."""

    text = "clé « {key} »"
    key: str


class Field(Clause):
    """A field. `of`: the container that has it, or nothing."""

    text = "champ {path}{of}"
    path: str
    of: str


class Variable(Clause):
    """A variable of a container."""

    text = "variable {name}{of}"
    name: str
    of: str


class Arguments(Clause):
    """A container's command, or its arguments."""

    text = "arguments{of}"
    of: str


class OfContainer(Clause):
    """The container that has it."""

    text = " {family} {name}"
    family: str
    name: str


# -- nothing left behind ---------------------------------------------------------------------------


class LeftBehind(Lesson):
    """Objects that serve nothing any more. `causes`: what a reader would believe of them."""

    finding = "Dans le namespace {namespace}, {left}."
    cause = "{causes}"
    fix = "Supprimez ce qui ne sert plus ; sinon, corrigez ce qu’il cite."
    left: str
    causes: str


class EndedPod(Clause):
    """A pod that has ended well."""

    text = "le pod « {name} » a fini et ne tourne plus"
    name: str


class FailedPod(EndedPod):
    """A pod that has failed."""

    text = "le pod « {name} » a échoué et ne tourne plus"


class BindingOfNoRole(Clause):
    """A RoleBinding whose Role is missing."""

    text = "la RoleBinding « {name} » cite le Role « {role} », qui n’existe pas"
    name: str
    role: str


class BindingOfNobody(Clause):
    """A RoleBinding without subjects."""

    text = "la RoleBinding « {name} » ne nomme personne"
    name: str


class ServiceOfNoPod(Clause):
    """A Service that chooses no pod."""

    text = "le Service « {name} » ne mène à aucun pod"
    name: str


class PolicyOfNoPod(Clause):
    """A NetworkPolicy that chooses no pod."""

    text = "la NetworkPolicy « {name} » ne choisit aucun pod"
    name: str


PODS_COUNT = "Il compte dans votre quota."
BINDINGS_WAKE = (
    "Une RoleBinding sans effet redevient active le jour où ce qui lui manque réapparaît."
)
SERVICES_DECEIVE = "Un nom qui ne mène nulle part trompe celui qui le lit."
POLICIES_REASSURE = "Une NetworkPolicy qui ne choisit rien ne protège rien, et rassure à tort."


# -- this lab's words in what cannot be decided ----------------------------------------------------

ADMIT_OTHERS = "admettent d’autres namespaces que ceux de l’équipe"
ADMIT_THE_TEAM_ALONE = "n’admettent que l’équipe"
NONE_CLOSES = "aucune ne peut fermer votre base"
NOT_KNOWN_CLOSED = "on ne peut pas dire que votre base est fermée"


class ComesInAsAnybody(Clause):
    """A member reaches the base although the policies do not admit them."""

    text = "{member} atteint la base par le réseau, comme n’importe qui"
    member: str


class NotKnownShutOut(Clause):
    """A member may reach the base although the policies do not admit them."""

    text = "on ne peut pas dire que {member} n’atteint pas la base par le réseau"
    member: str
