"""Les vérifications du TP 8 : une équipe déclarée, une base partagée avec elle, et avec personne d’autre."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import yaml

from checks.diagnosis.databases.catalogue import no_database, not_serving, platform_secrets
from checks.diagnosis.policies.explanations import of_administrators
from checks.diagnosis.policies.other_enforcers import require_only_network_policies
from checks.diagnosis.rights.excess import obtaining, touching, tunnel_to
from checks.diagnosis.rights.leaks import Concern, may, only_the_owner
from checks.diagnosis.rights.people import Person, owns, people
from checks.diagnosis.rights.rbac import Request
from checks.diagnosis.rights.team import (
    KEY,
    TEAM,
    declaration,
    declaration_words,
    declared,
    is_member,
    members,
    persons,
    user_of,
    wrong_word,
)
from checks.diagnosis.workloads.objects import maker, named
from checks.errors import Unverifiable
from checks.facts import Cluster
from checks.french import quoted
from checks.shell import one_word, thing
from checks.verdict import Diagnostic
from checks.verification import verification

from . import accounts
from .accounts import administrators
from .admission import dressed
from .closing import close
from .leftovers import leftovers
from .passwords_in_clear import in_clear
from .ways_in import Door, base, doors
from .ways_tried import Opening, opened_to, require_enforcement, survey

ROLE = "tunnel-equipe"
_NARROW = "L’équipe n’a besoin que d’un chemin vers la base : un tunnel, ou le réseau."


# -- the team ------------------------------------------------------------------------------------------------------


def _membership(cluster: Cluster) -> tuple[str, ...]:
    """The line of equipe.yaml that declares the team, as far as we can tell."""
    words = declaration_words(cluster)
    return ("# equipe.yaml, ConfigMap equipe, sous « data » :", f"{KEY}: {words}") if words else ()


@verification(points=1)
def l_equipe_est_declaree(cluster: Cluster) -> Diagnostic | None:
    """L’équipe est déclarée : votre collègue, et au moins une autre personne.

    La ConfigMap « equipe » nomme le namespace de chaque membre, sous la clé « membres », suivi au besoin de son
    utilisateur (user-chloe=NOM). Tout le reste est comparé à cette déclaration.
    """
    colleague = cluster.colleague.namespace
    fix = (
        f"Écrivez dans la ConfigMap « {TEAM} », sous la clé « {KEY} », le namespace de chaque membre, séparés par des "
        "espaces, sans compter le vôtre."
    )
    cause = "Sans liste écrite de qui doit entrer, personne ne peut dire qui est de trop."
    finding = ""
    if declaration(cluster) is None:
        finding = f"Aucune ConfigMap « {TEAM} » dans le namespace {cluster.namespace}."
    elif not members(cluster):
        finding = f"La ConfigMap « {TEAM} » ne nomme aucun membre sous la clé « {KEY} »."
    for word in members(cluster):
        wrong = wrong_word(cluster, word)
        if wrong is not None and not finding:
            finding = f"ConfigMap « {TEAM} », clé « {KEY} » : {wrong[0]}."
            cause = wrong[1]
    if not finding and colleague not in members(cluster):
        finding = f"La ConfigMap « {TEAM} » ne nomme pas votre collègue, {colleague}."
    if not finding and len(members(cluster)) < 2:
        finding = f"La ConfigMap « {TEAM} » ne nomme qu’une personne en plus de vous : {colleague}."
        cause = "Partager à deux se règle de gré à gré ; à trois, il faut savoir qui entre, qui sort, et qui est parti."
    if not finding:
        return None
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=fix,
        lines=_membership(cluster),
        commands=declared(cluster),
        look=(f"kubectl get configmap {TEAM} -n {cluster.namespace} -o yaml",),
    )


@verification(points=1)
def la_base_est_prete(cluster: Cluster) -> Diagnostic | None:
    """La base partagée existe, et son pod est prêt."""
    return no_database(cluster) or not_serving(cluster)


# -- each member gets in -------------------------------------------------------------------------------------------


def _give_tunnel(cluster: Cluster, member: str) -> Sequence[str]:
    """The commands that give a member a tunnel to the base, and nothing else."""
    name, pod, place = f"tunnel-{member}", base(cluster)[1].name, f"-n {cluster.namespace}"
    there = [kind for kind in ("Role", "RoleBinding") if named(cluster, kind, name) is not None]
    gone = (" ".join(("kubectl delete", ",".join(there).lower(), name, place)),) if there else ()
    return (
        *gone,
        f"kubectl create role {name} {place} --verb=get,create --resource=pods,pods/portforward --resource-name={pod}",
        f"kubectl create rolebinding {name} {place} --role={name} --user={one_word(user_of(cluster, member))}",
    )


def _subjects(cluster: Cluster, those: Sequence[str]) -> tuple[str, ...]:
    """The lines of acces.yaml that name the members whom its RoleBinding leaves out."""
    binding = named(cluster, "RoleBinding", ROLE)
    if binding is None:  # they share otherwise
        return ()
    missing = {user_of(cluster, member) for member in those} - {one["name"] for one in binding.get("subjects") or ()}
    made = [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"} for user in sorted(missing)]
    lines = [yaml.safe_dump(one, default_flow_style=True, sort_keys=False, width=math.inf).strip() for one in made]
    return (f"# acces.yaml, RoleBinding {ROLE}, sous « subjects » :", *(f"- {one}" for one in lines)) if lines else ()


def _misnamed(cluster: Cluster, member: str) -> str:
    """A RoleBinding that writes the member's namespace where the cluster expects a user."""
    for binding in cluster.objects("RoleBinding"):
        for subject in binding.get("subjects") or ():
            if subject["kind"] == "User" and subject["name"] == member != user_of(cluster, member):
                return (
                    f" (La RoleBinding « {binding['metadata']['name']} » nomme l’utilisateur « {member} » : c’est "
                    "le nom d’un namespace.)"
                )
    return ""


def _shut_out(cluster: Cluster, member: str) -> tuple[str, bool] | None:
    """Why a member gets in by neither way, and whether it may settle; None when they do."""
    found = survey(cluster)
    lacks = found.tunnels[member]
    user = user_of(cluster, member)
    if not lacks and found.opened.get(member) is not False:
        return None
    by_tunnel = f"{user} {lacks}" if lacks else f"le tunnel que {user} a le droit d’ouvrir ne mène pas à la base"
    decisions = [dressed(cluster, door.pod, door.port, member)[1] for door in doors(cluster)]
    means = True if any(one.allowed for one in decisions) else decisions[0].allowed
    if member in found.visits:
        if found.visits[member].reached:
            if means is False:
                require_enforcement(cluster, f"{member} atteint la base par le réseau, comme n’importe qui")
            return None
        by_network = f"une vraie connexion depuis {member} n’aboutit pas"
        if means is False and decisions[0].selecting:
            by_network += f" (NetworkPolicy {', '.join(decisions[0].selecting)})"
    elif means is True:
        require_only_network_policies(cluster, f"admettent le namespace {member}")
        return None  # reasoned: nobody here can try it from there
    elif means is None and lacks:
        raise Unverifiable(
            f"On ne peut pas dire d’ici si {member} atteint la base : vos NetworkPolicies regardent des étiquettes ou "
            "des adresses que nous ne connaissons pas.",
            "Demandez à ce membre d’essayer, ou désignez son namespace par kubernetes.io/metadata.name.",
        )
    else:
        require_only_network_policies(cluster, f"n’admettent pas le namespace {member}")
        require_enforcement(cluster, f"on ne peut pas dire que {member} n’atteint pas la base par le réseau")
        by_network = f"vos NetworkPolicies ({', '.join(decisions[0].selecting)}) écartent son namespace"
    settles = not lacks or means is True
    return f"par tunnel, {by_tunnel}{_misnamed(cluster, member)} ; par le réseau, {by_network}", settles


@verification(points=3, after=(l_equipe_est_declaree, la_base_est_prete))
def chaque_membre_atteint_la_base(cluster: Cluster) -> Diagnostic | None:
    """Chaque membre de l’équipe a une voie jusqu’à la base : un tunnel, ou le réseau.

    Les droits sont demandés à l’API, et les voies ouvertes pour de vrai là où l’on peut se mettre à la place du
    membre (sur le petit SSPCloud local) ; ailleurs, le réseau est jugé d’après le sens de vos NetworkPolicies.
    """
    out = {member: shut for member in members(cluster) if (shut := _shut_out(cluster, member)) is not None}
    if not out:
        return None
    first, (why, _) = next(iter(out.items()))
    others = f" Même chose pour {', '.join(list(out)[1:])}." if len(out) > 1 else ""
    return Diagnostic(
        finding=f"{first}, que vous avez déclaré, n’a aucune voie vers la base {base(cluster)[0].release} : "
        f"{why}.{others}",
        cause="Une équipe est servie quand chacun de ses membres l’est. L’API a été interrogée pour chacun, sous le "
        "nom que le cluster lui connaît.",
        fix="Donnez une voie à chacun : nommez-le dans une RoleBinding qui permet le tunnel, ou admettez son namespace "
        "dans une NetworkPolicy. La première, pour les membres qui manquent :",
        lines=_subjects(cluster, list(out)),
        commands=tuple(command for member in out for command in _give_tunnel(cluster, member)),
        look=(
            f"kubectl get rolebindings -n {cluster.namespace} -o wide",
            f"kubectl describe networkpolicy -n {cluster.namespace}",
        ),
        transient=all(settles for _, settles in out.values()),
    )


# -- nobody else by the network ------------------------------------------------------------------------------------


def _entering(opening: Opening, door: Door) -> str:
    """Words for who gets in, and how we know."""
    at = f"le pod {door.pod.name} (port {door.port})"
    if opening.stranger:
        return f"une vraie connexion depuis {opening.stranger}, qui n’est pas de l’équipe, atteint {at}"
    sure = [leak for leak in opening.leaks if leak.sure]
    if not opening.selecting or any(leak.kind not in ("namespaces", "administrators") for leak in sure):
        return f"d’après vos NetworkPolicies, n’importe quel namespace atteint {at}"
    people = sorted({name for leak in sure if leak.kind == "namespaces" for name in leak.what})
    theirs = sorted({name for leak in sure if leak.kind == "administrators" for name in leak.what})
    told = [f"{'au namespace' if len(people) == 1 else 'aux namespaces'} {quoted(people)}"] if people else []
    told += [f"à tous les pods {of_administrators(theirs)}"] if theirs else []
    return f"d’après vos NetworkPolicies, {at} est ouvert, hors de l’équipe, {' et '.join(told)}"


def _through(opening: Opening) -> str:
    if len(opening.by) == 1:
        return f"C’est la NetworkPolicy « {opening.by[0]} » qui l’admet."
    if opening.by:
        return f"Ce sont les NetworkPolicies {quoted(opening.by)} qui l’admettent."
    if opening.selecting:
        return f"Les NetworkPolicies {', '.join(opening.selecting)} devraient l’écarter."
    return "Aucune NetworkPolicy ne choisit ce pod : tout le cluster lui est ouvert."


@verification(points=2, after=(l_equipe_est_declaree, la_base_est_prete))
def le_reseau_n_admet_que_l_equipe(cluster: Cluster) -> Diagnostic | None:
    """Par le réseau, personne n’atteint la base hors de votre namespace et de l’équipe.

    Une vraie connexion est tentée depuis le namespace de quelqu’un d’autre, là où c’est possible ; le sens de vos
    NetworkPolicies est lu aussi, pour tous ceux qu’elles pourraient admettre.
    """
    door = doors(cluster)[0]
    opening = opened_to(cluster, door)
    if opening is None:
        return None
    return Diagnostic(
        finding=f"Namespace {cluster.namespace} : {_entering(opening, door)}. {_through(opening)}",
        cause="Les NetworkPolicies s’additionnent : un pod que l’une choisit reçoit ce qu’admet l’une ou l’autre, et "
        "un pod qu’aucune ne choisit reçoit tout. L’étiquette d’un pod ne protège pas : chacun étiquette les siens.",
        fix="N’admettez que votre namespace et, si l’équipe passe par le réseau, les namespaces de ses membres, "
        "désignés par kubernetes.io/metadata.name.",
        commands=close(cluster, door),
        look=(f"kubectl describe networkpolicy -n {cluster.namespace}",),
        transient=opening.settles,
    )


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def aucun_relais_ouvert_a_tous(cluster: Cluster) -> Diagnostic | None:
    """Aucun pod de votre namespace ne relaie la base hors de l’équipe.

    Chaque port ouvert de vos autres pods est essayé : un relais se reconnaît à l’empreinte du serveur qui répond.
    """
    for door in doors(cluster)[1:]:
        opening = opened_to(cluster, door)
        if opening is None:
            continue
        kind, name = maker(cluster, door.pod)
        return Diagnostic(
            finding=f"Le pod {door.pod.name} relaie votre base sur son port {door.port}, et "
            f"{_entering(opening, door)}. {_through(opening)}",
            cause="La base admet les pods de votre namespace : un relais oublié chez vous la rouvre à tous ceux qui "
            "l’atteignent, lui, sans que la NetworkPolicy de la base y puisse rien.",
            fix="Supprimez ce relais s’il ne sert plus ; sinon, fermez-le par une NetworkPolicy qui le choisit et "
            "n’admet que l’équipe.",
            commands=(f"kubectl delete {thing(kind, name)} -n {cluster.namespace} --ignore-not-found",),
            look=(f"kubectl get pods -n {cluster.namespace} -o wide",),
            transient=opening.settles,
        )
    return None


# -- nobody else by the rights -------------------------------------------------------------------------------------


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def personne_d_autre_n_ouvre_de_tunnel(cluster: Cluster) -> Diagnostic | None:
    """Hors de l’équipe, personne ne peut ouvrir de tunnel vers la base.

    Demandé à l’API pour un inconnu, et pour chaque personne que vos RoleBindings nomment sans qu’elle soit déclarée.
    """
    return only_the_owner(
        cluster,
        tunnel_to(cluster, [door.pod.name for door in doors(cluster)]),
        cause="Un tunnel entre par la boucle locale du pod : aucune NetworkPolicy ne l’arrête. Une RoleBinding qui "
        "nomme trop de monde, ou quelqu’un qui a quitté l’équipe, ouvre donc la base.",
        who=[one for one in people(cluster) if not is_member(cluster, one)],
        advice="Si cette personne est de l’équipe, déclarez-la d’abord.",
    )


def everybody(cluster: Cluster) -> Sequence[Person]:
    """Everybody but the owner, the members among them whether or not a RoleBinding names them."""
    team = {member.user: member for member in persons(cluster) if not owns(cluster, member)}
    found = [replace(team.pop(one.user), said=one.said) if one.user in team else one for one in people(cluster)]
    return [*found, *team.values()]


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def personne_ne_lit_les_secrets_de_la_base(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre que vous, membres compris, ne lit les Secrets de la base.

    Ni directement, ni en faisant tourner chez vous un pod qui les monte, ou en prenant un compte de service. Un Secret
    à part, que l’équipe lit pour y trouver le mot de passe de son propre compte, convient.
    """
    who = everybody(cluster)
    return only_the_owner(
        cluster,
        obtaining(platform_secrets(cluster, base(cluster)[0].release)),
        cause="Le catalogue donne le même mot de passe au propriétaire de la base et à l’administrateur du serveur : "
        "qui lit ce Secret peut tout, et le retirer de l’équipe n’y changera rien.",
        who=who,
        advice=_NARROW,
    ) or _telling_secret(cluster, who)


def _telling_secret(cluster: Cluster, who: Sequence[Person]) -> Diagnostic | None:
    """A Secret of the owner's own making that somebody may read, and that opens more than it should to them."""
    platform = platform_secrets(cluster, base(cluster)[0].release)
    for name in (str(item["metadata"]["name"]) for item in cluster.objects("Secret")):
        if name in platform:
            continue
        readers = [one for one in who if may(cluster, one, Request("get", "", "secrets", name=name)).allowed]
        if not readers:
            continue
        opened = [
            role
            for value in (cluster.secret_values(name) or {}).values()
            for role in accounts.opened_by(cluster, value)
        ]
        for person in readers:
            over = [role for role in opened if role.platform or not is_member(cluster, person)]
            if not over:
                continue
            kind = "administre" if over[0].platform else "ouvre"
            found = only_the_owner(
                cluster,
                _reading(name, f", dont une valeur {kind} la base (« {over[0].name} »)"),
                cause="Copier un mot de passe dans un Secret, c’est le partager avec tous ceux qui lisent la copie.",
                who=[person],
                advice=_NARROW,
            )
            if found is not None:
                return found
    return None


def _reading(secret: str, why: str) -> Concern:
    """Reading this Secret, which opens more than it should: `why`."""
    return replace(obtaining([secret]), effect=lambda request: why)


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def personne_n_agit_sur_le_pod_de_la_base(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre que vous n’agit dans le pod de la base, ni ne touche à ce qui le protège.

    Ni y exécuter une commande, ni modifier ou supprimer vos pods, vos NetworkPolicies ou vos Services.
    """
    return only_the_owner(
        cluster,
        touching(cluster, base(cluster)[1].name),
        cause="Dans le conteneur, psql ouvre une session d’administrateur sans mot de passe ; ce qui touche à vos pods "
        "est du côté intérieur de toutes vos serrures.",
        who=everybody(cluster),
        advice=_NARROW,
    )


# -- the accounts --------------------------------------------------------------------------------------------------


@verification(points=2, after=la_base_est_prete)
def l_equipe_a_son_propre_compte(cluster: Cluster) -> Diagnostic | None:
    """L’équipe a son propre compte PostgreSQL, sans pouvoir d’administrateur.

    Un compte pour tous, ou un par membre. Le serveur est interrogé dans son pod ; le mot de passe de la plateforme
    est vraiment essayé sur ce compte, et doit être refusé.
    """
    release = base(cluster)[0].release
    pod = base(cluster)[1].name
    own = sorted(
        (role for role in accounts.roles(cluster) if not role.platform), key=lambda role: (not role.login, role.name)
    )
    flaws = [(role, accounts.flaw(cluster, role)) for role in own]
    if any(wrong is None for _, wrong in flaws):
        return None
    cause = (
        "Le compte du formulaire possède la base, et son mot de passe est aussi celui de l’administrateur du serveur. "
        "Un compte à part se limite, se change et se retire sans toucher au vôtre."
    )
    admin = one_word(administrators(base(cluster)[1])[-1])
    look = (f"kubectl exec {pod} -n {cluster.namespace} -- psql -U {admin} -c '\\du'",)
    for role, wrong in flaws:
        assert wrong is not None
        return Diagnostic(
            finding=f"Base {release} : le compte « {role.name} » {wrong[0]}. Aucun autre compte ne convient à "
            "l’équipe.",
            cause=cause,
            fix="Ce compte ne doit avoir que ce qu’il faut : ouvrir une session, se connecter à la base, et un mot de "
            "passe qui ne sert à rien d’autre.",
            commands=wrong[1],
            look=look,
        )
    return Diagnostic(
        finding=f"La base {release} n’a pas d’autre compte que ceux de la plateforme : l’équipe n’a que le vôtre.",
        cause=cause,
        fix="Créez un rôle LOGIN ordinaire dans le serveur, avec un mot de passe tiré au hasard que vous gardez dans "
        "un Secret à part.",
        commands=accounts.new_password(cluster, TEAM),
        look=look,
    )


@verification(points=1, after=l_equipe_a_son_propre_compte)
def aucun_compte_n_administre_la_base(cluster: Cluster) -> Diagnostic | None:
    """Hors des comptes de la plateforme, aucun compte n’a de pouvoir d’administrateur."""
    for role in accounts.roles(cluster):
        strong = None if role.platform or not role.login else accounts.too_strong(cluster, role)
        if strong is not None:
            return Diagnostic(
                finding=f"Base {base(cluster)[0].release} : le compte « {role.name} » {strong[0]}.",
                cause="Ces pouvoirs suffisent à lire toutes les données, à créer d’autres comptes ou à sortir de la "
                "base : un seul compte de ce genre rend tous les autres inutiles.",
                fix="Retirez ce pouvoir, ou supprimez le compte s’il ne sert plus.",
                commands=(accounts.sql_command(cluster, strong[1]),),
                look=(f"kubectl exec {base(cluster)[1].name} -n {cluster.namespace} -- psql -U postgres -c '\\du'",),
            )
    return None


# -- passwords in clear --------------------------------------------------------------------------------------------


@verification(points=1, after=la_base_est_prete)
def aucun_mot_de_passe_n_est_ecrit_en_clair(cluster: Cluster) -> Diagnostic | None:
    """Aucun mot de passe de la base n’est écrit en clair dans votre namespace.

    Hors des Secrets, tous les textes de tous vos objets sont lus. Les mots de passe de vos Secrets qui ouvrent la base
    y sont cherchés, en mémoire, sous toutes leurs écritures (guillemets, échappements, base64) ; pour les comptes dont
    aucun Secret n’a le mot de passe, les mots sont comparés à ce que le serveur en garde. Rien n’est montré.
    """
    return in_clear(cluster, base(cluster)[0].release)


# -- nothing left behind -------------------------------------------------------------------------------------------


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def rien_ne_traine(cluster: Cluster) -> Diagnostic | None:
    """Rien ne traîne : ni pod terminé, ni Service, droit ou règle sans effet.

    Ce que le catalogue a créé n’est pas compté, ni les pods qu’un autre objet recrée.
    """
    left = list(leftovers(cluster))
    if not left:
        return None
    place = f"-n {cluster.namespace}"
    return Diagnostic(
        finding=f"Dans le namespace {cluster.namespace}, {' ; '.join(one.said for one in left)}.",
        cause=" ".join(dict.fromkeys(one.cause for one in left)),
        fix="Supprimez ce qui ne sert plus ; sinon, corrigez ce qu’il cite.",
        commands=tuple(f"kubectl delete {thing(one.kind, one.name)} {place} --ignore-not-found" for one in left),
        look=tuple(dict.fromkeys(f"kubectl get {one.kind} {place}" for one in left)),
    )
