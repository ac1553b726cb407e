"""What a relaying pod's manifest says of where it listens and leads: read to explain a failure,
never to decide one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.facts import Pod
from checks.objects.parts import named
from checks.objects.pods import ContainerSpec
from checks.objects.services import Service


@dataclass(frozen=True)
class Target:
    """An address that a relay may lead to, as it is written."""

    host: str
    port: str

    @property
    def is_address(self) -> bool:
        """Whether it is an IP address instead of a name."""
        return bool(re.fullmatch(r"[\d.]+|\[?[0-9a-fA-F]*:[0-9a-fA-F:.]*\]?", self.host))

    def namespace(self, own: str) -> str | None:
        """Namespace in which this name is resolved; None for an IP address or a name from outside.

        A pod behind a headless Service has a name too: POD.SERVICE.NAMESPACE.svc.
        """
        if self.is_address:
            return None
        words = self.host.rstrip(".").split(".")
        for mark in ("svc", "pod"):
            if mark in words[2:]:
                return words[words.index(mark, 2) - 1]
        return own if len(words) == 1 else words[1] if len(words) == 2 else None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


_HOST = r"(?:\[[0-9a-fA-F:.]+]|[A-Za-z0-9](?:[\w.-]*\w)?\.?)"
# socat's address types: https://manpages.debian.org/bookworm/socat/socat.1.en.html
_SOCAT = re.compile(rf"\b(?:tcp[46]?|tcp[46]?-connect):({_HOST}):([\w-]+)", re.IGNORECASE)
# Any other program's: a name and a port in digits, also as the path of a URL; not an account and
# its password.
_OTHER = re.compile(
    r"(?<![\w.:$}-])([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*\.?):(\d{2,5})(?![\w.:@])", re.IGNORECASE
)
_LISTEN = re.compile(r"\btcp[46]?-l(?:isten)?:\S+", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\((\w+)\)|\$\{(\w+)}|\$(\w+)")
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))#.*$")
_MESSAGE = re.compile(
    r"(?m)(?:^|(?<=[;&|{(\s]))(?:echo|printf|logger)\s(?:\"[^\"]*\"|'[^']*'|[^;&|\n\"'])*"
)
_LOOPBACK = re.compile(r"localhost|127\.[\d.]+|\[?::1\]?|0\.0\.0\.0|\[?::\]?", re.IGNORECASE)


def targets(cluster: Cluster, pod: Pod) -> Sequence[Target]:
    """Every address to which the pod's programs may lead: of their commands, arguments and mounted
    ConfigMaps.

    What a script says in comments or messages is none, nor is the pod's own loopback, through which
    its containers may form a chain. Variables whose value the manifest gives are replaced; an
    address that stays unknown is left out. The name of an ExternalName Service of the learner's own
    is followed.
    """
    found = [target for text in _texts(cluster, pod) for target in _addresses(text)]
    return list(dict.fromkeys(_followed(cluster, target) for target in found))


def mentions(cluster: Cluster, pod: Pod, namespace: str) -> bool:
    """Whether the pod's manifest names anything of another's namespace: a target, or a host without
    its port."""
    own = cluster.namespace
    name = re.compile(rf"[\w-]\.{re.escape(namespace)}(?![\w-])")
    values = (value for box in pod.spec.lasting for value in _values(box).values())
    return any(name.search(text) for text in (*_texts(cluster, pod), *values)) or any(
        target.namespace(own) == namespace for target in targets(cluster, pod)
    )


def _values(container: ContainerSpec) -> Mapping[str, str]:
    return {one.name: one.value for one in container.env if one.value}


def _texts(cluster: Cluster, pod: Pod) -> Iterator[str]:
    for container in pod.spec.lasting:
        values = _values(container)
        for word in (*container.command, *container.args):
            yield _expanded(_meant(word) if re.search(r"\s", word) else word, values)
    mounted = {one.config_map.name for one in pod.spec.volumes if one.config_map is not None}
    for item in cluster.config_maps() if mounted else ():
        if item.name in mounted:
            yield from map(_meant, item.data.values())


def _meant(script: str) -> str:
    """A script or a configuration without what it only tells its readers."""
    return _MESSAGE.sub("", _COMMENT.sub("", script))


def _expanded(word: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        return values.get(name, found[0])

    return _VARIABLE.sub(value, word)


def _addresses(text: str) -> Iterator[Target]:
    rest = _SOCAT.sub("", _LISTEN.sub("", text))
    for host, port in (*_SOCAT.findall(text), *_OTHER.findall(rest)):
        if not _LOOPBACK.fullmatch(host):
            yield Target(host, port)


def _followed(cluster: Cluster, target: Target) -> Target:
    """An ExternalName Service is only another name:
    https://kubernetes.io/docs/concepts/services-networking/service/"""
    service = own_service(cluster, target)
    other = service.spec.external_name if service else ""
    return Target(other, target.port) if other else target


def own_service(cluster: Cluster, target: Target) -> Service | None:
    """The learner's own Service that a target names; None when it names another's, or none that
    exists."""
    if target.namespace(cluster.namespace) != cluster.namespace:
        return None
    return named(cluster.services(), target.host.partition(".")[0])


def listens(pod: Pod) -> Sequence[str]:
    """The `TCP-LISTEN:port,options` addresses of the pod's commands and arguments."""
    words = [word for box in pod.containers for word in (*box.command, *box.args)]
    return [
        found
        for word in words
        for found in _LISTEN.findall(_meant(word) if re.search(r"\s", word) else word)
    ]


def listening_ports(pod: Pod) -> set[int]:
    """Ports on which the pod's arguments have it wait for clients, as far as they are written in
    digits."""
    return {int(found[1]) for one in listens(pod) if (found := re.search(r":(\d+)", one))}
