"""Who reaches a database of the catalogue by the network: open to every namespace, or closed but to
some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from checks.access.kubernetes_api import collection
from checks.diagnosis.policies.allowed import Circle, administrators
from checks.diagnosis.policies.decision import NAMESPACE_NAME
from checks.diagnosis.policies.strangers import Reading
from checks.errors import UsageError
from checks.local_sspcloud import services
from checks.local_sspcloud.catalogue import releases
from checks.objects.labels import EVERYTHING, LabelSelector
from checks.objects.parts import Metadata, metadata, read, written
from checks.objects.policies import IngressRule, NetworkPolicy, PolicyPeer, of_one_rule

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api
    from checks.local_sspcloud.services.description import Service

Item = Mapping[str, Any]


def open_to_all(api: Api, namespace: str, name: str) -> Sequence[str]:
    """Take away the policy that came with the database, as the form's box unticked; what to say of
    it.

    Raises CahierError.
    """
    service, pod = _pod(api, namespace, name)
    policy, labels = service.policy(name), pod.labels
    path = f"{collection('NetworkPolicy', namespace)}/{policy}"
    found = api.find(path)
    was = read(found, NetworkPolicy) if found is not None else None
    api.remove(path)
    left = [one.name for one in _choosing(api, namespace, labels)]
    return [
        _opened(name, policy, was, labels, left),
        *(
            [
                "D’autres NetworkPolicies choisissent son pod, et n’y laissent entrer que qui "
                f"elles admettent : {', '.join(left)}."
            ]
            if left
            else []
        ),
        *_laid_open(api, namespace, name, was),
    ]


def _opened(
    name: str,
    policy: str,
    was: NetworkPolicy | None,
    labels: Mapping[str, str],
    left: Sequence[str],
) -> str:
    """What has become of the base, whose own `policy` `was` there, and that others are `left` to
    close."""
    if was is None:
        return f"La base {name} n’avait déjà plus sa NetworkPolicy : rien n’a été changé."
    if not was.spec.pod_selector.selects(labels):
        return f"La NetworkPolicy {policy} est retirée ; elle ne choisissait pas le pod de la base."
    if left:
        return f"La NetworkPolicy {policy} est retirée."
    return f"La base {name} est ouverte : la NetworkPolicy {policy} est retirée."


def _laid_open(api: Api, namespace: str, name: str, was: NetworkPolicy | None) -> Sequence[str]:
    """The other bases that the policy of this one closed as it `was`, and that none closes any
    more: a sentence for each.

    The policy of the platform's chart chooses the release that is called like the chart.
    """
    said = []
    for pod in api.objects("Pod", collection("Pod", namespace)):
        labels = metadata(pod).labels
        _, other = services.of(labels) or (None, name)
        if other == name or was is None or not was.spec.pod_selector.selects(labels):
            continue
        if not _choosing(api, namespace, labels):
            said.append(
                f"Elle choisissait aussi le pod {metadata(pod).name}, qu’aucune NetworkPolicy ne "
                f"choisit plus : tout le cluster l’atteint. Pour le fermer : cahier catalogue "
                f"fermer {other}"
            )
    return said


def close(api: Api, namespace: str, name: str, admitted: Sequence[str] = ()) -> Sequence[str]:
    """Put back the policy that comes with the database, as the form's box ticked; what to say of
    it.

    With `admitted`, only the pods of these namespaces and of the database's own enter, whatever the
    other policies said; programs of the administrators stay. Raises CahierError.
    """
    service, pod = _pod(api, namespace, name)
    labels, own_name = pod.labels, service.policy(name)
    others = [one for one in _choosing(api, namespace, labels) if one.name != own_name]
    guests = [one for one in admitted if one != namespace]
    api_path = collection("NetworkPolicy", namespace)
    reading = _reading(api, namespace, service, name, guests)
    operated = pod.database_cluster != ""
    own = [_people(guests), *(service.operator_rules() if operated else ())]
    was = api.find(f"{api_path}/{own_name}")
    before = read(was, NetworkPolicy) if was is not None else None
    for_others = [
        rule
        for rule in (reading.kept(before) if before is not None else ())
        if rule not in own and reading.serves_others(of_one_rule(rule))
    ]
    policy = _policy(namespace, service, name, labels)
    changed = _put(api, f"{api_path}/{own_name}", _with(policy, [*for_others, *own]))
    who = " et de ".join([namespace, *guests])
    was_or_is = "est" if changed else "était déjà"
    said = [f"La base {name} {was_or_is} fermée : sa NetworkPolicy n’admet que les pods de {who}."]
    if operated:
        said += service.operator_sentences()
    for other in others:
        kept = reading.kept(other)
        if list(kept) == list(other.spec.ingress):
            continue
        if not admitted:
            said.append(f"« {other.name} » y laisse encore entrer d’autres namespaces.")
        elif kept or not other.spec.pod_selector.keys:
            path = f"{api_path}/{other.name}"
            _put(api, path, _with(api.request("GET", path), kept))
            said.append(f"« {other.name} » n’admet plus personne d’autre.")
        else:
            api.remove(f"{api_path}/{other.name}")
            said.append(f"« {other.name} », qui n’admettait personne d’entre eux, est retirée.")
    return [*said, *_laid_open(api, namespace, name, before)]


def _reading(
    api: Api, namespace: str, service: Service, name: str, guests: Sequence[str]
) -> Reading:
    """What the policies admit to the database's pod besides the pods of `namespace` and of the
    `guests`."""
    from checks.sources.live_cluster import LiveCluster
    from checks.sources.machine import LocalMachine

    cluster = LiveCluster(LocalMachine(), api=api, namespace=namespace)
    pods = cluster.pods()
    circle = Circle(
        namespaces=frozenset({namespace, *guests}),
        administrators=administrators(cluster, guests),
        addresses=[one.ip for one in pods if one.ip],
    )
    pod = next(one for one in pods if service.release_of(one.labels) == name)
    return Reading(cluster.network_policies(), pod, service.port, circle)


def _with(policy: Item, rules: Sequence[IngressRule]) -> Item:
    return {**policy, "spec": {**policy["spec"], "ingress": [written(rule) for rule in rules]}}


def _pod(api: Api, namespace: str, name: str) -> tuple[Service, Metadata]:
    """The database's pod. Raises UsageError where there is none of that name."""
    for item in api.objects("Pod", collection("Pod", namespace)):
        pod = metadata(item)
        service, release = services.of(pod.labels) or (None, "")
        if service is not None and release == name:
            return service, pod
    known = [one.name for one in releases(api, namespace)]
    raise UsageError(
        f"Aucun service « {name} » dans {namespace}.",
        f"Vos services : {', '.join(known)}"
        if known
        else "Pour en lancer un : cahier catalogue lancer postgresql",
    )


def _choosing(api: Api, namespace: str, labels: Mapping[str, str]) -> Sequence[NetworkPolicy]:
    """The policies that decide who enters the pod."""
    path = collection("NetworkPolicy", namespace)
    found = api.each(NetworkPolicy, "NetworkPolicy", path)
    return [
        one for one in found if one.governs("Ingress") and one.spec.pod_selector.selects(labels)
    ]


def _people(guests: Sequence[str]) -> IngressRule:
    """The rule of the policy that comes with a database: its own namespace, and the `guests`."""
    named = (LabelSelector({NAMESPACE_NAME: guest}) for guest in guests)
    others = (PolicyPeer(namespace_selector=one) for one in named)
    return IngressRule(peers=(PolicyPeer(pod_selector=EVERYTHING), *others))


def _policy(namespace: str, service: Service, name: str, labels: Mapping[str, str]) -> Item:
    """The policy that comes with a database, without its rule."""
    chosen = service.chosen(name)
    kept = {key: value for key, value in labels.items() if key.startswith("app.kubernetes.io/")}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": service.policy(name),
            "namespace": namespace,
            "labels": {**kept, **chosen},
        },
        "spec": {
            "podSelector": {"matchLabels": chosen},
            "policyTypes": ["Ingress"],
        },
    }


def _put(api: Api, path: str, item: Item) -> bool:
    """Make the object, or replace the one that is there; whether anything changed."""
    there = api.find(path)
    if there is None:
        api.request("POST", path.rpartition("/")[0], item)
        return True
    if there["spec"] == item["spec"]:
        return False
    api.request("PUT", path, {**there, "spec": item["spec"]})  # whose it is stays written on it
    return True
