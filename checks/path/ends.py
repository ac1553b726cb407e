"""The two ends of a path, as they are typed."""

from __future__ import annotations

import difflib
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from checks.capabilities import Cluster
from checks.errors import UsageError
from checks.exchange.spoken import Protocol
from checks.objects.kinds import kind_called
from checks.refusals import service_account

_LOCAL = re.compile(r"(?:(?:localhost|(?P<address>127\.0\.0\.1|\[::1\]|::1))?:)?(?P<port>\d+)")
_HERE = ("localhost", "127.0.0.1", "::1", "poste")
_BEHIND_PROXY = re.compile(r"/(?:proxy|absproxy)/(\d+)(?:/|$)")  # how code-server shows a port
_HOST = re.compile(r"[A-Za-z0-9](?:[\w.-]*\w)?\.?")
_USER = ("utilisateur", "user")
_SCHEMES = {**{one.value: one for one in Protocol}, "postgres": Protocol.POSTGRESQL}
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-SSLMODE
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_EXAMPLES = "cahier chemin localhost:5432 · cahier chemin pod/mon-pod svc/api:80"


@dataclass(frozen=True)
class Wanted:
    """What a client speaks, by the address that it was given; `sslmode` as PostgreSQL's takes it,
    "" where it is not said."""

    protocol: Protocol
    sslmode: str = ""

    def address(self, target: str) -> str:
        """The address of `HOST:PORT`."""
        mode = f"/?sslmode={self.sslmode}" if self.sslmode else ""
        return f"{self.protocol.value}://{target}{mode}"


@dataclass(frozen=True)
class LocalPort:
    """A port of this machine. `browser`: the address of the platform's service that shows it, ""
    for none. `address`: 127.0.0.1 or ::1, where it is no « localhost »."""

    port: int
    browser: str = ""
    wanted: Wanted | None = None
    address: str = ""

    @property
    def host(self) -> str:
        """As a client writes it."""
        return f"[{self.address}]" if ":" in self.address else self.address or "localhost"

    def __str__(self) -> str:
        target = f"{self.host}:{self.port}"
        return self.browser or (self.wanted.address(target) if self.wanted else target)


@dataclass(frozen=True)
class Workplace:
    """This machine, without a port: from here one goes through a tunnel."""

    def __str__(self) -> str:
        return "votre poste"


@dataclass(frozen=True)
class Inside:
    """Any pod of the namespace: one without labels, or the one that we work in."""

    namespace: str

    def __str__(self) -> str:
        return f"un pod de {self.namespace}"


@dataclass(frozen=True)
class Somebody:
    """A person, or a pod's account, as RBAC knows them."""

    user: str

    def __str__(self) -> str:
        return self.user


@dataclass(frozen=True)
class Named:
    """An object of a namespace; `port` as it is typed, "" for none."""

    kind: str
    name: str
    namespace: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class Host:
    """A name or an address that a client writes."""

    host: str
    port: str = ""
    wanted: Wanted | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        target = host + (f":{self.port}" if self.port else "")
        return self.wanted.address(target) if self.wanted else target


End = LocalPort | Workplace | Inside | Somebody | Named | Host


def pair(cluster: Cluster, words: Sequence[str]) -> tuple[End, End]:
    """The ends that one or two words mean. Raises UsageError, and AccessError."""
    if len(words) > 2:
        raise UsageError(
            f"Un chemin a deux bouts ; vous en donnez {len(words)}.", f"Exemples : {_EXAMPLES}"
        )
    destination = read(cluster, words[-1])
    if isinstance(destination, Somebody):
        raise UsageError(
            f"« {words[-1]} » est une personne : un chemin mène à un programme.",
            f"Donnez-la d’abord : cahier chemin {words[-1]} pod/NOM",
        )
    if isinstance(destination, Workplace | Inside):
        raise UsageError("Il manque le port de votre poste.", f"Exemples : {_EXAMPLES}")
    if len(words) == 2:
        return read(cluster, words[0], as_source=True), destination
    if isinstance(destination, LocalPort):
        return Workplace(), destination
    return (Inside(cluster.namespace), destination)


def read(cluster: Cluster, text: str, *, as_source: bool = False) -> End:
    """What a word means. Raises UsageError: with the candidates, where there are several."""
    text = text.strip()
    local = _LOCAL.fullmatch(text)
    if local:
        address = (local["address"] or "").strip("[]")
        return LocalPort(_number(local["port"], text), address=address)
    if text.lower() in _HERE:
        return Workplace()
    if "://" in text:
        return _of_address(text)
    kind, slash, rest = text.partition("/")
    if slash:
        return _of_kind(cluster, kind, rest, text)
    if service_account(text):
        return Somebody(text)
    name, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    if not _HOST.fullmatch(name):
        raise UsageError(f"« {text} » ne désigne rien de connu.", f"Exemples : {_EXAMPLES}")
    return _of_bare_name(cluster, name, port, as_source)


def _of_address(text: str) -> End:
    try:
        address = urlsplit(text)
        host, port = address.hostname or "", address.port
    except ValueError:
        raise UsageError(f"« {text} » n’est pas une adresse.", f"Exemples : {_EXAMPLES}") from None
    behind = _BEHIND_PROXY.search(address.path)
    if behind:
        return LocalPort(_number(behind[1], text), text)
    number, wanted = port or _usual_port(address), _wanted(address)
    if host in _HERE:
        address_of_it = host if host in ("127.0.0.1", "::1") else ""
        return LocalPort(number, wanted=wanted, address=address_of_it)
    return Host(host, str(number), wanted)


def _wanted(address: SplitResult) -> Wanted | None:
    """What is spoken at an address; None for a protocol that we do not."""
    protocol = _SCHEMES.get(address.scheme)
    if protocol is not Protocol.POSTGRESQL:
        return Wanted(protocol) if protocol is not None else None
    mode = parse_qs(address.query).get("sslmode", [""])[-1]
    if mode and mode not in _SSLMODES:
        raise UsageError(
            f"« {mode} » n’est pas un sslmode de PostgreSQL.",
            f"Ceux qu’il a : {', '.join(_SSLMODES)}",
        )
    return Wanted(protocol, mode)


def _usual_port(address: SplitResult) -> int:
    """The port of a scheme, as this machine knows it."""
    try:
        return socket.getservbyname(address.scheme)
    except OSError:
        raise UsageError(
            f"« {address.geturl()} » ne dit pas son port.", "Ajoutez-le après le nom : HÔTE:PORT"
        ) from None


def _number(digits: str, text: str) -> int:
    number = int(digits)
    if not 0 < number < 65536:
        raise UsageError(f"« {text} » : un port va de 1 à 65535.", f"Exemples : {_EXAMPLES}")
    return number


def _of_kind(cluster: Cluster, kind: str, rest: str, text: str) -> End:
    if kind in _USER:
        return Somebody(rest)
    meant = kind_called(kind)
    name, _, port = rest.partition(":")
    name, _, namespace = name.partition(".")
    namespace = namespace.partition(".")[0] or cluster.namespace
    if meant == "serviceaccount":
        return Somebody(f"system:serviceaccount:{namespace}:{name}")
    if meant not in _KINDS or not name:
        raise UsageError(
            f"« {text} » : cahier chemin va vers un pod, un Service (svc), un Deployment (deploy) "
            "ou un StatefulSet (sts).",
            f"Exemples : {_EXAMPLES}",
        )
    return Named(meant, name, namespace, port)


_KINDS = ("pod", "service", "deployment", "statefulset")


def _of_bare_name(cluster: Cluster, name: str, port: str, as_source: bool) -> End:
    """A host name, an object of the namespace, or a person: whichever there is."""
    if "." in name or name.isdigit():
        return Host(name, port)
    found = [Named(kind, name, cluster.namespace, port) for kind in _kinds_of(cluster, name)]
    if len(found) > 1:
        raise UsageError(
            f"Plusieurs objets de {cluster.namespace} s’appellent « {name} ».",
            "Dites lequel : " + ", ".join(map(str, found)),
        )
    if found:
        return found[0]
    somebody = _person(cluster, name) if as_source and not port else None
    if somebody is not None:
        return somebody
    if not as_source:
        return Host(name, port)  # a name that nothing bears: its first hop is broken
    near = difflib.get_close_matches(name, [one.name for one in cluster.pods()], 3)
    raise UsageError(
        f"Aucun objet de {cluster.namespace} ne s’appelle « {name} », et ce n’est pas une "
        "personne.",
        f"Vouliez-vous dire : {', '.join(f'pod/{one}' for one in near)} ?"
        if near
        else f"Pour une personne : utilisateur/{name}. Exemples : {_EXAMPLES}",
    )


def _kinds_of(cluster: Cluster, name: str) -> Sequence[str]:
    """The kinds of the objects of this name that lead somewhere."""
    bearers = {
        "pod": cluster.names("Pod"),
        "service": cluster.names("Service"),
        "deployment": cluster.names("Deployment"),
        "statefulset": [
            one.controller.name
            for one in cluster.pods()
            if one.controller is not None and one.controller.kind == "StatefulSet"
        ],
    }
    return [kind for kind, names in bearers.items() if name in names]


def _person(cluster: Cluster, name: str) -> Somebody | None:
    """Who is called like us (`oidc-`), or the owner of a namespace called like ours (`user-`)."""
    mine, place = cluster.user, cluster.namespace
    if service_account(mine) is None and name.startswith(_prefix(mine)):
        return Somebody(name)
    if name.startswith(_prefix(place)):
        return Somebody(cluster.user_of(name))
    return None


def _prefix(name: str) -> str:
    """How a name begins, its dash included; the name itself where it has none."""
    found = re.match(r"[A-Za-z0-9]+[^A-Za-z0-9]", name)
    return found[0] if found else name
