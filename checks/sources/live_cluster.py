"""The live cluster: what is asked of a real API server as the learner, from their own machine, and
tried there."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from checks import state
from checks.access import kubeconfig
from checks.access.answers import RulesReview
from checks.access.discovery import Resource
from checks.access.kubectl import forwarding
from checks.access.kubernetes_api import PATHS, Api, collection
from checks.capabilities import Machine
from checks.errors import AccessError, Refused, Unverifiable
from checks.facts import Credentials, ForwardRefused, Listing, Pod
from checks.objects.rights import Rule
from checks.places import LEARNERS, admin_kubeconfig, people_folder
from checks.redaction import remember_secret
from checks.sources import breakage
from checks.sources.live_reading import LiveReading
from checks.sources.probes import Probe, enforces_policies, probe

_LISTED_AT_ONCE = 8


class LiveCluster(LiveReading):
    """`Cluster` served by a real API server, with somebody's own access."""

    def __init__(
        self,
        machine: Machine,
        *,
        kubeconfig_path: str | None = None,
        namespace: str | None = None,
        colleague: str | Sequence[str] | None = None,
        colleague_user: str | Sequence[str] | None = None,
        port: int | None = None,
        api: Api | None = None,
    ) -> None:
        """Beside what a reading takes: the machine that the learner works on, and their kubeconfig,
        unless there is an `api` already."""
        super().__init__(
            api or Api(kubeconfig_path),
            namespace=namespace,
            colleague=colleague,
            colleague_user=colleague_user,
            port=port,
        )
        self.machine = machine
        self._at_hand: dict[str, bool] = {}
        self._seen_by: dict[tuple[str, str], LiveCluster] = {}
        self._apis: dict[tuple[Path, int], Api] = {}

    def refresh(self) -> None:
        """Forget what was listed and kept: the next question asks the API server again."""
        self._at_hand.clear()
        self._seen_by.clear()
        super().refresh()

    @property
    def credentials(self) -> Credentials:
        """How we got in."""
        return self.api.credentials

    @property
    def groups(self) -> Sequence[str]:
        """The groups that the API server says we are in."""
        return self._identity[1]

    def kubectl_user(self) -> str | None:
        """Who a real kubectl is for the API server, with our configuration. Raises
        KubectlRefused."""
        return self.api.kubectl_user()

    def own_rules(self) -> Sequence[Rule] | None:
        """All the rules that hold for us in the learner's namespace; None where some may be
        missing."""
        spec = {"namespace": self.namespace}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": spec,
        }
        found = self.api.ask(
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", RulesReview, body
        ).status
        return None if found.incomplete else found.resourceRules

    def everything(self) -> Sequence[Listing]:
        """All the objects of the learner's namespace but Secrets, asked of many kinds at once."""
        with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
            return list(pool.map(self._listing, self._readable))

    @property
    def _readable(self) -> Sequence[Resource]:
        return [
            one
            for one in self._served
            if one.namespaced and "list" in one.verbs and one.dotted != "secrets"
        ]

    def _listing(self, resource: Resource) -> Listing:
        path = resource.path(self.namespace)
        known = next((kind for kind in PATHS if collection(kind, self.namespace) == path), "")
        try:
            items = (
                self.objects(known) if known else self.api.objects("", path, budget=self._budget)
            )
        except Refused as refusal:
            # Forbidden, or an API that another program serves, and that is away.
            if refusal.status != 403 and (known or refusal.status not in (404, 405, 503)):
                raise
            return Listing(resource.kind, resource.dotted, None)
        return Listing(resource.kind, resource.dotted, items)

    def clock(self) -> datetime | None:
        """What time it is for the API server."""
        return self.api.clock()

    def secret_values(self, name: str) -> Mapping[str, str] | None:
        """Decoded values of a Secret, None when there is no such Secret; fetched each time, never
        kept."""
        answer = self.api.find(f"{collection('Secret', self.namespace)}/{name}")
        if answer is None:
            if name in self.secret_names():
                raise AccessError(
                    f"Le cluster dit d’abord que le Secret {name} existe, puis qu’il n’existe pas.",
                    "Relancez la commande.",
                )
            return None
        data = (answer.get("data") or {}).items()
        values = {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data}
        remember_secret(name, self.namespace, values)
        return values

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """Standard output of a command run in the pod."""
        return self.api.execute(
            self.namespace, pod, command, container=container or self._main_container(pod)
        )

    def repeated(
        self, pod: str, script: str, container: str = ""
    ) -> contextlib.AbstractContextManager[Callable[[], str]]:
        """The standard output of a script in the pod, each time that it is asked for."""
        return self.api.repeated(
            self.namespace, pod, script, container=container or self._main_container(pod)
        )

    def forward(self, pod: str, port: int) -> contextlib.AbstractContextManager[Any]:
        """Our own tunnel to a port of a pod."""
        return self.api.forward(self.namespace, pod, port)

    @contextlib.contextmanager
    def kubectl_forward(self, pod: str, port: int) -> Iterator[Any]:
        """A socket through a `kubectl port-forward` of this identity, ended with the context."""
        found = self.machine.kubectl()
        if found is None:
            raise Unverifiable(
                "kubectl n’est pas installé sur ce poste.", "Installez-le, puis recommencez."
            )
        configuration = (
            None if self.credentials.kind == "serviceaccount" else self.credentials.source
        )
        with forwarding(found.path, configuration, self.namespace, pod, port) as local:
            try:
                connection = self.machine.connect(local)
            except OSError as cut:
                raise ForwardRefused(str(cut)) from None
            with connection:
                connection.settimeout(8)
                yield connection

    def probe(
        self,
        targets: Sequence[str],
        labels: Mapping[str, str] | None = None,
        beside: Pod | None = None,
    ) -> contextlib.AbstractContextManager[Probe]:
        """A pod of ours in the namespace, that leads to each of `targets`."""
        return probe(self.api, self.namespace, targets, labels, beside=beside)

    @cached_property
    def enforces_policies(self) -> bool:
        """Whether this cluster enforces NetworkPolicy: tried once, and not again in the minutes
        that follow a yes."""
        if not state.enforcement_seen(self.api.identity):
            if not enforces_policies(self.api, self.namespace):
                return False
            state.remember_enforcement(self.api.identity)
        return True

    def delete_pod(self, name: str) -> None:
        """Delete a pod at once, and see it go; one that is gone already is what was wanted."""
        try:
            breakage.delete(self.api, self.namespace, name)
        finally:
            self.refresh()

    def breaking(self, pod: str) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """While something in a pod is broken on purpose: unless it is said to be well again, it is
        replaced."""
        return breakage.breaking(self.api, self.namespace, pod)

    def as_owner(self, owner: str, at: str = "") -> LiveCluster | None:
        """The cluster as the owner of a namespace sees it: with the access that the local cluster
        keeps for them. The same one until `refresh`."""
        if not self._is_at_hand(owner):
            return None
        namespace = at or owner
        if (owner, namespace) not in self._seen_by:
            self._seen_by[owner, namespace] = LiveCluster(
                self.machine, namespace=namespace, api=self._api_of(_access_of(owner))
            )
        return self._seen_by[owner, namespace]

    def _api_of(self, access: Path) -> Api:
        """Whoever has an access asks through the same connections, until it is written anew."""
        version = (access, access.stat().st_mtime_ns)
        if version not in self._apis:
            self._apis[version] = Api(str(access))
        return self._apis[version]

    def at(self, namespace: str) -> LiveCluster:
        """The same cluster, looking at another namespace with our own rights."""
        return LiveCluster(self.machine, namespace=namespace, api=self.api)

    def _is_at_hand(self, owner: str) -> bool:
        """Whether the local cluster keeps somebody's access, and is this one."""
        if owner not in self._at_hand:
            path = _access_of(owner)
            self._at_hand[owner] = (
                path.is_file() and kubeconfig.read(str(path)).server == self.credentials.server
            )
        return self._at_hand[owner]

    def exists(self, namespace: str) -> bool | None:
        """Whether a namespace exists; None where nobody at hand may tell."""
        if namespace.startswith("user-") and self._is_at_hand(namespace):
            return True
        with contextlib.suppress(AccessError):  # a cluster that is silent is told by what follows
            for api in (self.api, self._local_administrator):
                with contextlib.suppress(Refused):
                    if api is not None:
                        return api.find(f"/api/v1/namespaces/{namespace}") is not None
        return None

    @cached_property
    def _local_administrator(self) -> Api | None:
        """Where this is the local cluster, which keeps that access on this machine."""
        with contextlib.suppress(AccessError):
            path = str(admin_kubeconfig())
            return Api(path) if kubeconfig.read(path).server == self.credentials.server else None
        return None

    def outsiders(self) -> Sequence[str]:
        """Namespaces of the local cluster's other people."""
        known = {self.namespace, *self._colleagues}
        found = {path.stem for path in people_folder().glob("*.kubeconfig")}
        # the others may be of a class, or of a test
        first = [name for name in LEARNERS if name in found]
        names = [f"user-{name}" for name in (*first, *sorted(found - {*LEARNERS, "prof"}))]
        return [name for name in names if name not in known and self._is_at_hand(name)]


def _access_of(owner: str) -> Path:
    """Where the local cluster keeps the access of the owner of a namespace. May not exist."""
    return people_folder() / f"{owner.removeprefix('user-')}.kubeconfig"
