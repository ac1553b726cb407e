"""Les vérifications du TP 6 : un droit précis, pour une personne précise, demandé à l’API dans les deux sens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from checks.diagnosis.databases.catalogue import (
    PORT,
    Database,
    no_database,
    not_serving,
    other_bases,
    ready_pods,
    server_in,
)
from checks.diagnosis.rights.excess import Excess, beyond_a_tunnel, kind_of, tunnel_to
from checks.diagnosis.rights.leaks import Concern, Leak, leak, leaks, may, only_the_owner, words
from checks.diagnosis.rights.people import (
    Person,
    as_colleague,
    colleagues,
    is_project,
    opening_verbs,
    owners,
    owns,
    people,
)
from checks.diagnosis.rights.rbac import Request
from checks.diagnosis.rights.team import is_member, persons
from checks.diagnosis.rights.wording import reaches_secrets
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import OWNER_BINDING, Cluster, Colleague, ForwardRefused, Pod
from checks.shell import one_word
from checks.verdict import Diagnostic
from checks.verification import Follows, verification

from .refused_tunnel import why_not

ROLE = "tunnel-vers-la-base"
_NARROW = "Gardez deux règles : lire le pod de la base, et ouvrir un tunnel vers lui."


# -- what the colleague must be able to do ---------------------------------------------------------------------------


@verification(points=1)
def la_base_est_prete(cluster: Cluster) -> Diagnostic | None:
    """La base à partager existe, et son pod est prêt."""
    return no_database(cluster) or not_serving(cluster)


def refused(cluster: Cluster, person: Person, pod: Pod) -> tuple[str, str] | None:
    """Verb and resource of the first right that somebody lacks to forward to `pod`; None when there is none."""
    for verbs, subresource in ((("get",), ""), (opening_verbs(cluster), "portforward")):
        asked = [Request(verb, "", "pods", subresource, pod.name) for verb in verbs]
        if not any(may(cluster, person, one).allowed for one in asked):
            return verbs[0], f"pods/{subresource}".rstrip("/")
    return None


def shared_pods(cluster: Cluster, person: Person) -> Sequence[Pod]:
    """The bases' pods that somebody may forward to. Raises Unverifiable when no base is ready any more."""
    return [pod for _, pod in ready_pods(cluster) if refused(cluster, person, pod) is None]


def meant(cluster: Cluster) -> tuple[Database, Pod]:
    """The base that the learner shares: of several, one that their Roles name. Raises Unverifiable when none is ready
    any more."""
    named_pods = {
        name
        for role in cluster.objects("Role")
        for rule in role.get("rules") or ()
        for name in rule.get("resourceNames") or ()
    }
    ready = ready_pods(cluster)
    return next((one for one in ready if one[1].name in named_pods), ready[0])


def again(cluster: Cluster) -> tuple[str, ...]:
    """The common remedy: the solution's role and binding, for the base that is there, and a binding for each other
    colleague. A binding's role cannot be changed, hence the deletions."""
    database, _ = meant(cluster)
    colleague, *others = cluster.colleagues
    usual = f"oidc-{colleague.namespace.removeprefix('user-')}"
    named_so = "" if colleague.user == usual else f"--utilisateur-collegue {one_word(colleague.user)} "
    return (
        f"kubectl delete rolebinding {ROLE} -n {cluster.namespace} --ignore-not-found",
        f"cahier solution tp6 --namespace {cluster.namespace} --collegue {colleague.namespace} {named_so}"
        f"--base {database.release} --appliquer",
        *(command for one in others for command in _addressed(cluster, one)),
    )


def _addressed(cluster: Cluster, colleague: Colleague) -> tuple[str, str]:
    """The commands that give one more colleague the solution's role."""
    name, user = f"tunnel-{colleague.namespace}", one_word(colleague.user)
    return (
        f"kubectl delete rolebinding {name} -n {cluster.namespace} --ignore-not-found",
        f"kubectl create rolebinding {name} -n {cluster.namespace} --role={ROLE} --user={user}",
    )


@verification(points=3, after=la_base_est_prete)
def votre_collegue_peut_ouvrir_le_tunnel(cluster: Cluster) -> Diagnostic | None:
    """Votre collègue a le droit d’ouvrir un tunnel vers la base.

    Demandé au cluster : lire le pod (get sur pods), puis créer le tunnel (create sur pods/portforward). Le nom des
    objets, leur nombre et leur ordre sont libres. Si vous donnez plusieurs collègues (--collegue répété), chacun doit
    l’avoir. Le namespace d’un projet appartient à tous ses membres : un collègue qui en est n’a rien à recevoir.
    """
    _refuse_a_member(cluster)
    pairs = zip(cluster.colleagues, colleagues(cluster), strict=True)
    out = [(one, person) for one, person in pairs if not shared_pods(cluster, person)]
    if not out:
        return None
    colleague, person = out[0]
    database, pod = meant(cluster)
    lacking = refused(cluster, person, pod)
    if lacking is None:
        return None
    finding, cause = why_not(cluster, colleague, pod, *lacking)
    rest = other_bases(cluster, database.release)
    also = f" Ses droits ne vont pas plus loin sur vos autres bases ({rest}) : une seule suffit." if rest else ""
    others = f" Même refus pour {', '.join(one.user for one, _ in out[1:])}." if len(out) > 1 else ""
    return Diagnostic(
        finding=f"{finding}{_already(cluster, person)}{also}{others}",
        cause=cause,
        fix="Donnez à cet utilisateur, et sur ce pod, « get » sur pods et « create » sur pods/portforward.",
        commands=again(cluster),
        look=(f"kubectl describe roles,rolebindings -n {cluster.namespace}",),
    )


def _already(cluster: Cluster, person: Person) -> str:
    """What somebody without a tunnel may do all the same, for the finding; "" for nothing."""
    harm = beyond_a_tunnel(cluster, Excess.SECRET, Excess.INSIDE, Excess.CHANGE)
    found = leak(cluster, person, harm)
    return f" Il peut en revanche {words(cluster, found, harm)}." if found and found.grants else ""


# -- a project's namespace: all its members own it --------------------------------------------------------------------


def _groups(cluster: Cluster) -> str:
    """The groups to whom the platform gave the namespace."""
    return ", ".join(name for kind, name in owners(cluster) if kind == "Group")


def _refuse_a_member(cluster: Cluster) -> None:
    """Raises Unverifiable when the colleague is known to own the namespace: this lab has nothing to give them."""
    if not is_project(cluster):
        return
    theirs = as_colleague(cluster, cluster.colleague) if _groups(cluster) else None
    of_the_group = theirs is not None and theirs.may("create", "rolebindings.rbac.authorization.k8s.io").allowed
    if of_the_group or ("User", cluster.colleague.user) in owners(cluster):
        raise Unverifiable(
            f"{cluster.namespace} est le namespace d’un projet, dont {cluster.colleague.user} est membre : la "
            f"RoleBinding « {OWNER_BINDING} » lui donne déjà tous les droits, et aucun Role ne peut les réduire.",
            "Faites ce TP avec quelqu’un qui n’est pas du projet, ou chacun dans son namespace personnel "
            "(--namespace user-…).",
        )


def _require_no_member(cluster: Cluster) -> None:
    """Raises Unverifiable when the colleague may be a member: the cluster tells nobody who is in a group."""
    groups, user = _groups(cluster), cluster.colleague.user
    if groups and as_colleague(cluster, cluster.colleague) is None:
        raise Unverifiable(
            f"Vos Roles ne donnent rien de trop à {user}. Mais {cluster.namespace} appartient à tout le groupe "
            f"{groups} : qui en est a tous les droits, et le cluster ne dit pas si {user} en est.",
            f"Demandez-lui : kubectl auth can-i get secrets -n {cluster.namespace} (la réponse doit être « no »)",
        )


# -- what the colleague must not be able to do ------------------------------------------------------------------------


def _guests(cluster: Cluster) -> Sequence[Person]:
    """Those with whom the base is shared: the colleagues, and the team of lab 8 where one is declared."""
    given = {one.user for one in colleagues(cluster)}
    those = [*colleagues(cluster), *(one for one in persons(cluster) if one.user not in given)]
    return [one for one in those if not owns(cluster, one)]


def _only_a_tunnel(cluster: Cluster, cause: str, *kinds: Excess) -> Diagnostic | None:
    """None when the guests have no right of these kinds beyond a tunnel; else what gives it, withdrawn, and what was
    asked for given again."""
    concern = beyond_a_tunnel(cluster, *kinds)
    found = only_the_owner(cluster, concern, cause, who=_guests(cluster), advice=_NARROW)
    if found is None:
        _require_no_member(cluster)
        return None
    return _given_again(cluster, found)


def _given_again(cluster: Cluster, found: Diagnostic) -> Diagnostic:
    """What is withdrawn, and the lab's own binding given again: the learner's file says it too."""
    kept = (one for one in found.commands if not one.startswith(f"kubectl create rolebinding {ROLE} "))
    return replace(found, commands=tuple(dict.fromkeys((*kept, *again(cluster)))))


def _obtained(cluster: Cluster) -> Leak | None:
    """A right by which a guest has any Secret without reading it."""
    every = beyond_a_tunnel(cluster, Excess.INSIDE, Excess.CHANGE, Excess.OTHER)

    def broken_by(request: Request) -> Iterable[Request]:
        inside = kind_of(request) is Excess.INSIDE and request.subresource != "log"
        return every.broken_by(request) if inside or reaches_secrets(request) else ()

    return next(iter(leaks(cluster, _guests(cluster), Concern(broken_by))), None)


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_ne_lit_aucun_secret(cluster: Cluster) -> Diagnostic | None:
    """Votre collègue ne lit aucun de vos Secrets.

    Qui crée un pod, entre dans un des vôtres ou prend un de vos comptes de service les obtient sans les lire : cette
    phrase attend alors celle qui le dit.
    """
    found = _only_a_tunnel(
        cluster,
        "Le mot de passe d’une base se donne à qui l’on veut ; un droit sur les Secrets les donne tous, sans le dire.",
        Excess.SECRET,
    )
    other = None if found else _obtained(cluster)
    if other is not None:
        raise Follows(_TOLD_BY[kind_of(other.request)])
    return found


@verification(points=1, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_n_entre_pas_dans_les_pods(cluster: Cluster) -> Diagnostic | None:
    """Votre collègue n’exécute rien dans vos pods, et n’en lit pas le journal."""
    return _only_a_tunnel(
        cluster,
        "Dans le conteneur, psql ouvre une session d’administrateur sans mot de passe ; un journal peut citer des "
        "requêtes, donc des données.",
        Excess.INSIDE,
    )


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_ne_change_rien(cluster: Cluster) -> Diagnostic | None:
    """Votre collègue ne crée, ne modifie et ne supprime rien chez vous.

    Tout ce que vos RoleBindings lui donnent est lu, quelle que soit la ressource, puis confirmé par le cluster.
    """
    return _only_a_tunnel(
        cluster,
        "Qui crée un pod chez vous y monte vos Secrets ; qui supprime le vôtre arrête la base. Un tunnel ne demande "
        "rien de tel.",
        Excess.CHANGE,
    )


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_n_atteint_que_la_base(cluster: Cluster) -> Diagnostic | None:
    """Ce droit ne porte que sur la base, et rien de plus : ni d’autres pods, ni un autre chemin.

    Lister les pods est toléré, et lire par son nom le Service de la base : un tunnel vers un Service en a besoin, et
    « list » ne se réduit pas à un nom.
    """
    return _only_a_tunnel(
        cluster,
        "Votre namespace contient aussi vos services VSCode, vos API, vos autres bases : un droit sans nom d’objet les "
        "ouvre tous, y compris ceux de demain.",
        Excess.OTHER,
    )


_TOLD_BY = {
    Excess.INSIDE: votre_collegue_n_entre_pas_dans_les_pods,
    Excess.CHANGE: votre_collegue_ne_change_rien,
    Excess.OTHER: votre_collegue_n_atteint_que_la_base,
}


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def personne_d_autre_n_ouvre_de_tunnel(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre n’a ce droit.

    Demandé pour un inconnu, pour les groupes de tout le monde, et pour chaque personne que vos RoleBindings nomment,
    hors des membres du projet si le namespace est celui d’un projet. Une équipe se déclare en répétant --collegue, ou
    par la ConfigMap « equipe » du TP 8.
    """
    invited = {one.user for one in colleagues(cluster)}
    found = only_the_owner(
        cluster,
        tunnel_to(cluster, [pod.name for _, pod in ready_pods(cluster)]),
        "Un tunnel ignore les NetworkPolicies : ce droit est la seule porte, et le mot de passe la seule serrure.",
        who=[one for one in people(cluster) if one.user not in invited and not is_member(cluster, one)],
        advice="La RoleBinding ne doit nommer que votre collègue, ou ceux que vous déclarez (--collegue répété).",
    )
    if found is None or not any(f" rolebinding {ROLE} " in command for command in found.commands):
        return found
    return _given_again(cluster, found)


# -- the tunnel itself ------------------------------------------------------------------------------------------------


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def le_tunnel_de_votre_collegue_s_ouvre(cluster: Cluster) -> Diagnostic | None:
    """Le tunnel de votre collègue s’ouvre, et mène au serveur de votre base.

    Sur le petit SSPCloud local, kubectl l’ouvre vraiment avec les identifiants de votre collègue ; le serveur qui
    répond doit avoir l’empreinte de celui du pod.
    """
    colleague = cluster.colleague
    theirs = as_colleague(cluster, colleague)
    pod = shared_pods(cluster, colleagues(cluster)[0])[0]
    if theirs is None:
        raise Unverifiable(
            f"Le cluster répond que {colleague.user} a ce droit ; l’ouverture du tunnel se prouve sur son poste.",
            f"Demandez-lui : kubectl port-forward pod/{pod.name} 5432:{PORT} -n {cluster.namespace} (avec cette "
            "identité : celle d’un service VSCode est une autre)",
        )
    look = (f"kubectl describe pod {pod.name} -n {cluster.namespace}",)
    try:
        with theirs.kubectl_forward(pod.name, PORT) as connection:
            reached = identify(connection)
        own = server_in(cluster, pod)
    except (ForwardRefused, NotPostgres) as silence:
        return Diagnostic(
            finding=f"Le tunnel de {colleague.user} vers le pod {pod.name} ne va pas jusqu’à PostgreSQL : {silence}.",
            cause="Le droit ne suffit pas : au bout du tunnel, le serveur doit répondre.",
            fix="Lisez le journal du pod de la base.",
            look=(f"kubectl logs {pod.name} -n {cluster.namespace}",),
            transient=True,
        )
    if reached == own:
        return None
    return Diagnostic(
        finding=f"Le tunnel ouvert par {colleague.user} ne mène pas au serveur du pod {pod.name}.",
        cause="Un autre serveur répond à sa place : le pod a été remplacé pendant la vérification.",
        fix="Relancez la vérification.",
        look=look,
        transient=True,
    )
