"""Why a NetworkPolicy does not open a pod to somebody, or opens it to everybody: said of its own
fields, in French.

What is wrong is found by counterfactuals: a field is at fault when the policy, all its other fields
being made to fit, still does not let the connection through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checks.diagnosis.policies.decision import NAMESPACE_NAME, Peer, decide
from checks.diagnosis.policies.strangers import Leak
from checks.facts import Pod
from checks.french import quoted
from checks.objects.labels import EVERYTHING
from checks.objects.policies import IngressRule, NetworkPolicy, PolicyPeer, PolicyPort, of_one_rule


@dataclass(frozen=True)
class Fault:
    """What of a policy does not fit, and the rule of Kubernetes behind it; both are French
    sentences."""

    said: str
    cause: str


@dataclass(frozen=True)
class Near:
    """A policy that almost opens the way, and what keeps it from doing so."""

    policy: str
    faults: Sequence[Fault]


def nearest(
    policies: Sequence[NetworkPolicy], pod: Pod, peer: Peer, port: int, server: str = "la base"
) -> Near | None:
    """The policy with the fewest faults, for a connection from `peer` that none allows; None when
    there is none. `server`: what listens in the pod, in a sentence."""
    found = [near for policy in policies for near in _nears(policy, pod, peer, port, server)]
    return min(found, key=lambda near: len(near.faults), default=None)


def astray(policy: NetworkPolicy, pod: Pod) -> Fault | None:
    """None when the policy applies to `pod`; else what its podSelector asks that the pod does not
    carry."""
    selector = policy.spec.pod_selector
    if selector.selects(pod.labels):
        return None
    carried = ", ".join(f"{key}={pod.labels[key]}" for key in selector.keys if key in pod.labels)
    return Fault(
        f"son podSelector choisit les pods étiquetés {selector}, et {pod.name} "
        + (f"porte {carried}" if carried else f"ne porte pas {', '.join(selector.keys)}"),
        "Une NetworkPolicy ne concerne que les pods de son namespace que son podSelector choisit ; "
        "si aucun ne convient, elle est acceptée sans un mot, et n’a aucun effet.",
    )


def missing(
    policies: Sequence[NetworkPolicy], pod: Pod, others: Sequence[Pod]
) -> tuple[str, Fault] | None:
    """Name of the policy that was meant for `pod`, and what of it misses it: it is called like it,
    as the catalogue does, else it chooses none of the `others` either. None where there is none."""
    found = [
        (policy, fault)
        for policy in policies
        if policy.governs("Ingress") and (fault := astray(policy, pod)) is not None
    ]
    named = [one for one in found if re.fullmatch(rf"{re.escape(one[0].name)}-\d+", pod.name)]
    idle = [
        one
        for one in found
        if not any(one[0].spec.pod_selector.selects(other.labels) for other in others)
    ]
    meant = next(iter((*named, *idle)), None)
    return None if meant is None else (meant[0].name, meant[1])


def how(leak: Leak) -> str:
    """How a policy opens, or may open: the end of a sentence that begins with its name."""
    if not leak.sure:
        return _maybe(leak)
    match leak.kind:
        case "anywhere":
            return (
                "l’une de ses règles n’a pas de « from » (ou l’a vide) : elle admet toutes les "
                "provenances"
            )
        case "everybody":
            return "son namespaceSelector vide désigne tous les namespaces du cluster"
        case "labels":
            texts = " ; ".join(leak.what)
            return (
                f"son namespaceSelector ({texts}) convient à d’autres namespaces que celui de "
                "votre collègue"
            )
        case "namespaces":
            return f"elle nomme aussi {_namespaces(leak.what)}"
        case "administrators":
            return f"elle admet tous les pods {of_administrators(leak.what)}"
        case "addresses":
            return _taken_by(leak)


def _taken_by(leak: Leak) -> str:
    one = len(leak.what) == 1
    blocks = f"son ipBlock {leak.what[0]}" if one else f"ses ipBlock {', '.join(leak.what)}"
    part = (
        f"{'fait' if one else 'font'} partie d’un ensemble, {leak.whole}, qui contient"
        if leak.whole
        else ""
    )
    return (
        f"{blocks} {part or ('contient' if one else 'contiennent')} les adresses des pods de tous "
        "les namespaces"
    )


def _maybe(leak: Leak) -> str:
    if leak.kind == "addresses":
        one = len(leak.what) == 1
        block = (
            f"son ipBlock {leak.what[0]} désigne"
            if one
            else f"ses ipBlock {' et '.join(leak.what)} désignent"
        )
        return f"selon le réseau du cluster, {block} aussi des pods"
    if leak.kind == "labels":
        return (
            f"son namespaceSelector ({' ; '.join(leak.what)}) lit des étiquettes que ce poste ne "
            "peut pas lire"
        )
    return (
        f"elle nomme aussi {_namespaces(leak.what)}, selon des étiquettes que ce poste ne peut pas "
        "lire"
    )


def _namespaces(names: Sequence[str]) -> str:
    return f"{'le namespace' if len(names) == 1 else 'les namespaces'} {quoted(names)}"


def of_administrators(names: Sequence[str]) -> str:
    """« of a namespace », or « of namespaces », of the administrators."""
    return (
        f"{'d’un namespace' if len(names) == 1 else 'de namespaces'} d’administration du cluster, "
        f"{quoted(names)}"
    )


def _nears(policy: NetworkPolicy, pod: Pod, peer: Peer, port: int, server: str) -> Iterator[Near]:
    """One for each of its rules."""
    outside = [] if (found := astray(policy, pod)) is None else [found]
    if not policy.governs("Ingress"):
        outside.append(
            Fault(
                f"son champ policyTypes ne contient que {', '.join(policy.spec.policy_types)}",
                "Ingress gouverne ce qui entre dans les pods choisis, Egress ce qui en sort ; les "
                "règles d’un sens que policyTypes ne cite pas sont ignorées.",
            )
        )
    if not policy.spec.ingress:
        faults = [
            *outside,
            Fault(
                "elle n’a aucune règle « ingress »", "Sans règle, une policy ne fait que fermer."
            ),
        ]
        yield Near(policy.name, faults)
    for rule in policy.spec.ingress:
        faults = list(outside)
        if not _would_open(IngressRule(ports=rule.ports), pod, peer, port):
            faults.append(_port_fault(rule.ports, port, server))
        if not _would_open(IngressRule(peers=rule.peers), pod, peer, port):
            faults.append(_peer_fault(rule.peers, pod, peer))
        yield Near(policy.name, faults)


def _would_open(rule: IngressRule, pod: Pod, peer: Peer, port: int) -> bool:
    """Whether a rule, were it that of a policy which applies to the pod, surely lets `peer` in."""
    return decide([of_one_rule(rule)], pod, peer, port).allowed is True


def _port_fault(ports: Sequence[PolicyPort], port: int, server: str) -> Fault:
    opened = []
    for entry in ports:
        last = f" à {entry.end_port}" if entry.end_port else ""
        number = "tous ports" if entry.port is None else entry.port
        opened.append(f"{entry.transport} {number}{last}")
    return Fault(
        f"elle ouvre {', '.join(opened)}, et {server} écoute sur TCP {port}",
        "« ports » désigne les ports du pod, avec leur protocole ; un port nommé doit l’être dans "
        "le pod. Tout autre port reste fermé.",
    )


_LABELS = (
    "Un namespaceSelector ne lit pas le nom d’un namespace mais ses étiquettes (labels). Le "
    "propriétaire d’un namespace ne les choisit pas ; le cluster en pose une lui-même sur chacun, "
    "qui contient son nom."
)


def _peer_fault(entries: Sequence[PolicyPeer], pod: Pod, peer: Peer) -> Fault:
    """What keeps `peer` out of a rule's `from`: said of the entry that comes closest."""
    found = [_entry_fault(entry, pod, peer) for entry in entries]
    return min(found, key=lambda one: one[0])[1]


def _entry_fault(entry: PolicyPeer, pod: Pod, peer: Peer) -> tuple[int, Fault]:
    """The fault, after a number that says how far the entry is from letting `peer` in."""
    if entry.ip_block is not None:
        return 3, Fault(
            f"elle admet les adresses {entry.ip_block.cidr}, qui ne désignent pas les pods de "
            f"{peer.namespace}",
            "L’adresse d’un pod change à chaque redémarrage : entre pods, on choisit par "
            "étiquettes.",
        )
    chosen, namespaces = entry.pod_selector or EVERYTHING, entry.namespace_selector
    if namespaces is None:
        which = f"les pods étiquetés {chosen}" if chosen.keys else "les pods"
        return 2, Fault(
            f"elle admet {which} de {pod.namespace}, votre propre namespace",
            "Dans « from », un podSelector seul choisit parmi les pods du namespace de la policy, "
            "jamais d’un autre.",
        )
    if _would_open(IngressRule(peers=(PolicyPeer(None, namespaces),)), pod, peer, 1):
        return 0, Fault(
            f"de {peer.namespace}, elle n’admet que les pods étiquetés {chosen}",
            "Dans un même élément de « from » (un seul tiret), namespaceSelector et podSelector "
            "valent ensemble : ET. Deux éléments (deux tirets) valent l’un ou l’autre : OU.",
        )
    wanted = namespaces.match_labels.get(NAMESPACE_NAME)
    if wanted is not None and wanted != peer.namespace:
        return 1, Fault(f"elle admet le namespace « {wanted} », pas « {peer.namespace} »", _LABELS)
    return 1, Fault(
        f"elle admet les namespaces étiquetés {namespaces}, ce que {peer.namespace} n’est pas",
        _LABELS,
    )
