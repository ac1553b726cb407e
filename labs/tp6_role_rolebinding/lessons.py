"""Ce que le TP 6 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.lesson import Clause, Lesson, Names

from .shared_base import Refusal

# -- the colleague may not open a tunnel -----------------------------------------------------------


class TunnelRefused(Lesson, kw_only=True):
    """A colleague lacks a right. Each kind says what is lacking; `also`: what is seen besides,
    sentences or nothing."""

    fix = (
        "Donnez à cet utilisateur, et sur ce pod, « get » sur pods et « create » sur "
        "pods/portforward."
    )
    look = ("kubectl describe roles,rolebindings -n {namespace}",)
    also: str = ""


class NobodyNamed(TunnelRefused):
    """The namespace has no binding but the platform's."""

    finding = "Aucune RoleBinding du namespace {namespace} ne s’adresse à {user}.{also}"
    cause = "Un Role ne donne rien à lui seul : c’est la RoleBinding qui l’adresse à quelqu’un."
    user: str


class OthersNamed(NobodyNamed):
    """Its bindings name others."""

    finding = (
        "Aucune RoleBinding du namespace {namespace} ne s’adresse à {user}. Celles qui existent "
        "s’adressent à : {others}.{also}"
    )
    others: str


class AnotherNamed(TunnelRefused):
    """What is told names another than the person who lacks the right."""


class AccountNamed(AnotherNamed):
    """A binding names an account of the colleague's pods, or one that is called like them."""

    finding = (
        "La RoleBinding « {binding} » s’adresse au compte de service « {account} » de "
        "{place}.{also}"
    )
    cause = (
        "Un compte de service est l’identité d’un pod, pas d’une personne. Si votre collègue "
        "travaille dans ce pod (un service VSCode), nommez-le : --utilisateur-collegue "
        "system:serviceaccount:{place}:{account}"
    )
    binding: str
    account: str
    place: str


class GroupNamed(AnotherNamed):
    """A binding names a group that is called like the colleague."""

    finding = (
        "La RoleBinding « {binding} » s’adresse au groupe « {group} », pas à un utilisateur.{also}"
    )
    cause = "L’API n’ajoute pas une personne à un groupe qui porterait son nom."
    binding: str
    group: str


class OtherNameWritten(AnotherNamed):
    """A binding names the colleague by another name than the API's."""

    finding = (
        "La RoleBinding « {binding} » s’adresse à « {name} » : ce n’est le nom de personne.{also}"
    )
    cause = (
        "Le nom d’une personne pour l’API n’est pas celui de son namespace ; l’API ne corrige rien "
        "et n’avertit pas. « kubectl auth whoami » donne le vrai nom à qui le demande pour soi."
    )
    binding: str
    name: str


class RoleGone(AnotherNamed):
    """The colleague's binding gives a role that is not there."""

    finding = (
        "La RoleBinding « {binding} » désigne le Role « {role} », qui n’existe pas dans "
        "{namespace}.{also}"
    )
    cause = (
        "Une RoleBinding ne donne rien par elle-même : son Role disparu, elle reste, sans effet."
    )
    binding: str
    role: str


_REFUSED = (
    "L’API refuse à {refusal.user} « {refusal.verb} » sur {refusal.resource} du pod {refusal.pod}"
)
_THE_ROLE = _REFUSED + " : le Role {roles} "


class ReadyMadeRole(TunnelRefused):
    """The colleague's binding gives a ClusterRole that is not enough."""

    finding = (
        _REFUSED
        + " : la RoleBinding « {binding} » lui donne le ClusterRole « {role} », qui n’y suffit "
        "pas.{also}"
    )
    cause = "Un ClusterRole tout fait ne contient pas forcément ce qu’il vous faut."
    refusal: Refusal
    binding: str
    role: str


class NoRule(TunnelRefused):
    """The roles that the colleague receives have no rule on the resource."""

    finding = _THE_ROLE + "n’a aucune règle sur {refusal.resource}.{also}"
    cause = "Lire un pod et y ouvrir un tunnel sont deux droits distincts."
    refusal: Refusal
    roles: str


class RuleOnServices(NoRule):
    """They have one on the tunnels of Services, which there are none of."""

    finding = _THE_ROLE + "parle de services/portforward.{also}"
    cause = (
        "Cette sous-ressource n’existe pas : un tunnel vers un Service choisit un pod, et s’ouvre "
        "vers lui."
    )


class RuleOnNothing(NoRule):
    """They have one on `pods/*`, which stands for nothing."""

    finding = _THE_ROLE + "parle de « pods/* », qui ne désigne rien.{also}"
    cause = (
        "RBAC ne connaît que « * », toutes les ressources, et « */portforward » : une "
        "sous-ressource s’écrit en entier."
    )


class OtherVerbs(NoRule):
    """Their rules on the resource are for other verbs."""

    finding = _THE_ROLE + "ne permet sur {refusal.resource} que {verbs}.{also}"
    cause = "Chaque verbe est un droit à part ; ouvrir un tunnel, c’est en créer un."
    verbs: str


class OtherObjects(NoRule):
    """Their rules on the resource, with that verb, are for other objects."""

    finding = _THE_ROLE + "ne le permet que sur {names}.{also}"
    cause = (
        "resourceNames contient des noms d’objets de la ressource citée : ici des pods, pas leur "
        "Service."
    )
    names: str


# words of these sentences
NAME = "« {} »"
AND = " et "


class MayElse(Clause):
    """The colleague has no tunnel, and another right."""

    text = " Il peut en revanche {right}."
    right: str


class NoneOfTheOtherBases(Clause):
    """The learner has several bases, and the colleague a tunnel to none."""

    text = " Ses droits ne vont pas plus loin sur vos autres bases ({bases}) : une seule suffit."
    bases: str


class LackedBy(Clause):
    """Several are invited, and what is told does not name the one who has no tunnel."""

    text = " Le droit manque à {user}."
    user: str


class SameRefusal(Clause):
    """Other colleagues have no tunnel either."""

    text = " Même refus pour {users}."
    users: str


# -- the tunnel itself -----------------------------------------------------------------------------


class NothingAtItsEnd(Lesson):
    """The right is given, and no PostgreSQL answers through the tunnel."""

    finding = "Le tunnel de {user} vers le pod {pod} ne va pas jusqu’à PostgreSQL : {silence}."
    cause = "Le droit ne suffit pas : au bout du tunnel, le serveur doit répondre."
    fix = "Lisez le journal du pod de la base."
    look = ("kubectl logs {pod} -n {namespace}",)
    user: str
    pod: str
    silence: str


class AnotherServer(Lesson):
    """What answers through the colleague's tunnel is not what answers through ours."""

    finding = "Le tunnel ouvert par {user} ne mène pas au serveur du pod {pod}."
    cause = "Un autre serveur répond à sa place : le pod a été remplacé pendant la vérification."
    fix = "Relancez la vérification."
    look = ("kubectl describe pod {pod} -n {namespace}",)
    user: str
    pod: str


# -- what cannot be decided here -------------------------------------------------------------------


class Member(Clause):
    """The colleague is known to own the namespace."""

    text = (
        "{namespace} est le namespace d’un projet, dont {user} est membre : la RoleBinding « "
        "{binding} » lui donne déjà tous les droits, et aucun Role ne peut les réduire."
    )
    namespace: str
    user: str
    binding: str


ANOTHER_COLLEAGUE = (
    "Faites ce TP avec quelqu’un qui n’est pas du projet, ou chacun dans son namespace personnel "
    "(--namespace user-…)."
)


class PerhapsMember(Clause):
    """Nobody knows who is in the group that owns the namespace."""

    text = (
        "Vos Roles ne donnent rien de trop à {user}. Mais {namespace} appartient à tout le groupe "
        "{groups} : qui en est a tous les droits, et le cluster ne dit pas si {user} en est."
    )
    user: str
    namespace: str
    groups: str


class AskAboutSecrets(Clause):
    """What tells whether they are."""

    text = (
        "Demandez-lui : kubectl auth can-i get secrets -n {namespace} (la réponse doit être « no »)"
    )
    namespace: str


class TunnelOfAnotherMachine(Clause):
    """The access of some of those invited is not at hand."""

    text = (
        "Le cluster répond que {who} {users:a|ont} ce droit ; l’ouverture du tunnel se prouve sur "
        "{users:son poste|leurs postes}."
    )
    who: str
    users: Names


class AskForTheTunnel(Clause):
    """What they may try themselves."""

    text = (
        "{users:Demandez-lui|Demandez-leur} : kubectl port-forward pod/{pod} 5432:{port} -n "
        "{namespace} (avec cette identité : celle d’un service VSCode est une autre)"
    )
    users: Names
    pod: str
    port: int
    namespace: str


# -- this lab's words in what several labs tell ----------------------------------------------------

SECRETS_GIVEN = (
    "Le mot de passe d’une base se donne à qui l’on veut ; un droit sur les Secrets les donne "
    "tous, sans le dire."
)
INSIDE_PODS = (
    "Dans le conteneur, psql ouvre une session d’administrateur sans mot de passe ; un journal "
    "peut citer des requêtes, donc des données."
)
CHANGES = (
    "Qui crée un pod chez vous y monte vos Secrets ; qui supprime le vôtre arrête la base. Un "
    "tunnel ne demande rien de tel."
)
OTHER_PATHS = (
    "Votre namespace contient aussi vos services VSCode, vos API, vos autres bases : un droit sans "
    "nom d’objet les ouvre tous, y compris ceux de demain."
)
TWO_RULES = "Gardez deux règles : lire le pod de la base, et ouvrir un tunnel vers lui."
ONLY_DOOR = (
    "Un tunnel ignore les NetworkPolicies : ce droit est la seule porte, et le mot de passe la "
    "seule serrure."
)
ONLY_THE_INVITED = (
    "La RoleBinding ne doit nommer que votre collègue, ou ceux que vous déclarez (--collegue "
    "répété)."
)
