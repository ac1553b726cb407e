"""What a walk stands on: the cluster, the namespaces that can be looked at from here, and from
where one goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checks.capabilities import Cluster
from checks.diagnosis.policies.decision import Decision, Peer, decide
from checks.facts import PROBE_LABEL, Pod
from checks.objects.policies import NetworkPolicy


@dataclass
class Ground:
    """`tries`: whether pods of ours may be placed to try a path."""

    cluster: Cluster
    tries: bool = True
    _views: dict[str, Cluster | None] = field(default_factory=dict)

    def view(self, namespace: str) -> Cluster | None:
        """A namespace as it can be looked at from here; None where it cannot."""
        if namespace not in self._views:
            self._views[namespace] = self._looked_at(namespace)
        return self._views[namespace]

    def _looked_at(self, namespace: str) -> Cluster | None:
        if namespace == self.cluster.namespace:
            return self.cluster
        theirs = self.cluster.as_owner(namespace)
        if theirs is not None:
            return theirs
        if self.cluster.may("list", "pods", namespace=namespace).allowed:
            return self.cluster.at(namespace)
        return None

    @property
    def views(self) -> Iterable[Cluster]:
        """The namespaces that were looked at, ours first."""
        self.view(self.cluster.namespace)
        return [one for one in self._views.values() if one is not None]

    def pod_at(self, address: str) -> tuple[Cluster, Pod] | None:
        """The pod that has this address, where it can be looked at."""
        for view in self.views:
            for pod in view.pods():
                if address in pod.addresses:
                    return view, pod
        return None


@dataclass(frozen=True)
class Origin:
    """From where one goes: a pod, or any pod of a namespace (`pod` None: one without labels).
    `here`: it is the one that we work in."""

    view: Cluster
    pod: Pod | None = None
    here: bool = False

    @property
    def labels(self) -> Mapping[str, str]:
        """What policies see of it."""
        return self.pod.labels if self.pod is not None else {PROBE_LABEL: "oui"}

    @property
    def said(self) -> str:
        """Who it is, in a sentence."""
        if self.here:
            return "ce service, où vous travaillez,"
        where = self.view.namespace
        return (
            f"le pod {self.pod.name} de {where}" if self.pod is not None else f"un pod de {where}"
        )

    @property
    def policies(self) -> Sequence[NetworkPolicy]:
        """Those of its namespace, but for those of probes."""
        return policies(self.view)

    def peer(self, address: str = "") -> Peer:
        """What the other end's policies see of it."""
        own = self.pod.ip if self.pod is not None and self.here else address
        return Peer(self.view.namespace, self.labels, ip=own)

    def leaving(self, peer: Peer, port: int, protocol: str = "TCP") -> Decision:
        """What the policies of its namespace decide of what it sends to a pod."""
        own = self.pod or _anybody(self.view.namespace, self.labels)
        return decide(self.policies, own, peer, port, protocol=protocol, direction="Egress")


def policies(view: Cluster) -> Sequence[NetworkPolicy]:
    """The policies of a namespace, but for those of probes."""
    return [one for one in view.network_policies() if PROBE_LABEL not in one.metadata.labels]


def _anybody(namespace: str, labels: Mapping[str, str]) -> Pod:
    return Pod("", namespace, "", labels, "", False, False, "", (), datetime.now(UTC))
