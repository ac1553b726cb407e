"""Where a relaying pod leads, as far as its manifest tells; what it really reaches is proven by connections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from checks.facts import Cluster, Pod


@dataclass(frozen=True)
class Target:
    """The address a relay leads to, as it is written."""

    host: str
    port: str

    def namespace(self, own: str) -> str | None:
        """Namespace in which this name is resolved; None for an IP address or a name from outside."""
        if re.fullmatch(r"[\d.]+|\[?[0-9a-fA-F:]+\]?", self.host):
            return None
        words = self.host.rstrip(".").split(".")
        if len(words) == 1:
            return own
        return words[1] if len(words) == 2 or words[2] == "svc" else None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


# socat's address types: https://manpages.debian.org/bookworm/socat/socat.1.en.html
_ADDRESS = re.compile(r"\b(?:tcp[46]?|tcp[46]?-connect):([^\s,:\"']+|\[[^]]+]):(\w+)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\((\w+)\)|\$\{(\w+)}|\$(\w+)")


def targets(cluster: Cluster, pod: Pod) -> Iterator[Target]:
    """The `TCP:host:port` addresses of the pod's command and arguments, however they are spelt.

    Variables whose value the manifest gives are replaced; an address that stays unknown is left out. The name of an
    ExternalName Service of the learner's own is followed.
    """
    for container in pod.raw.get("spec", {}).get("containers") or ():
        values = {one["name"]: one.get("value", "") for one in container.get("env") or () if "value" in one}
        for word in (*(container.get("command") or ()), *(container.get("args") or ())):
            for found in _ADDRESS.finditer(_expanded(word, values)):
                if "$" not in found[0]:
                    yield _followed(cluster, Target(found[1], found[2]))


def _expanded(word: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        return values.get(name, found[0])

    return _VARIABLE.sub(value, word)


def _followed(cluster: Cluster, target: Target) -> Target:
    """An ExternalName Service is only another name: https://kubernetes.io/docs/concepts/services-networking/service/"""
    if target.namespace(cluster.namespace) != cluster.namespace:
        return target
    name = target.host.partition(".")[0]
    service: Mapping[str, Any] = next(
        (one for one in cluster.objects("Service") if one["metadata"]["name"] == name), {}
    )
    other = service.get("spec", {}).get("externalName", "")
    return Target(str(other), target.port) if other else target
