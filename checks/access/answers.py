"""What an API server promises of its answers. What does not keep to it was said by something else,
or cut on the way.

What the API may leave out is left out here too; the rest is what
https://kubernetes.io/docs/reference/using-api/api-concepts/ and each kind's reference require.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec
import urllib3

from checks.decoding import prepared
from checks.errors import AccessError, ClusterLost, Unverifiable
from checks.objects.parts import read
from checks.objects.rights import Rule
from checks.waiting import Deadline

# bytes of one answer: twice the largest page of a class; a larger one is asked in smaller pages
_MOST = 16 * 2**20
HELD = 48 * 2**20
"""Bytes of the lists of a namespace that are held together, as JSON: three to five times that in
memory."""
_LINE = 4 * 2**20  # bytes of one line: no object is larger than what etcd keeps, 1.5 MiB
_LONGEST = 60.0  # seconds for one answer to come in whole
_PORTAL = (
    "Un portail d’accès au réseau, un proxy ou un VPN répond à sa place : ouvrez une page web dans "
    "votre navigateur, identifiez-vous, puis recommencez"
)
_AGAIN = "Relancez la commande ; si cela dure, vérifiez votre connexion (réseau, proxy, VPN)."

_T = TypeVar("_T")


class _Named(msgspec.Struct):
    name: str


class _Metadata(msgspec.Struct):
    name: str
    uid: str
    creationTimestamp: str  # noqa: N815 (the API's own names)
    namespace: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata


class _Containers(msgspec.Struct):
    containers: list[_Named]


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _Containers
    status: dict[str, Any]


class _Template(msgspec.Struct):
    spec: _Containers


class _TemplateSpec(msgspec.Struct):
    template: _Template


class _Workload(msgspec.Struct):
    metadata: _Metadata
    spec: _TemplateSpec
    status: dict[str, Any]


class _Specified(msgspec.Struct):
    metadata: _Metadata
    spec: dict[str, Any]


class _RoleReference(msgspec.Struct):
    kind: str
    name: str


class _RoleBinding(msgspec.Struct):
    metadata: _Metadata
    roleRef: _RoleReference  # noqa: N815


class _Event(msgspec.Struct):
    metadata: _Metadata
    involvedObject: dict[str, Any]  # noqa: N815


_KINDS: Mapping[str, type] = {
    "Pod": _Pod,
    "Deployment": _Workload,
    "ReplicaSet": _Workload,
    "Service": _Specified,
    "NetworkPolicy": _Specified,
    "ResourceQuota": _Specified,
    "PersistentVolumeClaim": _Specified,
    "RoleBinding": _RoleBinding,
    "Event": _Event,
}
"""What lists of a kind never leave out, beyond a name."""


class _List(msgspec.Struct):
    items: list[dict[str, Any]]
    metadata: dict[str, Any]


class _Versioned(msgspec.Struct):
    resourceVersion: str  # noqa: N815


class _PageMetadata(msgspec.Struct):
    following: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    metadata: _PageMetadata


class _Collection(msgspec.Struct):
    metadata: _Versioned


class _Change(msgspec.Struct):
    type: str
    object: dict[str, Any]


class _Status(msgspec.Struct):
    code: int


class ReviewStatus(msgspec.Struct):
    """The API server's answer to an access review."""

    allowed: bool
    reason: str = ""


class AccessReview(msgspec.Struct):
    """A SelfSubjectAccessReview, or a LocalSubjectAccessReview, once answered."""

    status: ReviewStatus


class _Rules(msgspec.Struct):
    incomplete: bool
    resourceRules: list[Rule]  # noqa: N815


class RulesReview(msgspec.Struct):
    """A SelfSubjectRulesReview, once answered."""

    status: _Rules


class UserInfo(msgspec.Struct):
    """Who somebody is for the API server."""

    username: str
    groups: list[str] = []


class _IdentityStatus(msgspec.Struct):
    userInfo: UserInfo  # noqa: N815


class IdentityReview(msgspec.Struct):
    """A SelfSubjectReview, once answered."""

    status: _IdentityStatus


class Version(msgspec.Struct):
    """What `/version` tells."""

    major: str
    minor: str
    gitVersion: str = ""  # noqa: N815


prepared(
    *_KINDS.values(),
    _Object,
    _List,
    _Page,
    _Collection,
    _Change,
    _Status,
    AccessReview,
    RulesReview,
    IdentityReview,
    Version,
)


class Endless(AccessError):
    """An answer that does not end, or is larger than any that we ask for."""


class Budget:
    """What the lists of a namespace may take, all together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = HELD

    def spend(self, size: int) -> None:
        """Count a page of `size` bytes. Raises Unverifiable."""
        with self._lock:
            self._left -= size
            if self._left < 0:
                raise too_much()


def too_much(most: int = HELD) -> Unverifiable:
    """The error for a namespace whose objects would fill this machine's memory."""
    return Unverifiable(
        f"Ce namespace contient plus de {most // 2**20} Mo d’objets : plus que le vérificateur "
        "n’en lit.",
        "Supprimez ceux qui ne servent plus (kubectl get all,configmaps,events), puis recommencez.",
    )


def body(response: urllib3.BaseHTTPResponse, server: str) -> bytes:
    """The whole of an answer. Raises AccessError for one that does not end."""
    data = bytearray()
    deadline = Deadline(_LONGEST)
    # what has come: the rest may be long in coming
    while part := response.read1(2**16, decode_content=True):
        data += part
        if len(data) > _MOST or deadline.passed:
            response.close()
            raise Endless(f"La réponse du serveur {server} n’en finit pas.", _AGAIN)
    return bytes(data)


def lines(response: urllib3.BaseHTTPResponse, server: str, seconds: float) -> Iterator[bytes]:
    """The lines of an answer that goes on for `seconds` at most. Raises AccessError for one that
    does not end."""
    rest = bytearray()
    deadline = Deadline(seconds)
    while part := response.read1(2**16, decode_content=True):
        *whole, last = part.split(b"\n")
        for line in whole:
            yield bytes(rest + line)
            rest.clear()
        rest += last
        if len(rest) > _LINE or deadline.passed:
            response.close()
            raise Endless(f"La réponse du serveur {server} n’en finit pas.", _AGAIN)
    if rest:
        yield bytes(rest)


def redirected(server: str) -> ClusterLost:
    """The error for an answer that sends us elsewhere: an API server never does."""
    return ClusterLost(
        f"Ce qui répond à l’adresse {server} n’est pas le cluster : il renvoie ailleurs.", _PORTAL
    )


def decoded(data: bytes, server: str) -> dict[str, Any]:
    """The JSON object that an answer holds. Raises AccessError for anything else."""
    try:
        answer = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if data.lstrip()[:1] == b"<":
            raise ClusterLost(
                f"Ce qui répond à l’adresse {server} n’est pas le cluster : c’est une page web.",
                _PORTAL,
            ) from error
        raise unfinished(server) from error
    if not isinstance(answer, dict):
        raise unfinished(server)
    return answer


def unfinished(server: str) -> AccessError:
    """The error for an answer that is not what the API promises."""
    return AccessError(
        f"La réponse du serveur {server} n’est pas celle d’un serveur d’API, ou elle est arrivée "
        "incomplète.",
        _AGAIN,
    )


def shaped(answer: object, shape: type[_T], server: str) -> _T:
    """The answer as a value of that shape. Raises AccessError."""
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise unfinished(server) from error


def typed(item: object, kind: type[_T]) -> _T:
    """An object as its type of `checks.objects`. Raises AccessError for what is not as the API
    promises."""
    try:
        return read(item, kind)
    except msgspec.ValidationError as error:
        raise AccessError(
            f"Un objet {kind.__name__} n’a pas la forme que l’API de Kubernetes promet : {error}",
            "Relancez la commande ; si cela persiste, signalez-le avec `--debug`.",
        ) from error


def listed(answer: Mapping[str, Any], kind: str, server: str) -> list[dict[str, Any]]:
    """The objects of a list; `kind` "": of any. Raises AccessError."""
    if answer.get("kind") == "PartialObjectMetadataList" and answer.get("items", ...) is None:
        return []  # how Kubernetes 1.37 tells an empty list of metadata, and no other
    items = shaped(answer, _List, server).items
    shape = _KINDS.get(kind, _Object)
    shaped(items, list[shape], server)  # type: ignore[valid-type]
    return items


def require(item: Mapping[str, Any], kind: str, server: str) -> None:
    """Raises AccessError where an object is not as a list of `kind` would hold it."""
    shaped(item, _KINDS.get(kind, _Object), server)


def following(answer: Mapping[str, Any], server: str) -> str:
    """What asks for the next page of a list; "" for the last one. Raises AccessError."""
    return shaped(answer, _Page, server).metadata.following


def version(answer: Mapping[str, Any], server: str) -> str:
    """The version of a list, from which it can be watched. Raises AccessError."""
    return shaped(answer, _Collection, server).metadata.resourceVersion


def change(line: bytes, server: str) -> dict[str, Any]:
    """One event of a watch: its `type`, and the `object`. Raises AccessError."""
    event = decoded(line, server)
    shaped(event, _Change, server)
    return event


def code(status: Mapping[str, Any], server: str) -> int:
    """The HTTP status that a Status tells in the place of an event. Raises AccessError."""
    return shaped(status, _Status, server).code


def named(answer: dict[str, Any], server: str) -> dict[str, Any]:
    """The answer, which is one object. Raises AccessError."""
    shaped(answer, _Object, server)
    return answer
