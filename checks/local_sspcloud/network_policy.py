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
from checks.local_sspcloud.catalogue import releases
from checks.local_sspcloud.postgresql import PORT
from checks.selectors import selects

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api

Item = Mapping[str, Any]
# the newer chart's label, and the older's
_RELEASE = (
    "cnpg.io/cluster",
    "app.kubernetes.io/instance",
)


def open_to_all(api: Api, namespace: str, name: str) -> Sequence[str]:
    """Take away the policy that came with the database, as the form's box unticked; what to say of
    it.

    Raises CahierError.
    """
    labels = _pod_labels(api, namespace, name)
    path = f"{collection('NetworkPolicy', namespace)}/{name}"
    was_closed = api.find(path) is not None
    api.remove(path)
    said = [
        f"La base {name} est ouverte : la NetworkPolicy {name} est retirée."
        if was_closed
        else f"La base {name} n’avait déjà plus sa NetworkPolicy : rien n’a été changé."
    ]
    left = [one["metadata"]["name"] for one in _choosing(api, namespace, labels)]
    if left:
        said.append(
            "D’autres NetworkPolicies choisissent son pod, et n’y laissent entrer que qui elles "
            f"admettent : {', '.join(left)}."
        )
    return said


def close(api: Api, namespace: str, name: str, admitted: Sequence[str] = ()) -> Sequence[str]:
    """Put back the policy that comes with the database, as the form's box ticked; what to say of
    it.

    With `admitted`, only the pods of these namespaces and of the database's own enter, whatever the
    other policies said; programs of the administrators stay. Raises CahierError.
    """
    labels = _pod_labels(api, namespace, name)
    others = [one for one in _choosing(api, namespace, labels) if one["metadata"]["name"] != name]
    guests = [one for one in admitted if one != namespace]
    api_path = collection("NetworkPolicy", namespace)
    read = _reading(api, namespace, name, guests)
    policy, was = _policy(namespace, name, labels, guests), api.find(f"{api_path}/{name}")
    own = policy["spec"]["ingress"]
    kept = read.kept(was) if was is not None else []
    for_others = [
        rule for rule in kept if rule not in own and read.serves_others(_with(policy, [rule]))
    ]
    changed = _put(api, f"{api_path}/{name}", _with(policy, [*for_others, *own]))
    who = " et de ".join([namespace, *guests])
    said = [
        f"La base {name} est fermée : sa NetworkPolicy n’admet que les pods de {who}."
        if changed
        else f"La base {name} était déjà fermée : sa NetworkPolicy n’admet que les pods de {who}."
    ]
    for policy in others:
        other, kept = policy["metadata"]["name"], read.kept(policy)
        if kept == (policy["spec"].get("ingress") or []):
            continue
        if not admitted:
            said.append(f"« {other} » y laisse encore entrer d’autres namespaces.")
        elif kept or not policy["spec"].get("podSelector"):
            _put(api, f"{api_path}/{other}", _with(policy, kept))
            said.append(f"« {other} » n’admet plus personne d’autre.")
        else:
            api.remove(f"{api_path}/{other}")
            said.append(f"« {other} », qui n’admettait personne d’entre eux, est retirée.")
    return said


def _reading(api: Api, namespace: str, name: str, guests: Sequence[str]) -> Reading:
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
    pod = next(one for one in pods if any(one.labels.get(key) == name for key in _RELEASE))
    return Reading(cluster.objects("NetworkPolicy"), pod, PORT, circle)


def _with(policy: Item, rules: Sequence[Item]) -> Item:
    return {**policy, "spec": {**policy["spec"], "ingress": list(rules)}}


def _pod_labels(api: Api, namespace: str, name: str) -> Mapping[str, str]:
    """The labels of the database's pod. Raises UsageError where there is none of that name."""
    for pod in api.objects("Pod", collection("Pod", namespace)):
        labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
        if any(labels.get(key) == name for key in _RELEASE):
            return labels
    known = [one.name for one in releases(api, namespace)]
    raise UsageError(
        f"Aucun service « {name} » dans {namespace}.",
        f"Vos services : {', '.join(known)}"
        if known
        else "Pour en lancer un : cahier catalogue lancer postgresql",
    )


def _choosing(api: Api, namespace: str, labels: Mapping[str, str]) -> Sequence[Item]:
    """The policies that decide who enters the pod."""
    found = api.objects("NetworkPolicy", collection("NetworkPolicy", namespace))
    return [
        one
        for one in found
        if "Ingress" in (one["spec"].get("policyTypes") or ["Ingress"])
        and selects(one["spec"].get("podSelector") or {}, labels)
    ]


def _policy(namespace: str, name: str, labels: Mapping[str, str], guests: Sequence[str]) -> Item:
    chosen = {key: name for key in _RELEASE if labels.get(key) == name}
    chosen = {"cnpg.io/cluster": name} if "cnpg.io/cluster" in chosen else chosen
    kept = {key: value for key, value in labels.items() if key.startswith("app.kubernetes.io/")}
    sources: list[Item] = [{"podSelector": {}}]
    sources += [{"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: guest}}} for guest in guests]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": {**kept, **chosen}},
        "spec": {
            "podSelector": {"matchLabels": chosen},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": sources}],
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
    version = {"resourceVersion": there["metadata"]["resourceVersion"]}
    api.request("PUT", path, {**item, "metadata": {**item["metadata"], **version}})
    return True
