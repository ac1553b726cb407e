"""A snapshot: what the checks asked of a namespace, kept in one file, so that they can be played
again without it.

What takes the learner's machine, an identity or an experiment is not in it, neither is the value of
any Secret.
"""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NoReturn

import msgspec

from checks.capabilities import Cluster
from checks.errors import CahierError, Unverifiable, UsageError
from checks.facts import Access, ApiResource, Colleague, PolicyKind
from checks.files import write_atomically
from checks.inert import in_json
from checks.objects.rights import Rule
from checks.redaction import redacted
from checks.sources.from_afar import FromAfar
from checks.sources.objects import Served, must_be_known
from checks.sources.receipts import Place, versions

_LIVE = "Cela ne se voit que sur le cluster en marche : un instantané ne le contient pas."
_AGAIN = "Vérifiez sur le cluster lui-même : cahier verifier"


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """A question about a right. `user` "": the learner; `namespace` "": theirs."""

    user: str = ""
    verb: str
    resource: str
    group: str = ""
    name: str = ""
    namespace: str = ""
    groups: tuple[str, ...] = ()


class Granted(msgspec.Struct, frozen=True):
    """The API server's answer to it."""

    asked: Right
    allowed: bool
    reason: str = ""


class Log(msgspec.Struct, frozen=True):
    """The last lines of a pod's log, as many as were asked for."""

    pod: str
    lines: int
    text: str
    container: str = ""


class Word(msgspec.Struct, frozen=True):
    """Whether a pod's log had kept a word: what a receipt rests on."""

    pod: str
    word: str
    heard: bool


class Elsewhere(msgspec.Struct, frozen=True):
    """Why no database of the colleague's told that it heard a word; "" where one did."""

    word: str
    why: str


class Snapshot(msgspec.Struct, kw_only=True):
    """The file. `taken`: by the clock of the machine that recorded. `objects`: by kind, as the API
    gives them.

    `unread`: what could not be read when it was recorded, and why. `users`: owner of a namespace,
    by namespace. `other_policies`: None where nobody asked. `local`: in the recordings of the labs'
    tests alone.
    """

    schema: Literal[1] = 1
    taken: datetime
    namespace: str
    namespace_uid: str = ""
    user: str = ""
    version: tuple[int, int] | None = None
    colleague: Colleague | None = None
    other_colleagues: list[Colleague] = []
    users: dict[str, str] = {}
    objects: dict[str, list[dict[str, Any]]] = {}
    logs: list[Log] = []
    rights: list[Granted] = []
    cluster_roles: dict[str, dict[str, Any] | None] = {}
    api_resources: list[ApiResource] = []
    unread: dict[str, str] = {}
    receipts: dict[str, Any] | None = None
    words: list[Word] = []
    other_policies: list[PolicyKind] | None = None
    elsewhere: list[Elsewhere] = []
    local: Local | msgspec.UnsetType = msgspec.UNSET


class Local(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What only the local cluster tells. None: was not asked.

    `views`: the cluster as other people see it, None where their access was not at hand, by `view`.
    `outsiders`: namespaces of those who are neither the learner nor the colleague.
    """

    groups: list[str] | None = None
    own_rules: list[Rule] | None = None
    views: dict[str, Snapshot | None] = {}
    outsiders: list[str] = []


def write(snapshot: Snapshot, path: Path) -> None:
    """Write the file, gzip where its name ends with .gz, for its owner's eyes only. Raises
    CahierError."""
    data = encoded(snapshot)
    put(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def put(path: Path, data: bytes) -> None:
    """Write what was recorded, for its owner's eyes only. Raises CahierError."""
    try:
        write_atomically(path, data)
    except OSError as error:
        raise CahierError(
            f"L’instantané n’a pas pu être écrit dans {path} : {error.strerror or error}.",
            "Choisissez un autre fichier avec -o.",
        ) from error


def encoded(snapshot: Snapshot) -> bytes:
    """The file's bytes, secrets masked."""
    return in_json(
        msgspec.json.format(msgspec.json.encode(redacted(msgspec.to_builtins(snapshot))), indent=1)
    )


def read(path: Path | zipfile.Path) -> Snapshot:
    """The snapshot of a file, or of a member of an archive. Raises UsageError."""
    try:
        data = path.read_bytes()
        return msgspec.json.decode(
            gzip.decompress(data) if path.suffix == ".gz" else data, type=Snapshot
        )
    except OSError as error:
        raise UsageError(
            f"{path} ne peut pas être lu : {error.strerror or error}.",
            "Donnez un fichier de « cahier instantane ».",
        ) from error
    except (EOFError, msgspec.DecodeError) as error:
        raise UsageError(
            f"{path} n’est pas un instantané : {error}",
            "Donnez un fichier de « cahier instantane ».",
        ) from error


class SnapshotCluster(FromAfar, Served):
    """`Cluster` served by a snapshot: what it does not contain raises Unverifiable."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot
        self._rights = {one.asked: Access(one.allowed, one.reason) for one in snapshot.rights}
        self._logs = {(one.pod, one.lines, one.container): one.text for one in snapshot.logs}
        self._seen = snapshot.local or Local()
        self._views: dict[str, SnapshotCluster] = {}

    def _missing(self, what: str) -> NoReturn:
        why = self.snapshot.unread.get(what, "")
        raise Unverifiable(
            why or f"L’instantané ne contient pas la réponse à cette question : {what}.", _AGAIN
        )

    # -- who and where -----------------------------------------------------------------------------

    @property
    def namespace(self) -> str:
        """The learner's namespace."""
        return self.snapshot.namespace

    @property
    def user(self) -> str:
        """Who the API server said the learner is."""
        return self.snapshot.user or self._missing("user")

    @property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""
        return self.snapshot.version or self._missing("version")

    @property
    def colleague(self) -> Colleague:
        """The colleague given when it was recorded."""
        if self.snapshot.colleague is None:
            raise Unverifiable(
                "Ce TP se fait à deux, et l’instantané a été pris sans --collegue.",
                "Prenez-en un avec --collegue.",
            )
        return self.snapshot.colleague

    @property
    def colleagues(self) -> Sequence[Colleague]:
        """All those who were given when it was recorded."""
        return (
            [self.snapshot.colleague, *self.snapshot.other_colleagues]
            if self.snapshot.colleague
            else []
        )

    @property
    def has_colleague(self) -> bool:
        """Whether a colleague was given."""
        return self.snapshot.colleague is not None

    def user_of(self, namespace: str) -> str:
        """The owner of another namespace."""
        return self.snapshot.users.get(namespace) or self._missing(f"user_of {namespace}")

    def local_port(self, default: int) -> int:
        """The local port of the lab."""
        return default

    # -- what was recorded -------------------------------------------------------------------------

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace; of a Secret, its name and labels."""
        if kind not in self.snapshot.objects:
            self._missing(kind)
        return self.snapshot.objects[kind]

    def logs(self, pod: str, lines: int = 20, container: str = "") -> str:
        """Last lines of a pod's log, as many as were asked for when it was recorded."""
        found = self._logs.get((pod, lines, container))
        return self._missing(f"logs {pod} {lines}") if found is None else found

    def may(
        self, verb: str, resource: str, *, group: str = "", name: str = "", namespace: str = ""
    ) -> Access:
        """Whether the learner may."""
        return self._right(
            Right(verb=verb, resource=resource, group=group, name=name, namespace=namespace)
        )

    def may_other(
        self,
        user: str,
        verb: str,
        resource: str,
        *,
        group: str = "",
        name: str = "",
        groups: Sequence[str] = (),
    ) -> Access:
        """Whether `user` may, in the learner's namespace."""
        must_be_known(user)
        asked = Right(
            user=user, verb=verb, resource=resource, group=group, name=name, groups=tuple(groups)
        )
        return self._right(asked)

    def _right(self, asked: Right) -> Access:
        return self._rights.get(asked) or self._missing(question(asked))

    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole, None when there was none."""
        if name not in self.snapshot.cluster_roles:
            self._missing(f"ClusterRole {name}")
        return self.snapshot.cluster_roles[name]

    def api_resources(self) -> Sequence[ApiResource]:
        """All that the API server served in a namespace."""
        return self.snapshot.api_resources or self._missing("ressources")

    def receipts(self) -> Mapping[str, Any] | None:
        """The ConfigMap of the receipts. Raises Unverifiable where they, or what they are held
        against, could not be read."""
        if "receipts" in self.snapshot.unread:
            self._missing("receipts")
        return self.snapshot.receipts

    def place(self) -> Place:
        """What receipts are held against: what the API server said when it was recorded."""
        heard = {(one.pod, one.word): one.heard for one in self.snapshot.words}
        return Place(
            self.namespace,
            self.snapshot.namespace_uid,
            self.pods(),
            self._policies,
            lambda pod, word, since: heard.get((pod.name, word), False),
            self._elsewhere,
        )

    def _elsewhere(self, word: str, written: datetime) -> str:
        found = {one.word: one.why for one in self.snapshot.elsewhere}
        return (
            found[word] if word in found else self._missing("ce qu’a entendu la base du collègue")
        )

    def _policies(self) -> Mapping[str, str]:
        return versions(self.network_policies())

    # -- what the local cluster alone tells: no snapshot of a learner contains it ------------------

    @property
    def groups(self) -> Sequence[str]:
        """The groups that the API server said the learner is in. Raises Unverifiable."""
        return self._not_there() if self._seen.groups is None else self._seen.groups

    def own_rules(self) -> Sequence[Rule] | None:
        """All the rules that held for the learner. Raises Unverifiable."""
        return self._not_there() if self._seen.own_rules is None else self._seen.own_rules

    def as_owner(self, owner: str, at: str = "") -> Cluster | None:
        """What was recorded of the cluster as the owner of a namespace sees it; None for
        nothing."""
        seen = self._seen.views.get(view(owner, at))
        if seen is None:
            return None
        return self._views.setdefault(view(owner, at), SnapshotCluster(seen))

    def outsiders(self) -> Sequence[str]:
        """Namespaces of people whose access was at hand; none in a snapshot of a learner."""
        return self._seen.outsiders

    # -- what no snapshot contains -----------------------------------------------------------------

    def _not_there(self) -> NoReturn:
        raise Unverifiable(_LIVE, _AGAIN)

    def _only_read(self, what: str) -> NoReturn:
        self._not_there()

    def other_policies(self) -> Iterator[PolicyKind]:
        """The kinds of network policy that another program enforces. Raises Unverifiable where they
        were not recorded."""
        if self.snapshot.other_policies is None:
            self._not_there()
        yield from self.snapshot.other_policies

    def refresh(self) -> None:
        """Nothing changes in a snapshot."""


def view(owner: str, at: str) -> str:
    """The key of a view: whose it is, and what namespace they look at."""
    return f"{owner} {at or owner}"


def question(asked: Right) -> str:
    """The question in a few words, as `unread` names it."""
    who = asked.user or "la personne"
    return f"{who} : {asked.verb} {asked.resource} {asked.name}".strip()
