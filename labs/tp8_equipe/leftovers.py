"""What serves nothing any more in a namespace: ended pods, and rights, Services or policies without effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from checks.facts import Cluster
from checks.selectors import selects


@dataclass(frozen=True)
class Leftover:
    """An object to delete: what is wrong with it (`said`), and what a reader would believe of it (`cause`)."""

    kind: str
    name: str
    said: str
    cause: str


def leftovers(cluster: Cluster) -> Iterator[Leftover]:
    """Pods that have ended, bindings of nobody or of no role, Services and policies that choose no pod."""
    for pod in cluster.pods():
        if pod.phase in ("Succeeded", "Failed") and not pod.raw["metadata"].get("ownerReferences"):
            state = "a fini" if pod.phase == "Succeeded" else "a échoué"
            said = f"le pod « {pod.name} » {state} et ne tourne plus"
            yield Leftover("pod", pod.name, said, "Il compte dans votre quota.")
    existing = {item["metadata"]["name"] for item in cluster.objects("Role")}
    for item in cluster.objects("RoleBinding"):
        name, role = item["metadata"]["name"], item["roleRef"]
        cause = "Une RoleBinding sans effet redevient active le jour où ce qui lui manque réapparaît."
        if role["kind"] == "Role" and role["name"] not in existing:
            said = f"la RoleBinding « {name} » cite le Role « {role['name']} », qui n’existe pas"
            yield Leftover("rolebinding", name, said, cause)
        elif not item.get("subjects"):
            yield Leftover("rolebinding", name, f"la RoleBinding « {name} » ne nomme personne", cause)
    for item in cluster.objects("Service"):
        name, wanted = item["metadata"]["name"], item["spec"].get("selector")
        if wanted and not _managed(item) and _idle(cluster, {"matchLabels": wanted}):
            said = f"le Service « {name} » ne mène à aucun pod"
            yield Leftover("service", name, said, "Un nom qui ne mène nulle part trompe celui qui le lit.")
    for item in cluster.objects("NetworkPolicy"):
        name, selector = item["metadata"]["name"], item["spec"].get("podSelector") or {}
        if not _managed(item) and _idle(cluster, selector):
            said = f"la NetworkPolicy « {name} » ne choisit aucun pod"
            cause = "Une NetworkPolicy qui ne choisit rien ne protège rien, et rassure à tort."
            yield Leftover("networkpolicy", name, said, cause)


def _managed(item: Mapping[str, Any]) -> bool:
    """Whether the catalogue looks after it."""
    labels = item["metadata"].get("labels") or {}
    return "app.kubernetes.io/managed-by" in labels or "app.kubernetes.io/instance" in labels


def _idle(cluster: Cluster, selector: Mapping[str, Any]) -> bool:
    """Whether a selector takes no pod, nor any that a Deployment could make."""
    made = [item["spec"]["template"]["metadata"].get("labels") or {} for item in cluster.objects("Deployment")]
    return not any(selects(selector, labels) for labels in (*(pod.labels for pod in cluster.pods()), *made))
