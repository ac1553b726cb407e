"""A snapshot: what the checks asked of a namespace, kept in one file, so that they can be played again without it.

It is recorded by asking every check of every lab, and answers those questions again. What takes the learner's machine,
an identity or an experiment is not in it, neither is the value of any Secret.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from typing import Any, Literal, NoReturn, Protocol

import msgspec

from checks.errors import CahierError, ClusterLost, Unverifiable, UsageError
from checks.facts import Access, Cluster, Colleague, Credentials, Machine, Pod, Probe
from checks.grading.results import write_atomically
from checks.lab import Lab
from checks.sources.objects import Served, must_be_known
from checks.sources.receipts import Doubtful, Place, holding, versions

KINDS = (
    "Pod",
    "Service",
    "Secret",
    "ConfigMap",
    "Event",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "Deployment",
    "ReplicaSet",
    "EndpointSlice",
    "NetworkPolicy",
    "Role",
    "RoleBinding",
)
_log = logging.getLogger(__name__)
_LIVE = "Cela ne se voit que sur le cluster en marche : un instantané ne le contient pas."
_AGAIN = "Vérifiez sur le cluster lui-même : cahier verifier"
_HIDDEN = "(masqué)"
_PRIVATE = re.compile(r"(?i)passw|pwd|secret|token|credential|mdp|motdepasse|mot_de_passe|api_?key")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


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


class Word(msgspec.Struct, frozen=True):
    """Whether a pod's log had kept a word: what a receipt rests on."""

    pod: str
    word: str
    heard: bool


class Snapshot(msgspec.Struct, kw_only=True):
    """The file. `taken`: by the clock of the machine that recorded. `objects`: by kind, as the API gives them.

    `unread`: what could not be read when it was recorded, and why. `users`: owner of a namespace, by namespace.
    """

    schema: Literal[1] = 1
    taken: datetime
    namespace: str
    namespace_uid: str = ""
    user: str = ""
    version: tuple[int, int] | None = None
    colleague: Colleague | None = None
    users: dict[str, str] = {}
    objects: dict[str, list[dict[str, Any]]] = {}
    logs: list[Log] = []
    rights: list[Granted] = []
    unread: dict[str, str] = {}
    receipts: dict[str, Any] | None = None
    words: list[Word] = []


def write(snapshot: Snapshot, path: Path) -> None:
    """Write the file, gzip where its name ends with .gz, for its owner's eyes only. Raises CahierError."""
    data = msgspec.json.format(msgspec.json.encode(snapshot), indent=1)
    try:
        write_atomically(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        raise CahierError(
            f"L’instantané n’a pas pu être écrit dans {path} : {error.strerror or error}.",
            "Choisissez un autre fichier avec -o.",
        ) from error


def read(path: Path) -> Snapshot:
    """The snapshot of a file. Raises UsageError."""
    try:
        data = path.read_bytes()
        return msgspec.json.decode(gzip.decompress(data) if path.suffix == ".gz" else data, type=Snapshot)
    except OSError as error:
        raise UsageError(
            f"{path} ne peut pas être lu : {error.strerror or error}.", "Donnez un fichier de « cahier instantane »."
        ) from error
    except (EOFError, msgspec.DecodeError) as error:
        raise UsageError(
            f"{path} n’est pas un instantané : {error}", "Donnez un fichier de « cahier instantane »."
        ) from error


def _live() -> NoReturn:
    raise Unverifiable(_LIVE, _AGAIN)


class SnapshotCluster(Served):
    """`facts.Cluster` served by a snapshot: what it does not contain raises Unverifiable."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot
        self._rights = {one.asked: Access(one.allowed, one.reason) for one in snapshot.rights}
        self._logs = {(one.pod, one.lines): one.text for one in snapshot.logs}

    def _missing(self, what: str) -> NoReturn:
        why = self.snapshot.unread.get(what, "")
        raise Unverifiable(why or f"L’instantané ne contient pas la réponse à cette question : {what}.", _AGAIN)

    # -- who and where -----------------------------------------------------------------------------------------

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
                "Ce TP se fait à deux, et l’instantané a été pris sans --collegue.", "Prenez-en un avec --collegue."
            )
        return self.snapshot.colleague

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

    # -- what was recorded -------------------------------------------------------------------------------------

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace; of a Secret, its name and labels."""
        if kind not in self.snapshot.objects:
            self._missing(kind)
        return self.snapshot.objects[kind]

    def logs(self, pod: str, lines: int = 20) -> str:
        """Last lines of a pod's log, as many as were asked for when it was recorded."""
        found = self._logs.get((pod, lines))
        return self._missing(f"logs {pod} {lines}") if found is None else found

    def may(self, verb: str, resource: str, *, group: str = "", name: str = "", namespace: str = "") -> Access:
        """Whether the learner may."""
        return self._right(Right(verb=verb, resource=resource, group=group, name=name, namespace=namespace))

    def may_other(
        self, user: str, verb: str, resource: str, *, group: str = "", name: str = "", groups: Sequence[str] = ()
    ) -> Access:
        """Whether `user` may, in the learner's namespace."""
        must_be_known(user)
        asked = Right(user=user, verb=verb, resource=resource, group=group, name=name, groups=tuple(groups))
        return self._right(asked)

    def _right(self, asked: Right) -> Access:
        return self._rights.get(asked) or self._missing(_words(asked))

    def receipts(self) -> Mapping[str, Any] | None:
        """The ConfigMap of the receipts."""
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
        )

    def _policies(self) -> Mapping[str, str]:
        return versions(self.objects("NetworkPolicy"))

    # -- what no snapshot contains -----------------------------------------------------------------------------

    @property
    def credentials(self) -> Credentials:
        """Raises Unverifiable."""
        _live()

    @property
    def machine(self) -> Machine:
        """Raises Unverifiable."""
        _live()

    def secret_values(self, name: str) -> Mapping[str, str] | None:
        """Raises Unverifiable."""
        _live()

    def execute(self, pod: str, command: Sequence[str]) -> str:
        """Raises Unverifiable."""
        _live()

    def forward(self, pod: str, port: int) -> AbstractContextManager[socket]:
        """Raises Unverifiable."""
        _live()

    def kubectl_forward(self, pod: str, port: int) -> AbstractContextManager[socket]:
        """Raises Unverifiable."""
        _live()

    def probe(self, targets: Sequence[str], labels: Mapping[str, str] | None = None) -> AbstractContextManager[Probe]:
        """Raises Unverifiable."""
        _live()

    @property
    def enforces_policies(self) -> bool:
        """Raises Unverifiable."""
        _live()

    def as_owner(self, owner: str, at: str = "") -> Cluster | None:
        """Nobody's access is at hand."""
        return None

    def outsiders(self) -> Sequence[str]:
        """Nobody's access is at hand."""
        return ()

    def delete_pod(self, name: str) -> None:
        """Raises Unverifiable."""
        _live()

    def refresh(self) -> None:
        """Nothing changes in a snapshot."""


def _words(asked: Right) -> str:
    who = asked.user or "la personne"
    return f"{who} : {asked.verb} {asked.resource} {asked.name}".strip()


# -- recording -----------------------------------------------------------------------------------------------------


class Source(Cluster, Protocol):
    """Where a snapshot is recorded: the learner's own cluster, or their namespace as a teacher sees it."""

    @property
    def namespace_uid(self) -> str:
        """UID of the namespace."""

    def receipts(self) -> Mapping[str, Any] | None:
        """The ConfigMap of the receipts, with its managedFields."""

    def heard(self, pod: Pod, word: str, since: datetime) -> bool:
        """Whether the log of a pod has kept a word since then."""


class Recorder(SnapshotCluster):
    """A snapshot that asks the cluster what it does not know yet, and keeps the answer. It changes nothing there."""

    def __init__(self, source: Source) -> None:
        super().__init__(Snapshot(taken=datetime.now(UTC).replace(microsecond=0), namespace=source.namespace))
        self._source = source
        with self._unread("user"):
            self.snapshot.user = source.user
        with self._unread("version"):
            self.snapshot.version = source.server_version
        if source.has_colleague:
            self.snapshot.colleague = source.colleague

    @contextlib.contextmanager
    def _unread(self, what: str) -> Any:
        """What the cluster refuses to tell is kept as such. Raises ClusterLost."""
        try:
            yield
        except ClusterLost:
            raise
        except CahierError as refusal:
            self.snapshot.unread[what] = refusal.message

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace, without what a snapshot must not contain."""
        if kind not in self.snapshot.objects and kind not in self.snapshot.unread:
            with self._unread(kind):
                self.snapshot.objects[kind] = [clean(kind, item) for item in self._source.objects(kind)]
        return super().objects(kind)

    def user_of(self, namespace: str) -> str:
        """The owner of another namespace."""
        if namespace not in self.snapshot.users:
            with self._unread(f"user_of {namespace}"):
                self.snapshot.users[namespace] = self._source.user_of(namespace)
        return super().user_of(namespace)

    def logs(self, pod: str, lines: int = 20) -> str:
        """Last lines of a pod's log."""
        if (pod, lines) not in self._logs:
            self._logs[pod, lines] = self._source.logs(pod, lines)
            self.snapshot.logs.append(Log(pod, lines, self._logs[pod, lines]))
        return super().logs(pod, lines)

    def _right(self, asked: Right) -> Access:
        if asked not in self._rights and _words(asked) not in self.snapshot.unread:
            with self._unread(_words(asked)):
                answer = self._ask(asked)
                self._rights[asked] = answer
                self.snapshot.rights.append(Granted(asked, answer.allowed, answer.reason))
        return super()._right(asked)

    def _ask(self, asked: Right) -> Access:
        named = {"group": asked.group, "name": asked.name}
        if asked.user:
            return self._source.may_other(asked.user, asked.verb, asked.resource, groups=asked.groups, **named)
        return self._source.may(asked.verb, asked.resource, namespace=asked.namespace, **named)

    def keep_receipts(self, labs: Sequence[Lab]) -> None:
        """Keep the receipts, and what they are held against. Raises ClusterLost."""
        with self._unread("receipts"):
            found = self._source.receipts()
            self.snapshot.receipts = copy.deepcopy(dict(found)) if found is not None else None
            self.snapshot.namespace_uid = self._source.namespace_uid

        def heard(pod: Pod, word: str, since: datetime) -> bool:
            answer = self._source.heard(pod, word, since)
            self.snapshot.words.append(Word(pod.name, word, answer))
            return answer

        for lab in labs:
            with contextlib.suppress(Doubtful, Unverifiable):
                place = Place(self.namespace, self.snapshot.namespace_uid, self.pods(), self._policies, heard)
                holding(self.snapshot.receipts, lab.name, place)


def record(source: Source, labs: Sequence[Lab], on_lab: Callable[[Lab], None] = lambda lab: None) -> Snapshot:
    """What the checks of `labs` ask of the cluster. Nothing is changed, tried or broken there. Raises ClusterLost.

    Every check is asked, also those that a failure would keep from being asked: what is repaired later, or counted
    from a receipt, finds its answer.
    """
    recorder = Recorder(source)
    for kind in KINDS:
        with contextlib.suppress(Unverifiable):
            recorder.objects(kind)
    for lab in labs:
        on_lab(lab)
        for check in lab.checks:
            try:
                check.function(recorder)
            except ClusterLost:
                raise
            except Exception as trouble:  # out of its turn, a check may not find what it counts on
                _log.debug("%s %s: %s", lab.name, check.id, trouble)
    recorder.keep_receipts(labs)
    return recorder.snapshot


def clean(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of an object without what a snapshot must not contain.

    Of a Secret, its name and labels are left: `kubectl apply` writes its values in an annotation. A variable that is
    named like a password is hidden where its value is written in the pod itself.
    """
    metadata = item["metadata"]
    if kind == "Secret":
        kept = {key: metadata[key] for key in ("name", "namespace", "labels", "creationTimestamp") if key in metadata}
        return copy.deepcopy({"metadata": kept})
    found: dict[str, Any] = copy.deepcopy(dict(item))
    found["metadata"].pop("managedFields", None)
    (found["metadata"].get("annotations") or {}).pop(_LAST_APPLIED, None)
    spec = (found.get("spec") or {}).get("template", {}).get("spec") or found.get("spec") or {}
    for family in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(family) or ():
            for variable in container.get("env") or ():
                if "value" in variable and _PRIVATE.search(variable["name"]):
                    variable["value"] = _HIDDEN
    return found
