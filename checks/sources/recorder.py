"""Records a snapshot, by asking every check of every lab."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from checks.access.kubernetes_api import PATHS
from checks.capabilities import Cluster
from checks.errors import CahierError, ClusterLost, Unverifiable
from checks.facts import LAST_APPLIED, Access, ApiResource, Pod, PolicyKind
from checks.lab import Lab
from checks.objects.rights import Rule
from checks.sources.receipts import Doubtful, Place, holding
from checks.sources.snapshot import (
    Elsewhere,
    Granted,
    Local,
    Log,
    Right,
    Snapshot,
    SnapshotCluster,
    Word,
    question,
    view,
)

KINDS = tuple(PATHS)
_HIDDEN = "(masqué)"
_PRIVATE = re.compile(r"(?i)passw|pwd|secret|token|credential|mdp|motdepasse|mot_de_passe|api_?key")
_log = logging.getLogger(__name__)


class Source(Cluster, Protocol):
    """Where a snapshot is recorded: the learner's own cluster, or their namespace as a teacher sees
    it."""

    @property
    def namespace_uid(self) -> str:
        """UID of the namespace."""

    def as_owner(self, owner: str, at: str = "") -> Source | None:
        """The same cluster as the owner of a namespace sees it."""

    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole as the API gives it, None when there is none."""

    def receipts(self) -> Mapping[str, Any] | None:
        """The ConfigMap of the receipts, with its managedFields."""

    def heard(self, pod: Pod, word: str, since: datetime) -> bool:
        """Whether the log of a pod has kept a word since then."""

    def elsewhere(self, word: str, written: datetime) -> str:
        """Why no database of the colleague's tells that it heard a word, "" where one does."""


class Recorder(SnapshotCluster):
    """A snapshot that asks the cluster what it does not know yet, and keeps the answer. It changes
    nothing there.

    `local`: what only the local cluster tells is kept too.
    """

    def __init__(self, source: Source, *, local: bool = False) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        kept = Local() if local else msgspec.UNSET
        super().__init__(Snapshot(taken=now, namespace=source.namespace, local=kept))
        self._source = source
        self._local = local
        with self._unread("user"):
            self.snapshot.user = source.user
        with self._unread("version"):
            self.snapshot.version = source.server_version
        if source.has_colleague:
            self.snapshot.colleague, *self.snapshot.other_colleagues = source.colleagues

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
                found = self._source.objects(kind)
                self.snapshot.objects[kind] = [
                    clean(kind, item, applied=self._local) for item in found
                ]
        return super().objects(kind)

    def user_of(self, namespace: str) -> str:
        """The owner of another namespace."""
        if namespace not in self.snapshot.users:
            with self._unread(f"user_of {namespace}"):
                self.snapshot.users[namespace] = self._source.user_of(namespace)
        return super().user_of(namespace)

    def logs(self, pod: str, lines: int = 20, container: str = "") -> str:
        """Last lines of a pod's log."""
        asked = pod, lines, container
        if asked not in self._logs:
            self._logs[asked] = self._source.logs(pod, lines, container)
            self.snapshot.logs.append(Log(pod, lines, self._logs[asked], container))
        return super().logs(pod, lines, container)

    def cluster_role_object(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole, None where there is none."""
        if name not in self.snapshot.cluster_roles:
            with self._unread(f"ClusterRole {name}"):
                found = self._source.cluster_role_object(name)
                self.snapshot.cluster_roles[name] = (
                    None if found is None else clean("ClusterRole", found)
                )
        return super().cluster_role_object(name)

    def api_resources(self) -> Sequence[ApiResource]:
        """All that the API server serves in a namespace."""
        if not self.snapshot.api_resources:
            with self._unread("ressources"):
                self.snapshot.api_resources = list(self._source.api_resources())
        return super().api_resources()

    def other_policies(self) -> Iterator[PolicyKind]:
        """The kinds of network policy that another program enforces."""
        if self.snapshot.other_policies is None and not self._local:
            self.snapshot.other_policies = list(self._source.other_policies())
        return super().other_policies()

    def _right(self, asked: Right) -> Access:
        if asked not in self._rights and question(asked) not in self.snapshot.unread:
            with self._unread(question(asked)):
                answer = self._ask(asked)
                self._rights[asked] = answer
                self.snapshot.rights.append(Granted(asked, answer.allowed, answer.reason))
        return super()._right(asked)

    def _ask(self, asked: Right) -> Access:
        named = {"group": asked.group, "name": asked.name}
        if asked.user:
            return self._source.may_other(
                asked.user, asked.verb, asked.resource, groups=asked.groups, **named
            )
        return self._source.may(asked.verb, asked.resource, namespace=asked.namespace, **named)

    @property
    def groups(self) -> Sequence[str]:
        """The groups that the API server says the learner is in."""
        if self._local and self._seen.groups is None:
            self._seen.groups = list(self._source.groups)
        return super().groups

    def own_rules(self) -> Sequence[Rule] | None:
        """All the rules that hold for the learner."""
        if self._local and self._seen.own_rules is None:
            found = self._source.own_rules()
            self._seen.own_rules = None if found is None else list(found)
        return super().own_rules()

    def as_owner(self, owner: str, at: str = "") -> Cluster | None:
        """The cluster as the owner of a namespace sees it."""
        key = view(owner, at)
        if self._local and key not in self._seen.views:
            theirs = self._source.as_owner(owner, at)
            if theirs is not None:
                self._views[key] = Recorder(theirs, local=True)
            self._seen.views[key] = None if theirs is None else self._views[key].snapshot
        return super().as_owner(owner, at)

    def outsiders(self) -> Sequence[str]:
        """Namespaces of people whose access is at hand."""
        if self._local and not self._seen.outsiders:
            self._seen.outsiders = list(self._source.outsiders())
        return super().outsiders()

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
                place = Place(
                    self.namespace, self.snapshot.namespace_uid, self.pods(), self._policies, heard
                )
                held = holding(self.snapshot.receipts, lab.name, place)
                if held and lab.about.heard_by == "colleague":
                    self._keep_elsewhere(held[0].word, held[1])

    def _keep_elsewhere(self, word: str, written: datetime) -> None:
        """Keep what the colleague's server heard, where that may be read. Raises ClusterLost."""
        try:
            why = self._source.elsewhere(word, written)
        except ClusterLost:
            raise
        except CahierError:
            return
        self.snapshot.elsewhere.append(Elsewhere(word, why))


def record(
    source: Source,
    labs: Sequence[Lab],
    on_lab: Callable[[Lab], None] = lambda lab: None,
    *,
    local: bool = False,
) -> Snapshot:
    """What the checks of `labs` ask of the cluster. Nothing is changed, tried or broken there.
    Raises ClusterLost.

    Every check is asked, also those that a failure would keep from being asked: what is repaired
    later, or counted from a receipt, finds its answer.
    """
    recorder = Recorder(source, local=local)
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


def clean(kind: str, item: Mapping[str, Any], *, applied: bool = False) -> dict[str, Any]:
    """A copy of an object without what a snapshot must not contain.

    Of a Secret, its name and labels are left: `kubectl apply` writes its values in an annotation. A
    variable that is named like a password is hidden where its value is written in the pod itself.
    `applied`: what `kubectl apply` keeps of the object is left too, as clean as the object itself.
    """
    metadata = item["metadata"]
    if kind == "Secret":
        kept = {
            key: metadata[key]
            for key in ("name", "namespace", "labels", "creationTimestamp")
            if key in metadata
        }
        return copy.deepcopy({"metadata": kept})
    found: dict[str, Any] = copy.deepcopy(dict(item))
    found["metadata"].pop("managedFields", None)
    if kind == "Event":  # there are many, and nobody asks which is which
        for unused in ("uid", "resourceVersion"):
            found["metadata"].pop(unused, None)
    annotations = found["metadata"].get("annotations") or {}
    last = annotations.pop(LAST_APPLIED, None)
    if applied and last is not None:
        annotations[LAST_APPLIED] = json.dumps(clean(kind, json.loads(last)), ensure_ascii=False)
    spec = (found.get("spec") or {}).get("template", {}).get("spec") or found.get("spec") or {}
    for family in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(family) or ():
            for variable in container.get("env") or ():
                if "value" in variable and _PRIVATE.search(variable["name"]):
                    variable["value"] = _HIDDEN
    return found
