"""Les vérifications du TP 6 : un droit précis, pour une personne précise, demandé à l’API dans les deux sens."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from checks.diagnosis.databases import PORT, Database, no_database, not_serving, other_bases, ready_pods, server_in
from checks.diagnosis.objects import named
from checks.diagnosis.rights import Person, is_project, only_the_owner, opening_verbs, owners, people
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import OWNER_BINDING, Cluster, ForwardRefused, Pod
from checks.verdict import Diagnostic
from checks.verification import verification

ROLE = "tunnel-vers-la-base"
_ANOTHER_POD = "un-autre-pod"  # any name but the base's: a right without resourceNames covers it
_NARROW = "Gardez deux règles : lire le pod de la base, et ouvrir un tunnel vers lui."
_Question = tuple[str, str, str, str]


# -- what the colleague must be able to do ---------------------------------------------------------------------------


@verification(points=1)
def la_base_est_prete(cluster: Cluster) -> Diagnostic | None:
    """La base à partager existe, et son pod est prêt."""
    return no_database(cluster) or not_serving(cluster)


def refused(cluster: Cluster, pod: Pod) -> tuple[str, str] | None:
    """Verb and resource of the first right that the colleague lacks to forward to `pod`; None when there is none."""
    for verb, resource in (("get", "pods"), ("create", "pods/portforward")):
        if not cluster.may_other(cluster.colleague.user, verb, resource, name=pod.name).allowed:
            return verb, resource
    return None


def shared_pods(cluster: Cluster) -> Sequence[Pod]:
    """The bases' pods that the colleague may forward to. Raises Unverifiable when no base is ready any more."""
    return [pod for _, pod in ready_pods(cluster) if refused(cluster, pod) is None]


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
    """The common remedy: the solution's role and binding, for the base that is there. A binding's role cannot be
    changed, hence the deletion."""
    database, _ = meant(cluster)
    colleague = cluster.colleague
    usual = f"oidc-{colleague.namespace.removeprefix('user-')}"
    named_so = "" if colleague.user == usual else f"--utilisateur-collegue {shlex.quote(colleague.user)} "
    return (
        f"kubectl delete rolebinding {ROLE} -n {cluster.namespace} --ignore-not-found",
        f"cahier solution tp6 --namespace {cluster.namespace} --collegue {colleague.namespace} {named_so}"
        f"--base {database.release} --appliquer",
    )


@verification(points=3, after=la_base_est_prete)
def votre_collegue_peut_ouvrir_le_tunnel(cluster: Cluster) -> Diagnostic | None:
    """Votre collègue a le droit d’ouvrir un tunnel vers la base.

    Demandé au cluster : lire le pod (get sur pods), puis créer le tunnel (create sur pods/portforward). Le nom des
    objets, leur nombre et leur ordre sont libres. Le namespace d’un projet appartient à tous ses membres : un
    collègue qui en est n’a rien à recevoir.
    """
    _refuse_a_member(cluster)
    if shared_pods(cluster):
        return None
    database, pod = meant(cluster)
    lacking = refused(cluster, pod)
    if lacking is None:
        return None
    finding, cause = _why_not(cluster, pod, *lacking)
    rest = other_bases(cluster, database.release)
    also = f" Ses droits ne vont pas plus loin sur vos autres bases ({rest}) : une seule suffit." if rest else ""
    return Diagnostic(
        finding=f"{finding}{also}",
        cause=cause,
        fix="Donnez à cet utilisateur, et sur ce pod, « get » sur pods et « create » sur pods/portforward.",
        commands=again(cluster),
        look=(f"kubectl describe roles,rolebindings -n {cluster.namespace}",),
    )


# -- a project's namespace: all its members own it --------------------------------------------------------------------


def _groups(cluster: Cluster) -> str:
    """The groups to whom the platform gave the namespace."""
    return ", ".join(name for kind, name in owners(cluster) if kind == "Group")


def _colleague_here(cluster: Cluster) -> Cluster | None:
    """This namespace as the colleague sees it, where their own access is at hand."""
    theirs = cluster.as_owner(cluster.colleague.namespace, at=cluster.namespace)
    return theirs if theirs is not None and theirs.user == cluster.colleague.user else None


def _refuse_a_member(cluster: Cluster) -> None:
    """Raises Unverifiable when the colleague is known to own the namespace: this lab has nothing to give them."""
    if not is_project(cluster):
        return
    theirs = _colleague_here(cluster) if _groups(cluster) else None
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
    if groups and _colleague_here(cluster) is None:
        raise Unverifiable(
            f"Vos Roles ne donnent rien de trop à {user}. Mais {cluster.namespace} appartient à tout le groupe "
            f"{groups} : qui en est a tous les droits, et le cluster ne dit pas si {user} en est.",
            f"Demandez-lui : kubectl auth can-i get secrets -n {cluster.namespace} (la réponse doit être « no »)",
        )


# -- why the API said no: read only once it has --------------------------------------------------------------------


def _bindings(cluster: Cluster) -> Sequence[Mapping[str, Any]]:
    return [one for one in cluster.objects("RoleBinding") if one["metadata"]["name"] != OWNER_BINDING]


def _names(binding: Mapping[str, Any], kind: str, name: str) -> bool:
    return any((one["kind"], one["name"]) == (kind, name) for one in binding.get("subjects") or ())


def _why_not(cluster: Cluster, pod: Pod, verb: str, resource: str) -> tuple[str, str]:
    """Finding and cause: the binding that misses the colleague, else the role that misses the right."""
    user = cluster.colleague.user
    ours = [one for one in _bindings(cluster) if _names(one, "User", user)]
    if not ours:
        return _nobody_named(cluster)
    said = f"L’API refuse à {user} « {verb} » sur {resource} du pod {pod.name}"
    for binding in ours:
        name, reference = binding["metadata"]["name"], binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            found = f"la RoleBinding « {name} » lui donne le ClusterRole « {reference['name']} », qui n’y suffit pas"
            return f"{said} : {found}.", "Un ClusterRole tout fait ne contient pas forcément ce qu’il vous faut."
        if named(cluster, "Role", reference["name"]) is None:
            return (
                f"La RoleBinding « {name} » désigne le Role « {reference['name']} », qui n’existe pas dans "
                f"{cluster.namespace}.",
                "Une RoleBinding ne donne rien par elle-même : son Role disparu, elle reste, sans effet.",
            )
    roles = [one for one in cluster.objects("Role") if one["metadata"]["name"] in {b["roleRef"]["name"] for b in ours}]
    names = " et ".join(f"« {one['metadata']['name']} »" for one in roles)
    rules = [rule for role in roles for rule in role.get("rules") or ()]
    found, cause = _lacking(rules, pod.name, verb, resource)
    return f"{said} : le Role {names} {found}.", cause


def _nobody_named(cluster: Cluster) -> tuple[str, str]:
    colleague = cluster.colleague
    short = colleague.namespace.removeprefix("user-")
    for binding in _bindings(cluster):
        name = binding["metadata"]["name"]
        for subject in binding.get("subjects") or ():
            place = subject.get("namespace") or cluster.namespace
            if subject["kind"] == "ServiceAccount" and (short in subject["name"] or place == colleague.namespace):
                return (
                    f"La RoleBinding « {name} » s’adresse au compte de service « {subject['name']} » de {place}.",
                    "Un compte de service est l’identité d’un pod, pas d’une personne. Si votre collègue travaille "
                    "dans ce pod (un service VSCode), nommez-le : --utilisateur-collegue "
                    f"system:serviceaccount:{place}:{subject['name']}",
                )
            if subject["kind"] == "Group" and subject["name"] in (colleague.user, colleague.namespace, short):
                return (
                    f"La RoleBinding « {name} » s’adresse au groupe « {subject['name']} », pas à un utilisateur.",
                    "L’API n’ajoute pas une personne à un groupe qui porterait son nom.",
                )
            if re.split(r"[-:@]", subject["name"].lower(), maxsplit=1)[-1] == short:
                return (
                    f"La RoleBinding « {name} » s’adresse à « {subject['name']} » : ce n’est le nom de personne.",
                    "Le nom d’une personne pour l’API n’est pas celui de son namespace ; l’API ne corrige rien et "
                    "n’avertit pas. « kubectl auth whoami » donne le vrai nom à qui le demande pour soi.",
                )
    others = sorted({str(one["name"]) for item in _bindings(cluster) for one in item.get("subjects") or ()})
    seen = f" Celles qui existent s’adressent à : {', '.join(others)}." if others else ""
    return (
        f"Aucune RoleBinding du namespace {cluster.namespace} ne s’adresse à {colleague.user}.{seen}",
        "Un Role ne donne rien à lui seul : c’est la RoleBinding qui l’adresse à quelqu’un.",
    )


def _lacking(rules: Sequence[Mapping[str, Any]], pod: str, verb: str, resource: str) -> tuple[str, str]:
    """What the rules miss of one right, as the end of a sentence, and why it matters."""

    def about(part: str, *wanted: str) -> list[Mapping[str, Any]]:
        return [rule for rule in rules if {*wanted, "*"} & set(rule.get(part) or ())]

    on_it = about("resources", resource)
    if not on_it:
        if about("resources", "services/portforward") and resource == "pods/portforward":
            return (
                "parle de services/portforward",
                "Cette sous-ressource n’existe pas : un tunnel vers un Service choisit un pod, et s’ouvre vers lui.",
            )
        return f"n’a aucune règle sur {resource}", "Lire un pod et y ouvrir un tunnel sont deux droits distincts."
    with_verb = [rule for rule in on_it if {verb, "*"} & set(rule.get("verbs") or ())]
    if not with_verb:
        verbs = ", ".join(f"« {one} »" for rule in on_it for one in rule.get("verbs") or ())
        return (
            f"ne permet sur {resource} que {verbs}",
            "Chaque verbe est un droit à part ; ouvrir un tunnel, c’est en créer un.",
        )
    names = ", ".join(f"« {one} »" for rule in with_verb for one in rule.get("resourceNames") or ())
    return (
        f"ne le permet que sur {names}",
        "resourceNames contient des noms d’objets de la ressource citée : ici des pods, pas leur Service.",
    )


# -- what the colleague must not be able to do ------------------------------------------------------------------------


def _only_a_tunnel(cluster: Cluster, questions: Sequence[_Question], cause: str) -> Diagnostic | None:
    """None when the colleague may do none of `questions`; else the binding that gives it, withdrawn and made anew."""
    user = cluster.colleague.user
    found = only_the_owner(cluster, questions, cause, who=[Person(user, f"Votre collègue ({user})")], advice=_NARROW)
    if found is None:
        _require_no_member(cluster)
        return None
    commands = (*found.commands, *again(cluster))
    return Diagnostic(found.finding, found.cause, found.fix, commands, found.look)


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_ne_lit_aucun_secret(cluster: Cluster) -> Diagnostic | None:
    """Votre collègue ne lit aucun de vos Secrets."""
    names = sorted(str(one["metadata"]["name"]) for one in cluster.objects("Secret"))
    return _only_a_tunnel(
        cluster,
        [
            *((verb, "secrets", "", "lire tous vos Secrets") for verb in ("list", "watch")),
            *(("get", "secrets", name, f"lire le Secret {name}") for name in names),
        ],
        "Le mot de passe d’une base se donne à qui l’on veut ; un droit sur les Secrets les donne tous, sans le dire.",
    )


@verification(points=1, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_n_entre_pas_dans_les_pods(cluster: Cluster) -> Diagnostic | None:
    """Votre collègue n’exécute rien dans le pod de la base, et n’en lit pas le journal."""
    return _only_a_tunnel(
        cluster,
        [
            *(
                (verb, f"pods/{way}", pod.name, f"{what} le pod {pod.name}")
                for _, pod in ready_pods(cluster)
                for way, what in (("exec", "exécuter des commandes dans"), ("attach", "s’attacher à un programme dans"))
                for verb in opening_verbs(cluster)
            ),
            *(("get", "pods/log", pod.name, f"lire le journal du pod {pod.name}") for _, pod in ready_pods(cluster)),
        ],
        "Dans le conteneur, psql ouvre une session d’administrateur sans mot de passe ; un journal peut citer des "
        "requêtes, donc des données.",
    )


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_ne_change_rien(cluster: Cluster) -> Diagnostic | None:
    """Votre collègue ne crée, ne modifie et ne supprime rien chez vous."""
    made = {
        "pods": "des pods",
        "services": "des Services",
        "secrets": "des Secrets",
        "deployments.apps": "des Deployments",
        "networkpolicies.networking.k8s.io": "des NetworkPolicies",
        "roles.rbac.authorization.k8s.io": "des Roles",
        "rolebindings.rbac.authorization.k8s.io": "des RoleBindings",
    }
    changes = {"delete": "supprimer", "patch": "modifier", "update": "modifier"}
    return _only_a_tunnel(
        cluster,
        [
            *(
                (verb, "pods", pod.name, f"{what} le pod {pod.name}")
                for _, pod in ready_pods(cluster)
                for verb, what in changes.items()
            ),
            ("deletecollection", "pods", "", "supprimer tous vos pods"),
            *(("create", resource, "", f"créer {what} chez vous") for resource, what in made.items()),
            *(
                (verb, resource, "", f"{said} {what} chez vous")
                for resource, what in made.items()
                for verb, said in changes.items()
            ),
        ],
        "Qui crée un pod chez vous y monte vos Secrets ; qui supprime le vôtre arrête la base. Un tunnel ne demande "
        "rien de tel.",
    )


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def votre_collegue_n_atteint_que_la_base(cluster: Cluster) -> Diagnostic | None:
    """Ce droit ne porte que sur la base : pas sur vos autres pods, ni sur un autre chemin.

    Lister les pods est toléré : un tunnel vers un Service en a besoin, et « list » ne se réduit pas à un nom.
    """
    ready = {pod.name for _, pod in ready_pods(cluster)}
    others = [pod.name for pod in cluster.pods() if pod.name not in ready] or [_ANOTHER_POD]
    services = [str(one["metadata"]["name"]) for one in cluster.objects("Service")]
    return _only_a_tunnel(
        cluster,
        [
            *(
                (verb, "pods/portforward", name, f"ouvrir un tunnel vers n’importe lequel de vos pods, dont {name}")
                if name != _ANOTHER_POD
                else (verb, "pods/portforward", name, "ouvrir un tunnel vers tout pod que vous lancerez ici")
                for name in others
                for verb in opening_verbs(cluster)
            ),
            *(("get", "pods/proxy", name, f"parler au pod {name} par l’API") for name in sorted(ready)),
            *(("get", "services/proxy", name, f"parler au Service {name} par l’API") for name in services),
        ],
        "Votre namespace contient aussi vos services VSCode, vos API, vos autres bases : un droit sans nom d’objet les "
        "ouvre tous, y compris ceux de demain.",
    )


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def personne_d_autre_n_ouvre_de_tunnel(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre n’a ce droit.

    Demandé pour un inconnu, pour les groupes de tout le monde, et pour chaque personne que vos RoleBindings nomment,
    hors des membres du projet si le namespace est celui d’un projet. Partager avec une troisième personne se déclare
    au TP 8.
    """
    others = [one for one in people(cluster) if one.user != cluster.colleague.user]
    return only_the_owner(
        cluster,
        [
            (verb, "pods/portforward", pod.name, f"ouvrir un tunnel vers le pod {pod.name}")
            for _, pod in ready_pods(cluster)
            for verb in opening_verbs(cluster)
        ],
        "Un tunnel ignore les NetworkPolicies : ce droit est la seule porte, et le mot de passe la seule serrure.",
        who=others,
        advice="La RoleBinding ne doit nommer que votre collègue.",
    )


# -- the tunnel itself ------------------------------------------------------------------------------------------------


@verification(points=2, after=votre_collegue_peut_ouvrir_le_tunnel)
def le_tunnel_de_votre_collegue_s_ouvre(cluster: Cluster) -> Diagnostic | None:
    """Le tunnel de votre collègue s’ouvre, et mène au serveur de votre base.

    Sur le petit SSPCloud local, kubectl l’ouvre vraiment avec les identifiants de votre collègue ; le serveur qui
    répond doit avoir l’empreinte de celui du pod.
    """
    colleague = cluster.colleague
    theirs = cluster.as_owner(colleague.namespace, at=cluster.namespace)
    pod = shared_pods(cluster)[0]
    if theirs is None or theirs.user != colleague.user:
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
