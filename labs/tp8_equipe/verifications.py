"""Les vérifications du TP 8 : une équipe déclarée, une base partagée avec elle, et avec personne d’autre."""

from __future__ import annotations

import base64
import contextlib
import difflib
import hashlib
import hmac
import json
import re
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from checks.diagnosis.databases import (
    PORT,
    Database,
    no_database,
    not_serving,
    ready_pods,
    server_in,
)
from checks.diagnosis.policies import Decision, Peer, decide, selects
from checks.diagnosis.rights import Person, only_the_owner, opening_verbs, people
from checks.diagnosis.sockets import listening
from checks.errors import AccessError, Unverifiable
from checks.exchange.postgres import NotPostgres, identify
from checks.facts import Cluster, ForwardRefused, Pod, Probe
from checks.verdict import Diagnostic
from checks.verification import verification

TEAM = "equipe"
KEY = "membres"
_NARROW = "L’équipe n’a besoin que d’un chemin vers la base : un tunnel, ou le réseau."


# -- the team ------------------------------------------------------------------------------------------------------


def declaration(cluster: Cluster) -> Mapping[str, Any] | None:
    """The ConfigMap that names the team."""
    return next((item for item in cluster.objects("ConfigMap") if item["metadata"]["name"] == TEAM), None)


def named(cluster: Cluster) -> Sequence[str]:
    """The words of the declaration, the owner's own namespace left out."""
    data = (declaration(cluster) or {}).get("data") or {}
    words = re.split(r"[\s,;]+", str(data.get(KEY, "")))
    return list(dict.fromkeys(word for word in words if word not in ("", "-", cluster.namespace)))


def user_of(cluster: Cluster, namespace: str) -> str:
    """The user whom RBAC knows for a member."""
    if cluster.has_colleague and namespace == cluster.colleague.namespace:
        return cluster.colleague.user
    return cluster.user_of(namespace)


def _people_at_hand(cluster: Cluster) -> Sequence[str]:
    colleague = cluster.colleague.namespace
    return [colleague, *cluster.outsiders()] if cluster.as_owner(colleague) is not None else []


def people_at_hand(cluster: Cluster) -> Sequence[str]:
    """Namespaces of the local cluster's other people; none elsewhere, where nobody's access is at hand."""
    return cluster.once(_people_at_hand)


def _wrong_word(cluster: Cluster, word: str) -> tuple[str, str] | None:
    """Why a word of the declaration is nobody's namespace: the finding and the cause."""
    known = people_at_hand(cluster)
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", word) is None:
        return (
            f"« {word} » ne peut pas être le nom d’un namespace",
            "Un tel nom n’a que des minuscules sans accent, des chiffres et des tirets.",
        )
    if cluster.namespace.startswith("user-") and not word.startswith(("user-", "projet-")):
        return (
            f"« {word} » n’est pas un namespace de la plateforme",
            "La déclaration nomme des namespaces, comme le vôtre ; le nom d’une personne en est un autre.",
        )
    if known and word not in known:
        return (
            f"« {word} » n’est le namespace de personne sur ce cluster",
            "Un membre mal écrit n’aura jamais d’accès, et le vôtre semblera complet.",
        )
    return None


def _right_names(cluster: Cluster) -> Sequence[str]:
    """The declaration put right as far as we can tell: typos mended, the colleague in, a third person we know of."""
    known = people_at_hand(cluster)
    right = []
    for word in named(cluster):
        if _wrong_word(cluster, word) is None:
            right.append(word)
        else:
            right += difflib.get_close_matches(word, known, 1, 0.8)
    right = list(dict.fromkeys([cluster.colleague.namespace, *right]))
    if len(right) < 2:  # chloe, where she exists: never a stranger of the real platform
        right += [name for name in known if name == "user-chloe"][:1]
    return right


def _declare(cluster: Cluster) -> Sequence[str]:
    names = _right_names(cluster)
    if len(names) < 2:
        return ()
    words = " ".join(names)
    if declaration(cluster) is None:
        return (f"kubectl create configmap {TEAM} -n {cluster.namespace} --from-literal={KEY}='{words}'",)
    patch = json.dumps({"data": {KEY: words}})
    return (f"kubectl patch configmap {TEAM} -n {cluster.namespace} --type=merge -p '{patch}'",)


@verification(points=1)
def l_equipe_est_declaree(cluster: Cluster) -> Diagnostic | None:
    """L’équipe est déclarée : votre collègue, et au moins une autre personne.

    La ConfigMap « equipe » nomme le namespace de chaque membre, sous la clé « membres ». Tout le reste est comparé à
    cette déclaration.
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
    elif not named(cluster):
        finding = f"La ConfigMap « {TEAM} » ne nomme aucun membre sous la clé « {KEY} »."
    for word in named(cluster):
        wrong = _wrong_word(cluster, word)
        if wrong is not None and not finding:
            finding = f"ConfigMap « {TEAM} », clé « {KEY} » : {wrong[0]}."
            cause = wrong[1]
    if not finding and colleague not in named(cluster):
        finding = f"La ConfigMap « {TEAM} » ne nomme pas votre collègue, {colleague}."
    if not finding and len(named(cluster)) < 2:
        finding = f"La ConfigMap « {TEAM} » ne nomme qu’une personne en plus de vous : {colleague}."
        cause = "Partager à deux se règle de gré à gré ; à trois, il faut savoir qui entre, qui sort, et qui est parti."
    if not finding:
        return None
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=fix,
        commands=_declare(cluster),
        look=(f"kubectl get configmap {TEAM} -n {cluster.namespace} -o yaml",),
    )


@verification(points=1)
def la_base_est_prete(cluster: Cluster) -> Diagnostic | None:
    """La base partagée existe, et son pod est prêt."""
    return no_database(cluster) or not_serving(cluster)


# -- the doors: the base, and the pods of the namespace that relay it ----------------------------------------------


@dataclass(frozen=True)
class Door:
    """A pod and a port behind which the base answers. `relay`: it is not the base itself."""

    pod: Pod
    port: int
    relay: bool = False

    @property
    def address(self) -> str:
        """Where a pod of the cluster finds it."""
        host = f"[{self.pod.ip}]" if ":" in self.pod.ip else self.pod.ip
        return f"{host}:{self.port}"


def _shared_base(cluster: Cluster) -> tuple[Database, Pod]:
    ready = ready_pods(cluster)

    def entering(candidate: tuple[Database, Pod]) -> int:
        door = Door(candidate[1], PORT)
        return sum(
            not lacking(cluster, member, door) or _dressed(cluster, door, member)[1].allowed is True
            for member in named(cluster)
        )

    return max(ready, key=entering) if len(ready) > 1 else ready[0]


def base(cluster: Cluster) -> tuple[Database, Pod]:
    """The shared base: of several, the one that most members reach. Raises Unverifiable."""
    return cluster.once(_shared_base)


def _fingerprint(cluster: Cluster) -> str:
    pod = base(cluster)[1]
    try:
        found = server_in(cluster, pod).fingerprint
    except (NotPostgres, ForwardRefused) as silence:
        raise Unverifiable(
            f"La base ne répond pas dans le pod {pod.name} : {silence}.", "Relancez la commande."
        ) from None
    if found is None:
        raise Unverifiable(
            f"Le serveur du pod {pod.name} n’a pas d’empreinte : il n’authentifie pas par SCRAM.",
            "Relancez la base depuis le catalogue.",
        )
    return found


def fingerprint(cluster: Cluster) -> str:
    """What tells the base's server from any other. Raises Unverifiable."""
    return cluster.once(_fingerprint)


def _of_release(labels: Mapping[str, str], release: str) -> bool:
    return release in (labels.get("cnpg.io/cluster"), labels.get("app.kubernetes.io/instance"))


def _listens_on(cluster: Cluster, pod: Pod) -> set[int]:
    """Ports where something may listen in the pod: declared, written in socat's arguments, seen by the pod itself."""
    words = [word for box in pod.containers for word in (*box.command, *box.args)]
    ports = {port for box in pod.containers for port in box.ports}
    ports |= {int(port) for word in words for port in re.findall(r"(?i)tcp[46]?-l(?:isten)?:(\d+)", word)}
    with contextlib.suppress(Unverifiable):
        ports |= listening(cluster, pod.name)
    return ports


def _relays(cluster: Cluster, door: Door) -> bool:
    with contextlib.suppress(NotPostgres, ForwardRefused, OSError), cluster.forward(door.pod.name, door.port) as end:
        end.settimeout(5)
        return identify(end).fingerprint == fingerprint(cluster)
    return False


def _doors(cluster: Cluster) -> Sequence[Door]:
    database, pod = base(cluster)
    fingerprint(cluster)
    others = [
        one
        for one in cluster.pods()
        if one.phase == "Running" and one.ip and not one.deleting and not _of_release(one.labels, database.release)
    ]
    with ThreadPoolExecutor(8) as pool:
        ports = pool.map(lambda one: _listens_on(cluster, one), others)
        candidates = [Door(one, port, True) for one, some in zip(others, ports, strict=True) for port in sorted(some)]
        answers = list(pool.map(lambda door: _relays(cluster, door), candidates))
    return [Door(pod, PORT), *(door for door, relays in zip(candidates, answers, strict=True) if relays)]


def doors(cluster: Cluster) -> Sequence[Door]:
    """The base, then every other pod of the namespace through which it answers. Raises Unverifiable."""
    return cluster.once(_doors)


# -- the tunnels ---------------------------------------------------------------------------------------------------


def _home(person: Person) -> str:
    """Namespace of a pod's account, or of a group of them; "" for a human."""
    for name in (person.user, *(person.groups if len(person.groups) == 1 else ())):
        found = re.match(r"system:serviceaccounts?:([^:]+)", name)
        if found:
            return found[1]
    return ""


def is_member(cluster: Cluster, person: Person) -> bool:
    """Whether it is a declared member, or a pod of theirs."""
    team = named(cluster)
    return person.user in {user_of(cluster, member) for member in team} or _home(person) in team


def identities(cluster: Cluster, member: str) -> Sequence[Person]:
    """Under which names the cluster may know a member: the user, then the accounts of their pods bound here."""
    user = user_of(cluster, member)
    return [Person(user, user), *(one for one in people(cluster) if _home(one) == member and one.user != user)]


def _lacks(cluster: Cluster, person: Person, pod: str) -> str:
    """What this person lacks for a tunnel to the pod, as the API server says; "" for nothing."""
    if not cluster.may_other(person.user, "get", "pods", name=pod, groups=person.groups).allowed:
        return f"ne peut pas lire le pod {pod}"
    verbs = opening_verbs(cluster)
    if any(
        cluster.may_other(person.user, verb, "pods/portforward", name=pod, groups=person.groups).allowed
        for verb in verbs
    ):
        return ""
    return f"peut lire le pod {pod}, mais pas y ouvrir de tunnel"


def lacking(cluster: Cluster, member: str, door: Door) -> str:
    """What the member lacks for a tunnel to the door, "" when one of their identities has it all."""
    found = [_lacks(cluster, person, door.pod.name) for person in identities(cluster, member)]
    return "" if "" in found else found[0]


def _really_opens(cluster: Cluster, member: str, door: Door) -> bool | None:
    """Whether the member's own tunnel reaches the base; None where it cannot be tried."""
    there = cluster.as_owner(member, cluster.namespace)
    own = Person(user_of(cluster, member), "")
    if there is None or _lacks(cluster, own, door.pod.name):
        return None  # their access is not at hand, or the right is that of their pods
    try:
        with there.kubectl_forward(door.pod.name, door.port) as end:
            return identify(end).fingerprint == fingerprint(cluster)
    except Unverifiable:
        return None
    except (NotPostgres, ForwardRefused, OSError):
        return False


# -- the network ---------------------------------------------------------------------------------------------------


def _asked(policies: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, str]]:
    """Labels that the policies ask of a client's pod: anybody may put them on a pod of theirs."""
    for policy in policies:
        for rule in policy["spec"].get("ingress") or ():
            for entry in rule.get("from") or ():
                selector = entry.get("podSelector") or {}
                labels = dict(selector.get("matchLabels") or {})
                for one in selector.get("matchExpressions") or ():
                    if one["operator"] in ("In", "Exists"):
                        labels[one["key"]] = (one.get("values") or [""])[0]
                if labels:
                    yield labels


def _dressed(cluster: Cluster, door: Door, namespace: str) -> tuple[Mapping[str, str], Decision]:
    """With which labels a pod of `namespace` gets in, and what the policies decide of it."""
    policies = cluster.objects("NetworkPolicy")
    known = {"onyxia_owner": namespace.removeprefix("user-")}  # as the platform labels each namespace
    decisions = [
        (labels, decide(policies, door.pod, Peer(namespace, labels, known), door.port))
        for labels in ({}, *_asked(policies))
    ]
    for wanted in (True, None):
        for labels, decision in decisions:
            if decision.allowed is wanted:
                return labels, decision
    return decisions[0]


def _answers(probe: Probe, target: str, expected: str) -> bool:
    deadline = time.monotonic() + 2
    while True:
        try:
            with probe.connect(target) as end:
                return identify(end).fingerprint == expected
        except NotPostgres:
            return False
        except (ForwardRefused, OSError):  # the probe may be opening its ports
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)


def _tried_from(cluster: Cluster, namespace: str) -> frozenset[str] | None:
    """Addresses of the doors that a pod of `namespace` reaches for real; None where it cannot be tried."""
    there = cluster.as_owner(namespace)
    if there is None:
        return None
    ways = doors(cluster)
    worn = [_dressed(cluster, door, namespace) for door in ways]
    labels = next((labels for labels, decision in worn if decision.allowed is not False), {})
    try:
        with (
            there.probe([door.address for door in ways], labels) as probe,
            ThreadPoolExecutor(len(ways)) as pool,
        ):
            answers = list(pool.map(lambda door: _answers(probe, door.address, fingerprint(cluster)), ways))
    except (Unverifiable, AccessError):
        return None
    return frozenset(door.address for door, answer in zip(ways, answers, strict=True) if answer)


def _strangers(cluster: Cluster) -> Sequence[str]:
    """Namespaces that must stay outside, those that the policies let in first: people at hand, people whom a policy
    names, and one who does not exist."""
    text = json.dumps([policy["spec"] for policy in cluster.objects("NetworkPolicy")])
    told = sorted(set(re.findall(r'"((?:user|projet)-[-a-z0-9]+)"', text)))
    names = [*people_at_hand(cluster)[:4], *told, "user-cahier-inconnu"]
    team = {*named(cluster), cluster.namespace}

    def closed(name: str) -> bool:
        return all(_dressed(cluster, door, name)[1].allowed is False for door in doors(cluster))

    return sorted(dict.fromkeys(name for name in names if name not in team), key=closed)


@dataclass(frozen=True)
class Survey:
    """What was found of the ways in, for all the checks of a round."""

    tunnels: Mapping[str, str]
    """What each member lacks for a tunnel; "" for nothing."""
    opened: Mapping[str, bool]
    """Whether the tunnel that a member may open was opened for real, where it could be tried."""
    reached: Mapping[str, frozenset[str]]
    """Addresses of the doors reached for real from a namespace, where it could be tried."""
    strangers: Sequence[str]


def _survey(cluster: Cluster) -> Survey:
    ways, team = doors(cluster), named(cluster)
    tunnels: dict[str, str] = {}
    doorways: dict[str, Door] = {}
    for member in team:
        lacks = [lacking(cluster, member, door) for door in ways]
        tunnels[member] = "" if "" in lacks else lacks[0]
        if "" in lacks:
            doorways[member] = ways[lacks.index("")]
    strangers = _strangers(cluster)
    outside = next((name for name in strangers if cluster.as_owner(name) is not None), "")
    places = [member for member in team if tunnels[member]] + ([outside] if outside else [])
    with ThreadPoolExecutor(len(places) + len(doorways) + 1) as pool:  # a probe for each namespace, all at once
        tried = [pool.submit(_tried_from, cluster, place) for place in places]
        opening = [pool.submit(_really_opens, cluster, member, door) for member, door in doorways.items()]
        reached = {place: one.result() for place, one in zip(places, tried, strict=True)}
        opened = {member: one.result() for member, one in zip(doorways, opening, strict=True)}
    return Survey(
        tunnels,
        {member: answer for member, answer in opened.items() if answer is not None},
        {place: answer for place, answer in reached.items() if answer is not None},
        strangers,
    )


def survey(cluster: Cluster) -> Survey:
    """The ways in, tried once for all the checks of a round. Raises Unverifiable."""
    return cluster.once(_survey)


# -- each member gets in -------------------------------------------------------------------------------------------


def _give_tunnel(cluster: Cluster, member: str) -> Sequence[str]:
    """The commands that give a member a tunnel to the base, and nothing else."""
    name, pod = f"tunnel-{member}", base(cluster)[1].name
    made = "--dry-run=client -o yaml | kubectl apply -f -"
    return (
        f"kubectl create role {name} -n {cluster.namespace} --verb=get,create --resource=pods,pods/portforward "
        f"--resource-name={pod} {made}",
        f"kubectl create rolebinding {name} -n {cluster.namespace} --role={name} "
        f"--user={user_of(cluster, member)} {made}",
    )


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
    decisions = [_dressed(cluster, door, member)[1] for door in doors(cluster)]
    means = True if any(one.allowed for one in decisions) else decisions[0].allowed
    if member in found.reached:
        if found.reached[member]:
            return None
        by_network = f"une vraie connexion depuis {member} n’aboutit pas"
        if means is False and decisions[0].selecting:
            by_network += f" (NetworkPolicy {', '.join(decisions[0].selecting)})"
    elif means is True:
        return None  # reasoned: nobody here can try it from there
    elif means is None and lacks:
        raise Unverifiable(
            f"On ne peut pas dire d’ici si {member} atteint la base : vos NetworkPolicies regardent des étiquettes ou "
            "des adresses que nous ne connaissons pas.",
            "Demandez à ce membre d’essayer, ou désignez son namespace par kubernetes.io/metadata.name.",
        )
    else:
        by_network = f"vos NetworkPolicies ({', '.join(decisions[0].selecting)}) écartent son namespace"
    settles = not lacks or means is True
    return f"par tunnel, {by_tunnel}{_misnamed(cluster, member)} ; par le réseau, {by_network}", settles


@verification(points=3, after=(l_equipe_est_declaree, la_base_est_prete))
def chaque_membre_atteint_la_base(cluster: Cluster) -> Diagnostic | None:
    """Chaque membre de l’équipe a une voie jusqu’à la base : un tunnel, ou le réseau.

    Les droits sont demandés à l’API, et les voies ouvertes pour de vrai là où l’on peut se mettre à la place du
    membre (sur le petit SSPCloud local) ; ailleurs, le réseau est jugé d’après le sens de vos NetworkPolicies.
    """
    out = {member: shut for member in named(cluster) if (shut := _shut_out(cluster, member)) is not None}
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
        commands=tuple(command for member in out for command in _give_tunnel(cluster, member)),
        look=(
            f"kubectl get rolebindings -n {cluster.namespace} -o wide",
            f"kubectl describe networkpolicy -n {cluster.namespace}",
        ),
        transient=all(settles for _, settles in out.values()),
    )


# -- nobody else by the network ------------------------------------------------------------------------------------


def _closed_policy(cluster: Cluster, door: Door, existing: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A policy for the door: what `existing` admits, strangers left out, the members who come by the network put in."""
    strangers = [Peer(name, {}, {"onyxia_owner": name.removeprefix("user-")}) for name in survey(cluster).strangers]
    everyone = [Peer(one.namespace, labels, one.namespace_labels) for one in strangers for labels in _worn(cluster)]
    rules = []
    for rule in ((existing or {}).get("spec") or {}).get("ingress") or ():
        kept = [entry for entry in rule.get("from") or () if not _admits(entry, door, everyone)]
        if kept:
            rules.append({**rule, "from": kept})
    by_network = [
        member
        for member in named(cluster)
        if survey(cluster).tunnels[member] and _dressed(cluster, door, member)[1].allowed is not False
    ]
    sources: list[Mapping[str, Any]] = [{"podSelector": {}}]
    for member in by_network:
        sources.append({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": member}}})
    release = base(cluster)[0].release
    metadata = dict(
        (existing or {}).get("metadata") or {"name": release, "labels": dict(_release_labels(door, release))}
    )
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {key: metadata[key] for key in ("name", "labels") if metadata.get(key)},
        "spec": {
            "podSelector": ((existing or {}).get("spec") or {}).get("podSelector")
            or {"matchLabels": dict(_selected_by(door, release))},
            "policyTypes": ["Ingress"],
            "ingress": [*rules, {"from": sources}],
        },
    }


def _release_labels(door: Door, release: str) -> Iterator[tuple[str, str]]:
    return (
        (key, value)
        for key, value in door.pod.labels.items()
        if key.startswith("app.kubernetes.io/") or value == release
    )


def _selected_by(door: Door, release: str) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in door.pod.labels.items() if value == release)


def _worn(cluster: Cluster) -> Sequence[Mapping[str, str]]:
    return [{}, *_asked(cluster.objects("NetworkPolicy"))]


def _admits(entry: Mapping[str, Any], door: Door, peers: Iterable[Peer]) -> bool:
    policy = {
        "metadata": {"name": "-"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [entry]}]},
    }
    return any(decide([policy], door.pod, peer, door.port).allowed is not False for peer in peers)


def _close(cluster: Cluster, door: Door, by: str) -> Sequence[str]:
    """The command that makes the opening policy closed, or makes the one that lacks."""
    existing = next((one for one in cluster.objects("NetworkPolicy") if one["metadata"]["name"] == by), None)
    verb = "replace" if existing is not None else "apply"
    manifest = json.dumps(_closed_policy(cluster, door, existing))
    return (f"echo {shlex.quote(manifest)} | kubectl {verb} -n {cluster.namespace} -f -",)


@dataclass(frozen=True)
class Opening:
    """A door open to somebody who is not of the team."""

    stranger: str
    decision: Decision
    tried: bool
    settles: bool


def _opening(cluster: Cluster, door: Door) -> Opening | None:
    """How somebody outside the team reaches the door by the network. Raises Unverifiable."""
    found = survey(cluster)
    decisions = {name: _dressed(cluster, door, name)[1] for name in found.strangers}
    outside = next((name for name in found.strangers if name in found.reached), "")
    if outside and door.address in found.reached[outside]:
        decision = decisions[outside]
        if decision.allowed is False and not cluster.enforces_policies:
            raise Unverifiable(
                "Ce cluster n’applique pas les NetworkPolicies : aucune ne peut fermer votre base.",
                "Sur le petit SSPCloud local : cahier cluster supprimer, puis cahier cluster creer.",
            )
        return Opening(outside, decision, tried=True, settles=decision.allowed is False)
    for name, decision in decisions.items():
        if decision.allowed:
            return Opening(name, decision, tried=False, settles=name == outside)
    if outside:
        return None
    if any(decision.allowed is None for decision in decisions.values()):
        raise Unverifiable(
            "On ne peut pas dire d’ici qui vos NetworkPolicies laissent entrer : elles regardent des étiquettes ou des "
            "adresses que nous ne connaissons pas.",
            "Désignez les namespaces par kubernetes.io/metadata.name.",
        )
    if not cluster.enforces_policies:
        raise Unverifiable(
            "Ce cluster n’applique pas les NetworkPolicies : on ne peut pas dire que votre base est fermée.",
            "Donnez les accès par des droits (RBAC), et signalez-le à l’équipe qui administre le cluster.",
        )
    return None


def _entering(cluster: Cluster, opening: Opening, door: Door) -> str:
    """Words for who gets in, and how we know."""
    at = f"le pod {door.pod.name} (port {door.port})"
    if opening.tried:
        return f"une vraie connexion depuis {opening.stranger}, qui n’est pas de l’équipe, atteint {at}"
    if opening.stranger == "user-cahier-inconnu":
        return f"d’après vos NetworkPolicies, n’importe quel namespace atteint {at}"
    return f"d’après vos NetworkPolicies, {opening.stranger}, qui n’est pas de l’équipe, atteint {at}"


def _through(opening: Opening) -> str:
    if opening.decision.by:
        return f"C’est la NetworkPolicy « {opening.decision.by} » qui l’admet."
    if opening.decision.selecting:
        return f"Les NetworkPolicies {', '.join(opening.decision.selecting)} devraient l’écarter."
    return "Aucune NetworkPolicy ne choisit ce pod : tout le cluster lui est ouvert."


@verification(points=2, after=(l_equipe_est_declaree, la_base_est_prete))
def le_reseau_n_admet_que_l_equipe(cluster: Cluster) -> Diagnostic | None:
    """Par le réseau, personne n’atteint la base hors de votre namespace et de l’équipe.

    Une vraie connexion est tentée depuis le namespace de quelqu’un d’autre, là où c’est possible ; le sens de vos
    NetworkPolicies est lu aussi, pour tous ceux qu’elles pourraient admettre.
    """
    door = doors(cluster)[0]
    opening = _opening(cluster, door)
    if opening is None:
        return None
    return Diagnostic(
        finding=f"Namespace {cluster.namespace} : {_entering(cluster, opening, door)}. {_through(opening)}",
        cause="Les NetworkPolicies s’additionnent : un pod que l’une choisit reçoit ce qu’admet l’une ou l’autre, et "
        "un pod qu’aucune ne choisit reçoit tout. L’étiquette d’un pod ne protège pas : chacun étiquette les siens.",
        fix="N’admettez que votre namespace et, si l’équipe passe par le réseau, les namespaces de ses membres, "
        "désignés par kubernetes.io/metadata.name.",
        commands=_close(cluster, door, opening.decision.by),
        look=(f"kubectl describe networkpolicy -n {cluster.namespace}",),
        transient=opening.settles,
    )


def _owner(cluster: Cluster, pod: Pod) -> tuple[str, str]:
    """Kind and name of the object to delete for the pod to go and not come back."""
    owner = next(iter(pod.raw["metadata"].get("ownerReferences") or ()), None)
    if owner is None:
        return "pod", pod.name
    if owner["kind"] == "ReplicaSet":
        for one in cluster.objects("ReplicaSet"):
            if one["metadata"]["name"] == owner["name"] and one["metadata"].get("ownerReferences"):
                owner = one["metadata"]["ownerReferences"][0]
                break
    return str(owner["kind"]).lower(), str(owner["name"])


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def aucun_relais_ouvert_a_tous(cluster: Cluster) -> Diagnostic | None:
    """Aucun pod de votre namespace ne relaie la base hors de l’équipe.

    Chaque port ouvert de vos autres pods est essayé : un relais se reconnaît à l’empreinte du serveur qui répond.
    """
    for door in doors(cluster)[1:]:
        opening = _opening(cluster, door)
        if opening is None:
            continue
        kind, name = _owner(cluster, door.pod)
        return Diagnostic(
            finding=f"Le pod {door.pod.name} relaie votre base sur son port {door.port}, et "
            f"{_entering(cluster, opening, door)}. {_through(opening)}",
            cause="La base admet les pods de votre namespace : un relais oublié chez vous la rouvre à tous ceux qui "
            "l’atteignent, lui, sans que la NetworkPolicy de la base y puisse rien.",
            fix="Supprimez ce relais s’il ne sert plus ; sinon, fermez-le par une NetworkPolicy qui le choisit et "
            "n’admet que l’équipe.",
            commands=(f"kubectl delete {kind} {name} -n {cluster.namespace} --ignore-not-found",),
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
        [
            (verb, "pods/portforward", door.pod.name, f"ouvrir un tunnel vers le pod {door.pod.name}")
            for door in doors(cluster)
            for verb in opening_verbs(cluster)
        ],
        cause="Un tunnel entre par la boucle locale du pod : aucune NetworkPolicy ne l’arrête. Une RoleBinding qui "
        "nomme trop de monde, ou quelqu’un qui a quitté l’équipe, ouvre donc la base.",
        who=[one for one in people(cluster) if not is_member(cluster, one)],
        advice="Si cette personne est de l’équipe, déclarez-la d’abord.",
    )


def everybody(cluster: Cluster) -> Sequence[Person]:
    """Everybody but the owner, the members among them whether or not a RoleBinding names them."""
    found = {(one.user, one.groups): one for one in people(cluster)}
    for member in named(cluster):
        user = user_of(cluster, member)
        found.setdefault((user, ()), Person(user, f"Le membre {member} ({user})"))
    return list(found.values())


_PLATFORM = ("", "-user", "-superuser", "-app", "-ca", "-server", "-replication", "-pooler")


def platform_secrets(cluster: Cluster) -> Sequence[str]:
    """Secrets that the platform made for the base."""
    release = base(cluster)[0].release
    names = {str(item["metadata"]["name"]) for item in cluster.objects("Secret")}
    helm = {name for name in names if name.startswith(f"sh.helm.release.v1.{release}.")}
    return sorted({release, *(names & {release + suffix for suffix in _PLATFORM}), *helm})


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def personne_ne_lit_les_secrets_de_la_base(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre que vous, membres compris, ne lit les Secrets de la base.

    Un Secret à part, que l’équipe lit pour y trouver le mot de passe de son propre compte, convient.
    """
    who = everybody(cluster)
    return only_the_owner(
        cluster,
        [
            *(("get", "secrets", name, f"lire le Secret {name}") for name in platform_secrets(cluster)),
            *((verb, "secrets", "", "lire tous les Secrets") for verb in ("list", "watch")),
        ],
        cause="Le catalogue donne le même mot de passe au propriétaire de la base et à l’administrateur du serveur : "
        "qui lit ce Secret peut tout, et le retirer de l’équipe n’y changera rien.",
        who=who,
        advice=_NARROW,
    ) or _telling_secret(cluster, who)


def _telling_secret(cluster: Cluster, who: Sequence[Person]) -> Diagnostic | None:
    """A Secret of the owner's own making that somebody may read, and that opens more than it should to them."""
    platform = platform_secrets(cluster)
    for name in (str(item["metadata"]["name"]) for item in cluster.objects("Secret")):
        readers = (
            []
            if name in platform
            else [
                one
                for one in who
                if cluster.may_other(one.user, "get", "secrets", name=name, groups=one.groups).allowed
            ]
        )
        if not readers:
            continue
        opened = [role for value in (cluster.secret_values(name) or {}).values() for role in _opened_by(cluster, value)]
        for person in readers:
            over = [role for role in opened if role.platform or not is_member(cluster, person)]
            if not over:
                continue
            kind = "administre" if over[0].platform else "ouvre"
            found = only_the_owner(
                cluster,
                [
                    (
                        "get",
                        "secrets",
                        name,
                        f"lire le Secret {name}, dont une valeur {kind} la base (« {over[0].name} »)",
                    )
                ],
                cause="Copier un mot de passe dans un Secret, c’est le partager avec tous ceux qui lisent la copie.",
                who=[person],
                advice=_NARROW,
            )
            if found is not None:
                return found
    return None


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def personne_n_agit_sur_le_pod_de_la_base(cluster: Cluster) -> Diagnostic | None:
    """Personne d’autre que vous n’exécute de commande dans la base, ni ne touche à vos pods."""
    pod = base(cluster)[1].name
    verbs = opening_verbs(cluster)
    return only_the_owner(
        cluster,
        [
            *((verb, "pods/exec", pod, f"exécuter des commandes dans le pod {pod}") for verb in verbs),
            *((verb, "pods/attach", pod, f"s’attacher au pod {pod}") for verb in verbs),
            ("patch", "pods/ephemeralcontainers", pod, f"ajouter un conteneur au pod {pod}"),
            ("delete", "pods", pod, f"supprimer le pod {pod}"),
            ("create", "pods", "", "créer des pods chez vous, donc y monter n’importe lequel de vos Secrets"),
        ],
        cause="Dans le conteneur, psql ouvre une session d’administrateur sans mot de passe ; un pod créé chez vous "
        "est du côté intérieur de toutes vos serrures.",
        who=everybody(cluster),
        advice=_NARROW,
    )


# -- the accounts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Role:
    """A role of the server. `stored` is PostgreSQL's own trace of the password, never shown."""

    name: str
    login: bool
    stored: str
    expired: bool
    powers: tuple[str, ...]
    within: tuple[str, ...]
    databases: tuple[str, ...]
    platform: bool

    @property
    def quoted(self) -> str:
        """The name as SQL writes it."""
        return '"' + self.name.replace('"', '""') + '"'


_ROLES = """
select coalesce(json_agg(json_build_object(
 'name', a.rolname, 'login', a.rolcanlogin, 'stored', coalesce(a.rolpassword, ''),
 'expired', coalesce(a.rolvaliduntil < now(), false),
 'powers', array_remove(array[
  case when a.rolsuper then 'SUPERUSER' end, case when a.rolcreaterole then 'CREATEROLE' end,
  case when a.rolcreatedb then 'CREATEDB' end, case when a.rolreplication then 'REPLICATION' end,
  case when a.rolbypassrls then 'BYPASSRLS' end], null),
 'within', array(select o.rolname::text from pg_authid o where o.oid <> a.oid and not a.rolsuper
  and pg_has_role(a.oid, o.oid, 'MEMBER')),
 'databases', array(select datname::text from pg_database d where d.datallowconn and not d.datistemplate
  and d.datname <> 'postgres' and has_database_privilege(a.oid, d.oid, 'CONNECT')))), '[]')
from pg_authid a where a.rolname !~ '^pg_'
"""
_FILES = ("pg_read_server_files", "pg_write_server_files", "pg_execute_server_program")
_OPERATOR = ("postgres", "streaming_replica", "cnpg_pooler_pgbouncer")


def _administrators(pod: Pod) -> Sequence[str]:
    """Names under which psql may enter the server from inside its pod."""
    given = [
        variable.get("value", "")
        for box in pod.raw.get("spec", {}).get("containers", ())
        for variable in box.get("env") or ()
        if variable["name"] in ("POSTGRES_USER", "POSTGRESQL_USERNAME")
    ]
    return list(dict.fromkeys(["postgres", *filter(None, given)]))


def _ask_server(cluster: Cluster, pod: Pod, sql: str) -> str:
    trouble: Unverifiable | None = None
    for name in _administrators(pod):
        try:
            return cluster.execute(pod.name, ["psql", "-U", name, "-d", "postgres", "-AtX", "-c", sql])
        except Unverifiable as refusal:
            trouble = trouble or refusal
    raise trouble or Unverifiable("Aucun compte n’interroge le serveur.")


def _release_values(cluster: Cluster, key: str) -> Sequence[str]:
    """Values of a key in the Secrets that the platform made: read each time, never kept, never shown."""
    release = base(cluster)[0].release
    found = [cluster.secret_values(release + suffix) or {} for suffix in ("", "-user", "-superuser", "-app")]
    return list(dict.fromkeys(values[key] for values in found if values.get(key)))


def _roles(cluster: Cluster) -> Sequence[Role]:
    pod = base(cluster)[1]
    own = {*_OPERATOR, *_administrators(pod), *_release_values(cluster, "username")}
    return [
        Role(
            name=item["name"],
            login=item["login"],
            stored=item["stored"],
            expired=item["expired"],
            powers=tuple(item["powers"]),
            within=tuple(item["within"]),
            databases=tuple(item["databases"]),
            platform=item["name"] in own,
        )
        for item in json.loads(_ask_server(cluster, pod, _ROLES))
    ]


def roles(cluster: Cluster) -> Sequence[Role]:
    """The roles of the server, asked of itself. Raises Unverifiable where no command runs in its pod."""
    return cluster.once(_roles)


def _too_strong(cluster: Cluster, role: Role) -> tuple[str, str] | None:
    """A power that no account of a team needs: what it is, and the SQL that takes it away."""
    if role.powers:
        without = " ".join(f"NO{power}" for power in role.powers)
        return f"a le pouvoir {', '.join(role.powers)}", f"ALTER ROLE {role.quoted} {without};"
    strong = {one.name: one for one in roles(cluster) if one.platform or one.powers}
    for name in role.within:
        if name in _FILES:
            return f"est membre de « {name} », donc lit ou écrit les fichiers du serveur", _revoke(role, name)
        if name in strong:
            said = "un compte de la plateforme" if strong[name].platform else "un rôle puissant"
            return f"est membre de « {name} », {said} : il en a tous les pouvoirs", _revoke(role, name)
    return None


def _revoke(role: Role, name: str) -> str:
    return f'REVOKE "{name}" FROM {role.quoted};'


def opens(word: str, role: Role) -> bool:
    """Whether `word` is the role's password, told from what the server keeps of it.

    https://www.postgresql.org/docs/current/catalog-pg-authid.html, RFC 5802.
    """
    if role.stored.startswith("md5"):
        return hmac.compare_digest(hashlib.md5((word + role.name).encode()).hexdigest(), role.stored[3:])
    found = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):.+", role.stored)
    if found is None:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", word.encode(), base64.b64decode(found[2]), int(found[1]))
    kept = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return hmac.compare_digest(base64.b64encode(kept).decode(), found[3])


def _opened_by(cluster: Cluster, word: str) -> Sequence[Role]:
    """Accounts that `word` opens, the platform's first."""
    found = [role for role in roles(cluster) if role.login and opens(word, role)]
    return sorted(found, key=lambda role: not role.platform)


def _session_opens(cluster: Cluster, role: Role, password: str) -> bool:
    """Whether the server opens a session for the role with this password: really tried. Raises Unverifiable."""
    from pg8000 import native  # slow to load, needed here only

    database = next(iter(role.databases), "postgres")
    try:
        with cluster.forward(base(cluster)[1].name, PORT) as connection:
            session = native.Connection(role.name, sock=connection, database=database, password=password)
            session.run("select 1")
            session.close()
    except native.DatabaseError as error:
        code = error.args[0].get("C", "") if error.args and isinstance(error.args[0], dict) else ""
        return code in ("3D000", "42501")  # the password was right; that database is closed to it
    except (native.InterfaceError, ForwardRefused, OSError) as cut:
        raise Unverifiable(f"La base n’a pas répondu jusqu’au bout : {cut}.", "Relancez la commande.") from None
    return True


def _flaw(cluster: Cluster, role: Role) -> tuple[str, Sequence[str]] | None:
    """What keeps a role from being the team's account, and the commands that mend it; None when it is sound."""
    strong = _too_strong(cluster, role)
    if strong is not None:
        return strong[0], (_sql(cluster, strong[1]),)
    if not role.login:
        return "ne peut pas ouvrir de session (NOLOGIN)", _new_password(
            cluster, role.name, f"ALTER ROLE {role.quoted} LOGIN"
        )
    if not role.databases:
        return "n’a pas le droit de se connecter à la base (CONNECT)", (
            _sql(cluster, f"GRANT CONNECT ON DATABASE {_database(cluster)} TO {role.quoted};"),
        )
    change = f"ALTER ROLE {role.quoted}"
    if not role.stored:
        return "n’a pas de mot de passe : il ne peut pas entrer", _new_password(cluster, role.name, change)
    if role.expired:
        return "a expiré (VALID UNTIL)", (_sql(cluster, f"{change} VALID UNTIL 'infinity';"),)
    if any(_session_opens(cluster, role, password) for password in _release_values(cluster, "password")):
        said = "a le mot de passe de la plateforme : celui du Secret de la base lui ouvre une session"
        return said, _new_password(cluster, role.name, change)
    return None


def _database(cluster: Cluster) -> str:
    name = next(iter([*_release_values(cluster, "database"), *_release_values(cluster, "dbname")]), "defaultdb")
    return f'"{name}"'


def _sql(cluster: Cluster, sql: str) -> str:
    pod = base(cluster)[1]
    admin = _administrators(pod)[-1]
    return f"kubectl exec {pod.name} -n {cluster.namespace} -- psql -q -U {admin} -d postgres -c {shlex.quote(sql)}"


def _new_password(cluster: Cluster, role: str, change: str) -> Sequence[str]:
    """The commands that draw a password, keep it in a Secret of the role's own, and give it to the role, unseen."""
    pod = base(cluster)[1]
    secret = "compte-" + (re.sub(r"[^a-z0-9]+", "-", role.lower()).strip("-") or TEAM)
    place = f"-n {cluster.namespace}"
    sql = change + " PASSWORD $mdp${{.data.password | base64decode}}$mdp$;"
    return (
        "head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n' | "
        f"kubectl create secret generic {secret} {place} --from-literal=username={shlex.quote(role)} "
        "--from-file=password=/dev/stdin --dry-run=client -o yaml | kubectl apply -f -",
        f"kubectl get secret {secret} {place} -o go-template={shlex.quote(sql)} | "
        f"kubectl exec -i {pod.name} {place} -- psql -q -U {_administrators(pod)[-1]} -d postgres",
    )


@verification(points=2, after=la_base_est_prete)
def l_equipe_a_son_propre_compte(cluster: Cluster) -> Diagnostic | None:
    """L’équipe a son propre compte PostgreSQL, sans pouvoir d’administrateur.

    Un compte pour tous, ou un par membre. Le serveur est interrogé dans son pod ; le mot de passe de la plateforme
    est vraiment essayé sur ce compte, et doit être refusé.
    """
    release = base(cluster)[0].release
    pod = base(cluster)[1].name
    own = sorted((role for role in roles(cluster) if not role.platform), key=lambda role: (not role.login, role.name))
    flaws = [(role, _flaw(cluster, role)) for role in own]
    if any(flaw is None for _, flaw in flaws):
        return None
    cause = (
        "Le compte du formulaire possède la base, et son mot de passe est aussi celui de l’administrateur du serveur. "
        "Un compte à part se limite, se change et se retire sans toucher au vôtre."
    )
    look = (f"kubectl exec {pod} -n {cluster.namespace} -- psql -U {_administrators(base(cluster)[1])[-1]} -c '\\du'",)
    for role, flaw in flaws:
        assert flaw is not None
        return Diagnostic(
            finding=f"Base {release} : le compte « {role.name} » {flaw[0]}. Aucun autre compte ne convient à l’équipe.",
            cause=cause,
            fix="Ce compte ne doit avoir que ce qu’il faut : ouvrir une session, se connecter à la base, et un mot de "
            "passe qui ne sert à rien d’autre.",
            commands=flaw[1],
            look=look,
        )
    return Diagnostic(
        finding=f"La base {release} n’a pas d’autre compte que ceux de la plateforme : l’équipe n’a que le vôtre.",
        cause=cause,
        fix="Créez un rôle LOGIN ordinaire dans le serveur, avec un mot de passe tiré au hasard que vous gardez dans "
        "un Secret à part.",
        commands=_new_password(cluster, TEAM, f"CREATE ROLE {TEAM} LOGIN"),
        look=look,
    )


@verification(points=1, after=l_equipe_a_son_propre_compte)
def aucun_compte_n_administre_la_base(cluster: Cluster) -> Diagnostic | None:
    """Hors des comptes de la plateforme, aucun compte n’a de pouvoir d’administrateur."""
    for role in roles(cluster):
        strong = None if role.platform or not role.login else _too_strong(cluster, role)
        if strong is not None:
            return Diagnostic(
                finding=f"Base {base(cluster)[0].release} : le compte « {role.name} » {strong[0]}.",
                cause="Ces pouvoirs suffisent à lire toutes les données, à créer d’autres comptes ou à sortir de la "
                "base : un seul compte de ce genre rend tous les autres inutiles.",
                fix="Retirez ce pouvoir, ou supprimez le compte s’il ne sert plus.",
                commands=(_sql(cluster, strong[1]),),
                look=(f"kubectl exec {base(cluster)[1].name} -n {cluster.namespace} -- psql -U postgres -c '\\du'",),
            )
    return None


# -- passwords in clear --------------------------------------------------------------------------------------------

_LAST = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True)
class Written:
    """A text that anybody who reads the namespace sees; `commands` take it away."""

    where: str
    text: str
    commands: Sequence[str]


def _in_config_maps(cluster: Cluster) -> Iterator[Written]:
    place = f"-n {cluster.namespace}"
    for item in cluster.objects("ConfigMap"):
        name = item["metadata"]["name"]
        if name == "kube-root-ca.crt" or _of_release(item["metadata"].get("labels") or {}, base(cluster)[0].release):
            continue
        forget = f"kubectl annotate configmap {name} {place} {_LAST}-"  # kubectl apply keeps a copy there
        for key, value in (item.get("data") or {}).items():
            path = "/data/" + key.replace("~", "~0").replace("/", "~1")
            patch = shlex.quote(json.dumps([{"op": "remove", "path": path}]))
            commands = (f"kubectl patch configmap {name} {place} --type=json -p {patch}", forget)
            yield Written(f"la ConfigMap « {name} », clé « {key} »", value, commands)
        yield Written(
            f"la ConfigMap « {name} », annotation last-applied-configuration",
            (item["metadata"].get("annotations") or {}).get(_LAST, ""),
            (forget,),
        )


def _in_containers(cluster: Cluster) -> Iterator[Written]:
    release = base(cluster)[0].release
    for item in cluster.objects("Deployment"):
        yield from _in_template("deployment", item["metadata"]["name"], item["spec"]["template"], cluster.namespace)
    for pod in cluster.pods():
        owners = [owner["kind"] for owner in pod.raw["metadata"].get("ownerReferences") or ()]
        if not _of_release(pod.labels, release) and "ReplicaSet" not in owners:  # a Deployment's own pods follow it
            kind = "" if owners else "pod"
            yield from _in_template(kind, pod.name, pod.raw, cluster.namespace)


def _in_template(kind: str, name: str, template: Mapping[str, Any], namespace: str) -> Iterator[Written]:
    """Texts of a pod, or of a Deployment's template; `kind` "" is a pod that something else makes again."""
    words = {"pod": "le pod", "deployment": "le Deployment", "": "le pod"}[kind]
    remove = (f"kubectl delete {kind} {name} -n {namespace} --ignore-not-found",) if kind else ()
    for box in template["spec"].get("containers") or ():
        for variable in box.get("env") or ():
            unset = (f"kubectl set env {kind}/{name} -n {namespace} {variable['name']}-",)
            yield Written(
                f"{words} « {name} », variable {variable['name']}",
                variable.get("value", ""),
                unset if kind == "deployment" else remove,
            )
        for word in (*(box.get("command") or ()), *(box.get("args") or ())):
            yield Written(f"{words} « {name} », arguments du conteneur {box['name']}", word, remove)


def _candidates(text: str) -> Sequence[str]:
    """Words of a text that could be a password, whole or cut as an address `user:password@host` is."""
    words = [text.strip(), *text.split(), *re.split(r"[\s:=@/,;&?\"'{}\\]+", text)]
    return list(dict.fromkeys(word for word in words if 6 <= len(word) <= 128))[:60]


@verification(points=1, after=la_base_est_prete)
def aucun_mot_de_passe_n_est_ecrit_en_clair(cluster: Cluster) -> Diagnostic | None:
    """Aucun mot de passe de la base n’est écrit en clair dans votre namespace.

    Les mots de vos ConfigMaps, variables et arguments sont comparés, en mémoire, à ce que le serveur garde de chaque
    mot de passe ; rien n’est montré.
    """
    seen: dict[str, Sequence[Role]] = {}
    for written in (*_in_config_maps(cluster), *_in_containers(cluster)):
        for word in _candidates(written.text):
            if word not in seen and len(seen) < 300:
                seen[word] = _opened_by(cluster, word)
            opened = seen.get(word, ())
            if opened:
                accounts = " et ".join(f"« {role.name} »" for role in opened)
                return Diagnostic(
                    finding=f"Namespace {cluster.namespace} : {written.where}, contient en clair un mot de passe de la "
                    f"base, celui de {accounts}.",
                    cause="Une ConfigMap, une variable ou un argument se lit avec le simple rôle « view », s’affiche "
                    "dans « kubectl describe » et finit dans git. Seul un Secret se protège à part.",
                    fix="Retirez-le de là ; lisez-le dans un Secret (valueFrom.secretKeyRef). Puis changez ce mot de "
                    "passe : ce qui a été écrit en clair a pu être lu.",
                    commands=(*written.commands, *_changed(cluster, opened[0])),
                    look=(f"kubectl get configmaps,deployments,pods -n {cluster.namespace}",),
                )
    return None


def _changed(cluster: Cluster, role: Role) -> Sequence[str]:
    """The commands that change a password, for the accounts that are the learner's own to change."""
    return () if role.platform else _new_password(cluster, role.name, f"ALTER ROLE {role.quoted}")


# -- nothing left behind -------------------------------------------------------------------------------------------


def _managed(item: Mapping[str, Any]) -> bool:
    """Whether the catalogue looks after it."""
    labels = item["metadata"].get("labels") or {}
    return "app.kubernetes.io/managed-by" in labels or "app.kubernetes.io/instance" in labels


def _idle(cluster: Cluster, selector: Mapping[str, Any]) -> bool:
    """Whether a selector takes no pod, nor any that a Deployment could make."""
    made = [item["spec"]["template"]["metadata"].get("labels") or {} for item in cluster.objects("Deployment")]
    return not any(selects(selector, labels) for labels in (*(pod.labels for pod in cluster.pods()), *made))


def _leftovers(cluster: Cluster) -> Iterator[tuple[str, str, str, str]]:
    """Kind and name of what serves nothing any more, why, and what a reader would believe of it."""
    for pod in cluster.pods():
        if pod.phase in ("Succeeded", "Failed") and not pod.raw["metadata"].get("ownerReferences"):
            state = "a fini" if pod.phase == "Succeeded" else "a échoué"
            yield "pod", pod.name, f"le pod « {pod.name} » {state} et ne tourne plus", "Il compte dans votre quota."
    existing = {item["metadata"]["name"] for item in cluster.objects("Role")}
    for item in cluster.objects("RoleBinding"):
        name, role = item["metadata"]["name"], item["roleRef"]
        cause = "Une RoleBinding sans effet redevient active le jour où ce qui lui manque réapparaît."
        if role["kind"] == "Role" and role["name"] not in existing:
            said = f"la RoleBinding « {name} » cite le Role « {role['name']} », qui n’existe pas"
            yield "rolebinding", name, said, cause
        elif not item.get("subjects"):
            yield "rolebinding", name, f"la RoleBinding « {name} » ne nomme personne", cause
    for item in cluster.objects("Service"):
        name, wanted = item["metadata"]["name"], item["spec"].get("selector")
        if wanted and not _managed(item) and _idle(cluster, {"matchLabels": wanted}):
            said = f"le Service « {name} » ne mène à aucun pod"
            yield "service", name, said, "Un nom qui ne mène nulle part trompe celui qui le lit."
    for item in cluster.objects("NetworkPolicy"):
        name, selector = item["metadata"]["name"], item["spec"].get("podSelector") or {}
        if not _managed(item) and _idle(cluster, selector):
            said = f"la NetworkPolicy « {name} » ne choisit aucun pod"
            yield (
                "networkpolicy",
                name,
                said,
                "Une NetworkPolicy qui ne choisit rien ne protège rien, et rassure à tort.",
            )


@verification(points=1, after=(l_equipe_est_declaree, la_base_est_prete))
def rien_ne_traine(cluster: Cluster) -> Diagnostic | None:
    """Rien ne traîne : ni pod terminé, ni Service, droit ou règle sans effet.

    Ce que le catalogue a créé n’est pas compté, ni les pods qu’un autre objet recrée.
    """
    left = list(_leftovers(cluster))
    if not left:
        return None
    return Diagnostic(
        finding=f"Dans le namespace {cluster.namespace}, {' ; '.join(said for _, _, said, _ in left)}.",
        cause=" ".join(dict.fromkeys(cause for _, _, _, cause in left)),
        fix="Supprimez ce qui ne sert plus ; sinon, corrigez ce qu’il cite.",
        commands=tuple(
            f"kubectl delete {kind} {name} -n {cluster.namespace} --ignore-not-found" for kind, name, _, _ in left
        ),
        look=tuple(dict.fromkeys(f"kubectl get {kind} -n {cluster.namespace}" for kind, _, _, _ in left)),
    )
