"""Ce que le TP 4 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.diagnosis.policies.explanations import Fault
from checks.lesson import Clause, Lesson, Names

ADDITIVE = (
    "Un pod qu’aucune policy ne choisit accepte tout. Dès qu’une le choisit, il n’accepte plus que "
    "ce que l’une au moins autorise : les autorisations s’additionnent, et aucune policy n’en "
    "retire."
)
LOOK = (
    "kubectl get networkpolicy -n {namespace}",
    "kubectl get pod {pod} -n {namespace} --show-labels",
)


# -- what was tried: the beginning of a finding ----------------------------------------------------


class NoAnswer(Clause):
    """A connection was tried, and was not made."""

    text = "Depuis un pod de {place}, {address} ne répond pas"
    place: str
    address: str


class NotAdmittedAsRead(Clause):
    """No connection could be tried."""

    text = "Vos policies n’admettent pas les pods de {place} (lu dans vos policies, sans connexion)"
    place: str


class CameIn(Clause):
    """A connection was made from where nobody should come."""

    text = "Depuis le namespace {place}, la connexion à {address} aboutit"
    place: str
    address: str


class WouldComeIn(Clause):
    """The same, where no connection was made."""

    text = (
        "Un namespace qui n’est ni le vôtre ni celui de votre collègue atteindrait la base (lu "
        "dans vos policies, sans connexion)"
    )


# -- one's own pods --------------------------------------------------------------------------------


class MayNotLeave(Lesson):
    """The base admits them: another policy keeps them from leaving their namespace."""

    finding = (
        "{failing} : {leaving} {leaving:empêche|empêchent} les pods de {namespace} d’en sortir."
    )
    cause = (
        "policyTypes: Egress gouverne ce qui sort des pods choisis. Un podSelector vide les "
        "choisit tous, et ce qu’aucune règle « egress » n’autorise est refusé, le DNS du cluster "
        "comme la base."
    )
    fix = (
        "Supprimez cette policy, ou retirez-lui Egress : ouvrir la base ne demande que de "
        "l’Ingress."
    )
    look = LOOK
    failing: Clause
    leaving: Names
    pod: str


class NotAdmittedAtHome(Lesson):
    """The base admits others than one's own pods."""

    finding = (
        "{failing} : {closing} {closing:s’applique|s’appliquent} au pod {pod}, sans admettre votre "
        "propre namespace."
    )
    cause = (
        f"{ADDITIVE} Être dans le même namespace ne donne rien par soi-même : la policy du "
        "catalogue, elle, l’autorisait."
    )
    fix = (
        "Rétablissez la policy du catalogue, qui admet les pods de votre namespace ; gardez la "
        "vôtre à côté."
    )
    look = LOOK
    failing: Clause
    closing: Names
    pod: str


class Unexplained(Lesson):
    """The policies let it through, and yet nothing answers."""

    finding = "{failing}, alors que vos policies l’admettent ({silence})."
    cause = (
        "Le réseau du cluster met un instant à suivre un changement ; sinon, le nom du Service, "
        "son port ou le serveur est en cause."
    )
    fix = "Relancez la vérification dans un instant."
    look = ("kubectl logs {pod} -n {namespace}", *LOOK)
    failing: Clause
    silence: str
    pod: str


# -- the colleague's -------------------------------------------------------------------------------


class AnotherServer(Lesson):
    """The colleague's connection ends at another server than the one in the pod."""

    finding = (
        "Depuis {colleague}, {address} mène à un autre serveur PostgreSQL que celui du pod {pod}."
    )
    cause = (
        "Un Service partage ses clients entre tous les pods que son sélecteur choisit : plusieurs "
        "conviennent."
    )
    fix = "Faites choisir à ce Service le seul pod de la base. (kubectl describe service {service})"
    look = ("kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name={service}",)
    address: str
    service: str
    pod: str


class NearlyOpened(Lesson):
    """A policy of the learner's is about to open the base. `faults`: what of it does not fit."""

    finding = "{failing}. La policy « {policy} » ne l’ouvre pas : {faults}."
    cause = "{cause_of_the_first}"
    fix = (
        "Corrigez-la : au pod de la base, elle doit admettre le namespace {colleague} (étiquette "
        "kubernetes.io/metadata.name) sur TCP {port}."
    )
    look = ("kubectl describe networkpolicy {policy} -n {namespace}", *LOOK)
    failing: Clause
    policy: str
    faults: str
    cause_of_the_first: str
    port: int
    pod: str


class NotOpened(Lesson):
    """No policy of the learner's opens the base. `besides`: what may mislead, sentences or
    nothing."""

    finding = (
        "{failing} : {closing} {closing:ferme|ferment} le pod {pod}, et aucune policy de "
        "{namespace} ne l’ouvre à {colleague}.{besides}"
    )
    cause = (
        "Une NetworkPolicy protège les pods de son propre namespace : c’est à la propriétaire de "
        "la base d’ouvrir chez elle, personne ne s’ouvre une porte de l’extérieur."
    )
    fix = (
        "Complétez ouverture.yaml et appliquez-le dans votre namespace : kubectl apply -f "
        "ouverture.yaml"
    )
    look = LOOK
    failing: Clause
    closing: Names
    besides: str
    pod: str


class RightInTheWrongNamespace(Clause):
    """The colleague's namespace has the policy that the learner's lacks."""

    text = " Une policy qui conviendrait, « {policy} », est dans {place}."
    policy: str
    place: str


class OtherBasesClosedToo(Clause):
    """The learner has other databases, which the colleague does not reach either."""

    text = " Vos autres bases ne lui sont pas ouvertes non plus ({bases}) : une seule suffit."
    bases: str


# -- anybody else ----------------------------------------------------------------------------------


class NotFollowedYet(Lesson):
    """A stranger came in, whom the policies do not admit."""

    finding = "{failing}, alors que vos policies ne l’admettent pas."
    cause = "Le réseau du cluster met un instant à suivre un changement."
    fix = "Relancez la vérification dans un instant."
    look = LOOK
    failing: Clause
    pod: str


class OpenToAll(Lesson):
    """The namespace has no policy."""

    finding = "{failing} : aucune NetworkPolicy dans {namespace}, tout le cluster atteint la base."
    cause = (
        f"{ADDITIVE} La base a été lancée sans l’option « only allow access from the same "
        "namespace » (--ouvert sur le cluster local), ou sa policy a été supprimée."
    )
    fix = (
        "Fermez d’abord la base aux autres namespaces (c’est ce que fait l’option du catalogue), "
        "puis ouvrez-la à votre collègue."
    )
    look = LOOK
    failing: Clause
    pod: str


class OnlyOthersClosed(OpenToAll):
    """The namespace has policies, and each is for other pods."""

    finding = (
        "{failing} : aucune NetworkPolicy de {namespace} ne s’applique au pod {pod}, tout le "
        "cluster atteint la base."
    )


class MissedByItsPolicies(OpenToAll):
    """One of the namespace's policies was meant for the base, and does not choose it."""

    finding = (
        "{failing} : aucune NetworkPolicy ne s’applique au pod {pod}. Celle qui s’appelle « "
        "{policy} » le manque : {fault.said}."
    )
    cause = "{fault.cause}"
    policy: str
    fault: Fault


class OpenedBy(Lesson):
    """Policies open the base to others. `openings`: how, policy by policy; `besides`: what is not
    at fault."""

    finding = "{failing}. {openings}{besides}"
    cause = ADDITIVE
    fix = (
        "Supprimez {policies}, ou limitez-{policies:la|les} à votre namespace et à {colleague}, "
        "nommé par son étiquette kubernetes.io/metadata.name."
    )
    look = LOOK
    failing: Clause
    openings: str
    besides: str
    policies: Names
    pod: str


class OpenedByWhatServesOthers(OpenedBy):
    """One of these policies also serves an operator, or another port."""

    fix = "Retirez de {policies} ce qui admet d’autres namespaces, et gardez le reste."


class Opening(Clause):
    """The first policy that opens, and how."""

    text = "C’est « {policy} » qui ouvre : {ways}."
    policy: str
    ways: str


class AlsoOpening(Opening):
    """Another one."""

    text = "« {policy} » ouvre aussi : {ways}."


class PerhapsOpening(Opening):
    """A policy of which this machine cannot read everything."""

    text = "« {policy} » admet peut-être aussi d’autres pods : {ways}."


class ChangesNothing(Clause):
    """Other policies that choose the pod, and do not close it."""

    text = " {policies} n’y {policies:change|changent} rien."
    policies: Names


class ProgramsSpared(Clause):
    """Programs of the cluster's administrators that a policy admits, and may admit."""

    text = " Les programmes d’administration que vous admettez de {places} ne sont pas en cause."
    places: Names


# -- this lab's words in what several labs tell: « Vos NetworkPolicies, à elles seules, … » --------

ADMIT_OTHERS = "admettent d’autres namespaces que les vôtres"
ADMIT_NOBODY_ELSE = "n’admettent aucun autre namespace"
