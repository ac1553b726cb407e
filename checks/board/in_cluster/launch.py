"""The board is put into the cluster, looked at, and taken away: the teacher's side."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.access.kubernetes_api import Api
from checks.board.in_cluster import manifests
from checks.board.in_cluster.order import TOKEN, Order
from checks.board.in_cluster.place import kept_in
from checks.board.server import new_token
from checks.errors import AccessError, CahierError, Refused
from checks.grading.history import Change
from checks.grading.in_cluster import launch, pods
from checks.grading.in_cluster.launch import Act, Owner
from checks.grading.in_cluster.manifests import COLLECTIONS, LABEL
from checks.objects.pods import PodObject
from checks.objects.workloads import ConfigMap, Workload

FOLLOWING = Act("suivre", "suivra", "ce tableau", "un seul tableau", "du tableau")
_CRASHES = 2  # after which a pod that does not start is not waited for


@dataclass(frozen=True)
class Sight:
    """What a look at the pod shows. `notes`: what may delay it, in French."""

    ready: bool
    notes: Sequence[str]


class ClusterBoard:
    """The board of a class in a namespace, whether it is there or not."""

    def __init__(self, api: Api, namespace: str, group: str) -> None:
        self._api, self._namespace = api, namespace
        self._group = f"{group}.suivi"
        self.owner = Owner("Deployment", f"cahier-suivre-{group}", namespace)
        self._content = ""

    @property
    def name(self) -> str:
        """Of the Deployment, and of all that belongs to it."""
        return self.owner.name

    def found(self) -> Workload | None:
        """The Deployment; None where there is none. Raises CahierError."""
        try:
            return self._api.one(Workload, self.owner.path)
        except Refused as refusal:
            raise self._explained(refusal, "Deployment") from refusal

    def start(self, order: Order, image: str) -> bool:
        """Make all that the board needs and let it begin, or bring it to this order; whether it was
        not there before, in which case what was made is taken back if it fails. Raises
        CahierError."""
        launch.require_rights(self._api, self._namespace, FOLLOWING)
        text = launch.written(order, FOLLOWING)
        self._content = hashlib.sha256(text.encode()).hexdigest()[:16]
        before = self.found()
        if before is None:
            self._apply(self._deployment(image, replicas=0))
        try:
            owner = {"apiVersion": "apps/v1", "kind": "Deployment"} | self._request(
                "Deployment", self.owner.path
            )
            launch.ensure_service_account(self._api, self._namespace, self._group, owner)
            for item in manifests.belongings(
                self.name, self._group, text, self._token() or new_token(), owner
            ):
                self._apply(item)
            self._apply(self._deployment(image, replicas=1))
        except BaseException:
            if before is None:
                with contextlib.suppress(AccessError):
                    self.remove()
            raise
        return before is None

    def look(self) -> Sight:
        """How far the pod is that was asked for last. Raises CahierError where nothing will come of
        it."""
        found = self._pods()
        ours = [
            one for one in found if one.metadata.annotations.get(manifests.CONTENT) == self._content
        ]
        if any(one.status.is_ready and not one.metadata.deletion_timestamp for one in ours):
            return Sight(True, ())
        pods.require_same_version(ours, "recommencez.")
        pods.require_pulled(ours)
        for pod in ours:
            if any(one.restart_count >= _CRASHES for one in pod.status.container_statuses):
                raise CahierError(
                    f"Le tableau ne démarre pas dans le cluster : {pods.death(pod)}.",
                    f"Ce que dit le pod : kubectl logs {pod.metadata.name} -n {self._namespace} "
                    "--previous",
                )
        workload = self.found()
        if not found and workload is not None and workload.refused is not None:
            raise pods.refused(workload.refused.message, self._namespace, FOLLOWING)
        return Sight(False, [note for pod in ours for note in _notes(pod)])

    @property
    def token(self) -> str:
        """The word of the address. Raises CahierError."""
        found = self._token()
        if not found:
            raise CahierError(
                f"Le Secret {self.name} de {self._namespace} n’est plus là, ou a été modifié.",
                "Relancez la même commande : elle le refait.",
            )
        return found

    def stop(self) -> None:
        """Have the pod end, once it has published what it has seen. Raises CahierError."""
        self._request("Deployment", self.owner.path, "PATCH", {"spec": {"replicas": 0}})

    @property
    def has_ended(self) -> bool:
        """Whether no pod is left. Raises CahierError."""
        return not self._pods()

    def kept(self) -> Sequence[Change]:
        """What was published of the history. Raises CahierError."""
        path = f"{COLLECTIONS['ConfigMap'].format(self._namespace)}/{self.name}"
        found = self._api.one(ConfigMap, path)
        return () if found is None else kept_in(found)

    def remove(self) -> None:
        """Remove the board; all that belongs to it goes with it. Raises AccessError."""
        launch.remove(self._api, self.owner)

    # -- what these share --------------------------------------------------------------------------

    def _deployment(self, image: str, *, replicas: int) -> Mapping[str, Any]:
        return manifests.deployment(self.name, self._group, image, self._content, replicas)

    def _token(self) -> str:
        """The word that the Secret holds, "" where it does not. Raises CahierError."""
        path = f"{COLLECTIONS['Secret'].format(self._namespace)}/{self.name}"
        try:
            found = self._api.find(path)
        except Refused as refusal:
            raise self._explained(refusal, "Secret") from refusal
        said = ((found or {}).get("data") or {}).get(TOKEN) or ""
        return base64.b64decode(said).decode()

    def _pods(self) -> Sequence[PodObject]:
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        chosen = {"labelSelector": f"{LABEL}={self._group}"}
        return self._api.each(PodObject, "Pod", path, chosen)

    def _apply(self, item: Mapping[str, Any]) -> None:
        kind, name = item["kind"], item["metadata"]["name"]
        try:
            self._api.apply(f"{COLLECTIONS[kind].format(self._namespace)}/{name}", item)
        except Refused as refusal:
            raise self._explained(refusal, kind) from refusal

    def _request(self, kind: str, path: str, method: str = "GET", body: object = None) -> Any:
        try:
            return self._api.request(
                method, path, body, content_type="application/merge-patch+json"
            )
        except Refused as refusal:
            raise self._explained(refusal, kind) from refusal

    def _explained(self, refusal: Refused, kind: str) -> CahierError:
        return launch.explained(refusal, kind, self._namespace, FOLLOWING)


def _notes(pod: PodObject) -> Iterable[str]:
    """What may delay it."""
    yield from pods.delays(pod)
    if any(one.restart_count for one in pod.status.container_statuses):
        yield f"{pods.death(pod)} ; il est relancé."
    why = pods.unplaced(pod)
    if why:
        yield f"Aucun nœud n’a de place pour le pod, il attend : {why}"
