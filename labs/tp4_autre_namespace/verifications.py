"""Les vérifications du TP 4 : la base répond au namespace du collègue, et à aucun troisième."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from checks.diagnosis.connections.services import Address, addresses, leads_only_to, no_service_leads
from checks.diagnosis.databases.catalogue import (
    PORT,
    Database,
    databases,
    no_database,
    not_serving,
    other_bases,
    ready_pods,
    server_in,
)
from checks.diagnosis.databases.colleague_base import as_typed
from checks.diagnosis.policies.allowed import Circle, administrators
from checks.diagnosis.policies.decision import Decision, Peer, decide
from checks.diagnosis.policies.explanations import Policy, astray, how, name_of, nearest
from checks.diagnosis.policies.other_enforcers import require_only_network_policies
from checks.diagnosis.policies.reachability import PROBE_LABELS, Attempt, Trial, Way, Ways, held_back, trial
from checks.diagnosis.policies.strangers import Leak, Reading
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres
from checks.facts import PROBE_LABEL, Cluster, ForwardRefused, Pod
from checks.french import quoted
from checks.shell import one_word
from checks.verdict import Diagnostic
from checks.verification import verification

_STRANGER = "cahier-namespace-inconnu"
_ADDITIVE = (
    "Un pod qu’aucune policy ne choisit accepte tout. Dès qu’une le choisit, il n’accepte plus que ce que l’une au "
    "moins autorise : les autorisations s’additionnent, et aucune policy n’en retire."
)
_REASONED = "lu dans vos policies, sans connexion"


# -- the database and its Service -----------------------------------------------------------------------------------


@verification(points=1)
def la_base_est_prete(cluster: Cluster) -> Diagnostic | None:
    """Une base PostgreSQL du catalogue est prête dans votre namespace."""
    return no_database(cluster) or not_serving(cluster)


@verification(points=1, after=la_base_est_prete)
def un_service_mene_a_la_base(cluster: Cluster) -> Diagnostic | None:
    """Un Service mène au pod de la base : les autres namespaces l’appellent par ce nom.

    Demandé au cluster lui-même : ses EndpointSlices disent à quels pods chaque Service envoie ses clients.
    """
    return no_service_leads(cluster)


# -- what was tried -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """A database, the name by which other pods call it, and what the policies mean for each of three namespaces."""

    database: Database
    pod: Pod
    address: Address
    own: Decision
    colleague: Decision
    stranger: Decision


@dataclass(frozen=True)
class Seen:
    """The database that is judged, and what the connections found; None: no probe could be placed there."""

    subject: Subject
    own: Attempt
    colleague: Attempt | None
    outsider: Attempt | None
    outsider_namespace: str


def policies(cluster: Cluster) -> Sequence[Policy]:
    """The namespace's policies, without those of our own experiments."""
    return [one for one in cluster.objects("NetworkPolicy") if PROBE_LABEL not in (one["metadata"].get("labels") or {})]


def peer(namespace: str, attempt: Attempt | None = None) -> Peer:
    """A pod of that namespace: any of them, hence without labels of its own; the probe, where one was placed."""
    return Peer(namespace, PROBE_LABELS, ip=attempt.ip if attempt else "")


def subjects(cluster: Cluster) -> Sequence[Subject]:
    """The databases that a Service leads to."""
    known = policies(cluster)
    found = []
    for database, pod in ready_pods(cluster):
        for address in addresses(cluster, pod)[:1]:
            own, colleague, stranger = (
                decide(known, pod, peer(namespace), PORT)
                for namespace in (cluster.namespace, cluster.colleague.namespace, _STRANGER)
            )
            found.append(Subject(database, pod, address, own, colleague, stranger))
    if not found:
        raise Unverifiable("Le Service de la base a changé pendant la vérification.", "Relancez la commande.")
    return found


def _tried(cluster: Cluster) -> Trial:
    found = subjects(cluster)
    return trial(
        cluster,
        Ways(
            own=[Way(one.address.target, one.own.allowed) for one in found],
            colleague=[Way(one.address.target, one.colleague.allowed) for one in found],
            outsider=[Way(one.address.target, one.stranger.allowed) for one in found],
        ),
    )


def seen(cluster: Cluster) -> Seen:
    """What the connections found about the database that the learner opens. Raises Unverifiable.

    Everything is tried once per round, at the same time; with several databases, the best opened one counts.
    """
    tried = cluster.once(_tried)
    if not tried.enforced.result():
        raise Unverifiable(
            "Ce cluster n’applique pas les NetworkPolicies : dans l’expérience témoin, un pod fermé par une policy a "
            "laissé entrer un client. Ce que vaut la vôtre ne peut donc pas être prouvé ici.",
            "Refaites ce TP sur le cluster local (cahier cluster creer), dont le réseau les applique.",
        )
    return max((_seen(one, tried) for one in subjects(cluster)), key=lambda one: _score(cluster, one))


def reading(cluster: Cluster) -> Reading:
    """The policies as they apply to the base's pod, beside what the connections showed. Raises Unverifiable."""
    found = seen(cluster)
    made = [one for one in (found.own, found.colleague, found.outsider) if one]
    outsider, colleague = found.outsider, cluster.colleague.namespace
    circle = Circle(
        namespaces=frozenset({cluster.namespace, colleague}),
        administrators=administrators(cluster, [colleague]),
        addresses=[*(one.ip for one in cluster.pods() if one.ip), *(one.ip for one in made)],
        tried=peer(found.outsider_namespace, outsider) if outsider else None,
        entered=outsider is not None and outsider.entered,
    )
    return Reading(policies(cluster), found.subject.pod, PORT, circle)


def _seen(subject: Subject, tried: Trial) -> Seen:
    target = subject.address.target
    return Seen(
        subject,
        tried.own.result()[target],
        tried.colleague.result()[target] if tried.colleague else None,
        tried.outsider.result()[target] if tried.outsider else None,
        tried.outsider_namespace,
    )


def _score(cluster: Cluster, one: Seen) -> tuple[int, int]:
    """How many of the three namespaces are treated as they should be; then, how many policies the learner wrote."""
    subject = one.subject
    entered = one.colleague.entered if one.colleague else subject.colleague.allowed is True
    leaks = one.outsider.entered if one.outsider else subject.stranger.allowed is True
    written = written_here(cluster)
    return (one.own.entered + entered + (not leaks), sum(astray(policy, subject.pod) is None for policy in written))


# -- the three namespaces -------------------------------------------------------------------------------------------


@verification(points=2, after=un_service_mene_a_la_base)
def votre_namespace_atteint_la_base(cluster: Cluster) -> Diagnostic | None:
    """Vos propres pods atteignent toujours la base.

    Une vraie connexion, d’un pod à nous placé dans votre namespace.
    """
    found = seen(cluster)
    if found.own.entered:
        return None
    subject = found.subject
    decision = decide(policies(cluster), subject.pod, peer(cluster.namespace, found.own), PORT)
    failing = f"Depuis un pod de {cluster.namespace}, {subject.address.name} ne répond pas"
    leaving = held_back(cluster)
    if decision.allowed and leaving:
        return Diagnostic(
            finding=f"{failing} : {quoted(leaving)} empêche{_s(leaving)} les pods de {cluster.namespace} d’en sortir.",
            cause="policyTypes: Egress gouverne ce qui sort des pods choisis. Un podSelector vide les choisit tous, et "
            "ce qu’aucune règle « egress » n’autorise est refusé, le DNS du cluster comme la base.",
            fix="Supprimez cette policy, ou retirez-lui Egress : ouvrir la base ne demande que de l’Ingress.",
            commands=(*(_deleted(cluster, name) for name in leaving), *repaired(cluster, subject, leaving)),
            look=_looks(cluster, subject),
        )
    if decision.allowed is not False:
        return _unexplained(cluster, found.own, failing, subject)
    return Diagnostic(
        finding=f"{failing} : {quoted(decision.selecting)} s’applique{_s(decision.selecting)} au pod "
        f"{subject.pod.name}, sans admettre votre propre namespace.",
        cause=f"{_ADDITIVE} Être dans le même namespace ne donne rien par soi-même : la policy du catalogue, elle, "
        "l’autorisait.",
        fix="Rétablissez la policy du catalogue, qui admet les pods de votre namespace ; gardez la vôtre à côté.",
        commands=(closed(cluster, subject),),
        look=_looks(cluster, subject),
    )


@verification(points=4, after=un_service_mene_a_la_base)
def le_namespace_du_collegue_atteint_la_base(cluster: Cluster) -> Diagnostic | None:
    """Le namespace de votre collègue atteint la base, et c’est bien ce serveur qui répond.

    Une vraie connexion, d’un pod sans étiquette particulière placé chez lui : l’empreinte du serveur atteint doit
    être celle du serveur qui tourne dans votre pod. Sans accès chez lui, vos policies sont interprétées.
    """
    found = seen(cluster)
    if found.colleague is not None and found.colleague.entered:
        return _other_server(cluster, found.subject, found.colleague)
    subject, there = found.subject, cluster.colleague.namespace
    known = policies(cluster)
    decision = decide(known, subject.pod, peer(there, found.colleague), PORT)
    failing = f"Depuis un pod de {there}, {subject.address.name} ne répond pas"
    if found.colleague is None:
        if decision.allowed is not None:
            meaning = "admettent" if decision.allowed else "n’admettent pas"
            require_only_network_policies(cluster, f"{meaning} le namespace {there}")
        if decision.allowed:
            return None
        if decision.allowed is None:
            raise Unverifiable(
                f"Le namespace {there} est peut-être admis par « {decision.by} », mais cela dépend de ce que ce poste "
                "ne peut pas lire : ses étiquettes, ou les adresses de ses pods.",
                f"Votre collègue peut l’essayer : kubectl run essai --rm -it --image=busybox:1.36 -- "
                f"nc -zv {subject.address.name} {subject.address.port}",
            )
        failing = f"Vos policies n’admettent pas les pods de {there} ({_REASONED})"
    elif decision.allowed:
        colleague = cluster.as_owner(there)
        leaving = held_back(colleague) if colleague is not None else ()
        if leaving:
            raise Unverifiable(
                f"Vos policies admettent {there}, mais {quoted(leaving)} y gouverne{_s(leaving)} ce qui en sort : la "
                "connexion n’aboutit pas, et ce n’est pas de votre fait.",
                "C’est à votre collègue d’y remédier. Sur le petit SSPCloud local, jouez son rôle : "
                + as_typed(there, " ".join(("kubectl delete networkpolicy", *map(one_word, leaving)))),
            )
        return _unexplained(cluster, found.colleague, failing, subject)
    return _not_opened(cluster, subject, failing, found.colleague)


@verification(points=4, after=un_service_mene_a_la_base)
def un_troisieme_namespace_est_refuse(cluster: Cluster) -> Diagnostic | None:
    """Aucun autre namespace n’atteint la base.

    Une vraie connexion, d’un pod placé dans le namespace d’une troisième personne, doit échouer ; et vos policies
    ne doivent admettre personne d’autre. Sans accès ailleurs, elles sont interprétées.
    """
    found = seen(cluster)
    subject, outsider = found.subject, found.outsider
    read = reading(cluster)
    leaks = read.leaks()
    is_chosen = bool(subject.own.selecting)
    open_by_them = not is_chosen or any(leak.sure for leak in leaks)
    if outsider is not None and outsider.entered:
        failing = f"Depuis le namespace {found.outsider_namespace}, la connexion à {subject.address.name} aboutit"
        if not open_by_them:
            return _not_followed(cluster, subject, failing)
    elif outsider is not None and (not is_chosen or read.contradicted()):
        raise Unverifiable(
            f"Vos policies admettent le namespace {found.outsider_namespace}, et pourtant une connexion qui en vient "
            f"n’atteint pas {subject.address.name} : autre chose l’arrête, qui peut en laisser passer d’autres.",
            "Relancez la commande ; si cela dure, signalez-le à l’équipe qui administre le cluster.",
        )
    elif open_by_them:
        require_only_network_policies(cluster, "admettent d’autres namespaces que les vôtres")
        failing = f"Un namespace qui n’est ni le vôtre ni celui de votre collègue atteindrait la base ({_REASONED})"
    elif leaks:
        raise _in_doubt(leaks)
    else:
        if outsider is None:
            require_only_network_policies(cluster, "n’admettent aucun autre namespace")
        return None
    return _opened_by(cluster, subject, read, failing) if is_chosen else _open_to_all(cluster, subject, failing)


# -- the colleague --------------------------------------------------------------------------------------------------


def _other_server(cluster: Cluster, subject: Subject, reached: Attempt) -> Diagnostic | None:
    """None when the server that the colleague reached is the one in the pod."""
    try:
        inside = server_in(cluster, subject.pod)
    except (NotPostgres, ForwardRefused) as silence:
        raise Unverifiable(
            f"Le serveur du pod {subject.pod.name} ne répond pas à notre tunnel : {silence}.", "Relancez la commande."
        ) from silence
    answering = reached.server
    if answering is None or answering.fingerprint is None or inside.fingerprint is None:
        if leads_only_to(cluster, subject.address.service, subject.pod):
            return None  # PostgreSQL has answered, and the name leads nowhere else
        said = (answering.refusal if answering else "") or inside.refusal or "il n’utilise pas SCRAM"
        raise Unverifiable(
            f"La connexion aboutit, mais le serveur ne se laisse pas identifier ({said}), et plusieurs pods répondent "
            f"derrière {subject.address.service}.",
            f"Faites choisir à ce Service le seul pod de la base : kubectl describe service {subject.address.service}",
        )
    if answering.fingerprint == inside.fingerprint:
        return None
    service = subject.address.service
    return Diagnostic(
        finding=f"Depuis {cluster.colleague.namespace}, {subject.address.name} mène à un autre serveur PostgreSQL que "
        f"celui du pod {subject.pod.name}.",
        cause="Un Service partage ses clients entre tous les pods que son sélecteur choisit : plusieurs conviennent.",
        fix=f"Faites choisir à ce Service le seul pod de la base. (kubectl describe service {service})",
        commands=(
            f"kubectl delete service {service} -n {cluster.namespace} --ignore-not-found",
            f"kubectl expose pod/{subject.pod.name} --name={service} --port={PORT} -n {cluster.namespace}",
        ),
        look=(f"kubectl get endpointslices -n {cluster.namespace} -l kubernetes.io/service-name={service}",),
    )


def _not_opened(cluster: Cluster, subject: Subject, failing: str, attempt: Attempt | None) -> Diagnostic:
    there = cluster.colleague.namespace
    near = nearest(written_here(cluster), subject.pod, peer(there, attempt), PORT)
    if near is None:
        return _nothing_written(cluster, subject, failing)
    faults = " ; ".join(fault.said for fault in near.faults)
    return Diagnostic(
        finding=f"{failing}. La policy « {near.policy} » ne l’ouvre pas : {faults}.",
        cause=near.faults[0].cause,
        fix=f"Corrigez-la : au pod de la base, elle doit admettre le namespace {there} (étiquette "
        f"kubernetes.io/metadata.name) sur TCP {PORT}.",
        commands=repaired(cluster, subject, [near.policy]),
        look=(f"kubectl describe networkpolicy {near.policy} -n {cluster.namespace}", *_looks(cluster, subject)),
    )


def _nothing_written(cluster: Cluster, subject: Subject, failing: str) -> Diagnostic:
    there = cluster.colleague.namespace
    closing = quoted(subject.colleague.selecting)
    colleague = cluster.as_owner(there)
    elsewhere = [
        name_of(policy)
        for policy in (policies(colleague) if colleague else ())
        if decide([policy], subject.pod, peer(there), PORT).by
    ]
    rest = other_bases(cluster, subject.database.release)
    also = f" Vos autres bases ne lui sont pas ouvertes non plus ({rest}) : une seule suffit." if rest else ""
    seen_there = f" Une policy qui conviendrait, « {elsewhere[0]} », est dans {there}." if elsewhere else ""
    return Diagnostic(
        finding=f"{failing} : {closing} ferme{_s(subject.colleague.selecting, 'nt')} le pod {subject.pod.name}, et "
        f"aucune policy de {cluster.namespace} ne l’ouvre à {there}.{seen_there}{also}",
        cause="Une NetworkPolicy protège les pods de son propre namespace : c’est à la propriétaire de la base "
        "d’ouvrir chez elle, personne ne s’ouvre une porte de l’extérieur.",
        fix="Complétez ouverture.yaml et appliquez-le dans votre namespace : kubectl apply -f ouverture.yaml",
        commands=repaired(cluster, subject),
        look=_looks(cluster, subject),
    )


# -- a third namespace ----------------------------------------------------------------------------------------------


def _open_to_all(cluster: Cluster, subject: Subject, failing: str) -> Diagnostic:
    """No policy applies to the pod: there is none, or each chooses other pods."""
    known = policies(cluster)
    missing = next(((name_of(policy), fault) for policy in known if (fault := astray(policy, subject.pod))), None)
    if missing is None:
        finding = f"{failing} : aucune NetworkPolicy dans {cluster.namespace}, tout le cluster atteint la base."
        cause = (
            f"{_ADDITIVE} La base a été lancée sans l’option « only allow access from the same namespace » (--ouvert "
            "sur le cluster local), ou sa policy a été supprimée."
        )
    else:
        finding = (
            f"{failing} : aucune NetworkPolicy ne s’applique au pod {subject.pod.name}. Celle qui s’appelle "
            f"« {missing[0]} » le manque : {missing[1].said}."
        )
        cause = missing[1].cause
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix="Fermez d’abord la base aux autres namespaces (c’est ce que fait l’option du catalogue), puis ouvrez-la à "
        "votre collègue.",
        commands=(closed(cluster, subject), *repaired(cluster, subject)),
        look=_looks(cluster, subject),
    )


def _opened_by(cluster: Cluster, subject: Subject, read: Reading, failing: str) -> Diagnostic:
    leaks = read.leaks()
    by = list(dict.fromkeys(leak.policy for leak in leaks))
    others = [name for name in subject.colleague.selecting if name not in by]
    also = f" {quoted(others)} n’y change{_s(others, 'nt')} rien." if others else ""
    if programs := read.programs():
        also += f" Les programmes d’administration que vous admettez de {quoted(programs)} ne sont pas en cause."
    if any(read.serves_others(policy) for policy in read.policies if name_of(policy) in by):
        fix = f"Retirez de {quoted(by)} ce qui admet d’autres namespaces, et gardez le reste."
    else:
        fix = (
            f"Supprimez {quoted(by)}, ou limitez-{'la' if len(by) == 1 else 'les'} à votre namespace et à "
            f"{cluster.colleague.namespace}, nommé par son étiquette kubernetes.io/metadata.name."
        )
    return Diagnostic(
        finding=f"{failing}. {_openings(leaks)}{also}",
        cause=_ADDITIVE,
        fix=fix,
        lines=_written(read, by),
        commands=_closing(cluster, subject, read, by),
        look=(
            *(f"kubectl describe networkpolicy {name} -n {cluster.namespace}" for name in by),
            *_looks(cluster, subject),
        ),
    )


def _openings(leaks: Sequence[Leak]) -> str:
    """All that opens, then all that may open, policy by policy."""
    told: dict[tuple[bool, str], list[str]] = {}
    for leak in leaks:
        told.setdefault((leak.sure, leak.policy), []).append(how(leak))
    sentences: list[str] = []
    for (sure, name), ways in told.items():
        verb = "admet peut-être aussi d’autres pods" if not sure else "ouvre aussi" if sentences else "qui ouvre"
        sentences.append(f"{'' if sentences else 'C’est '}« {name} » {verb} : {' ; '.join(ways)}.")
    return " ".join(sentences)


def _in_doubt(leaks: Sequence[Leak]) -> Unverifiable:
    ways = " ; ".join(f"« {leak.policy} » : {how(leak)}" for leak in leaks)
    return Unverifiable(
        f"D’autres namespaces sont peut-être admis, et ce poste ne peut pas le lire. {ways}.",
        "Choisissez le namespace par son nom, avec l’étiquette kubernetes.io/metadata.name.",
    )


def _closing(cluster: Cluster, subject: Subject, read: Reading, by: Sequence[str]) -> Sequence[str]:
    """The commands that close all that these policies open, and leave in place what else they serve."""
    at_fault = [policy for policy in policies(cluster) if name_of(policy) in by]
    if any(read.serves_others(policy) for policy in at_fault):
        return (_only(cluster, subject),)
    left = [policy for policy in policies(cluster) if name_of(policy) not in by]
    own = subject.database.release
    commands = [_deleted(cluster, name_of(policy)) for policy in at_fault if name_of(policy) != own]
    if own in by or not decide(left, subject.pod, peer(cluster.namespace), PORT).by:  # nothing else admits one's pods
        commands.append(closed(cluster, subject))
    return (*commands, *repaired(cluster, subject))


def _written(read: Reading, by: Sequence[str]) -> tuple[str, ...]:
    """What ouverture.yaml may keep, where it is that file's policy which opens, and serves others too."""
    policy = next((one for one in read.policies if name_of(one) == _SOLUTION), None)
    if _SOLUTION not in by or policy is None or not read.serves_others(policy):
        return ()
    kept = yaml.safe_dump({"spec": {"ingress": read.kept(policy)}}, sort_keys=False, allow_unicode=True)
    return (f"# ouverture.yaml, NetworkPolicy {_SOLUTION} :", *kept.splitlines())


def _not_followed(cluster: Cluster, subject: Subject, failing: str) -> Diagnostic:
    return Diagnostic(
        finding=f"{failing}, alors que vos policies ne l’admettent pas.",
        cause="Le réseau du cluster met un instant à suivre un changement.",
        fix="Relancez la vérification dans un instant.",
        look=_looks(cluster, subject),
        transient=True,
    )


def _unexplained(cluster: Cluster, attempt: Attempt, failing: str, subject: Subject) -> Diagnostic:
    """The policies let it through, and yet nothing answers."""
    return Diagnostic(
        finding=f"{failing}, alors que vos policies l’admettent ({attempt.said}).",
        cause="Le réseau du cluster met un instant à suivre un changement ; sinon, le nom du Service, son port ou le "
        "serveur est en cause.",
        fix="Relancez la vérification dans un instant.",
        look=(f"kubectl logs {subject.pod.name} -n {cluster.namespace}", *_looks(cluster, subject)),
        transient=True,
    )


# -- remedies -------------------------------------------------------------------------------------------------------


_SOLUTION = "ouverture-collegue"


def from_catalogue(policy: Policy, database: Database) -> bool:
    """Whether the platform's form made it with the database."""
    labels = policy["metadata"].get("labels") or {}
    return name_of(policy) == database.release or labels.get("app.kubernetes.io/instance") == database.release


def written_here(cluster: Cluster) -> Sequence[Policy]:
    """The policies that came with no database: the learner's own."""
    known = databases(cluster)
    return [one for one in policies(cluster) if not any(from_catalogue(one, database) for database in known)]


def _only(cluster: Cluster, subject: Subject) -> str:
    """The command that leaves the base open to the colleague and to one's own pods, whatever the policies say; what
    serves an operator, or another port, stays."""
    there, place = cluster.colleague.namespace, f"--namespace {cluster.namespace}"
    return f"cahier catalogue fermer {subject.database.release} --seulement {there} {place}"


def closed(cluster: Cluster, subject: Subject) -> str:
    """The command that puts back the policy of the catalogue: one's own namespace, and nobody else."""
    return f"cahier catalogue fermer {subject.database.release} --namespace {cluster.namespace}"


def repaired(cluster: Cluster, subject: Subject, wrong: Sequence[str] = ()) -> Sequence[str]:
    """The commands that open to the colleague; a policy found `wrong` that bears the solution's name goes first."""
    there, release = cluster.colleague.namespace, subject.database.release
    existing = next((one for one in policies(cluster) if name_of(one) == _SOLUTION), None)
    serves_others = existing is not None and reading(cluster).serves_others(existing)
    if serves_others or "cnpg.io/cluster" not in subject.pod.labels:  # the older catalogue labels its pods otherwise
        return (_only(cluster, subject),)
    applied = f"cahier solution tp4 --namespace {cluster.namespace} --collegue {there} --base {release} --appliquer"
    return (*(_deleted(cluster, name) for name in wrong if name == _SOLUTION), applied)


def _deleted(cluster: Cluster, name: str) -> str:
    return f"kubectl delete networkpolicy {name} -n {cluster.namespace} --ignore-not-found"


def _looks(cluster: Cluster, subject: Subject) -> Sequence[str]:
    return (
        f"kubectl get networkpolicy -n {cluster.namespace}",
        f"kubectl get pod {subject.pod.name} -n {cluster.namespace} --show-labels",
    )


def _s(names: Sequence[str], plural: str = "nt") -> str:
    return plural if len(names) > 1 else ""
