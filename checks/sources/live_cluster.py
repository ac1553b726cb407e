"""The live cluster: facts asked of a real API server, as a check needs them."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from checks import refusals, state
from checks.access import kubeconfig
from checks.access.answers import AccessReview, Budget, RulesReview, listed
from checks.access.discovery import Resource, served
from checks.access.kubectl import forwarding
from checks.access.kubernetes_api import METADATA_ONLY, PATHS, Api, collection
from checks.errors import AccessError, CahierError, Forbidden, Refused, Unverifiable, UsageError
from checks.facts import (
    OWNER_BINDING,
    Access,
    ApiResource,
    Colleague,
    Credentials,
    ForwardRefused,
    Listing,
    Machine,
    Pod,
    PolicyKind,
)
from checks.places import LEARNERS, admin_kubeconfig, people_folder
from checks.redaction import remember_secret
from checks.sources import breakage
from checks.sources.objects import Served, must_be_known
from checks.sources.probes import Probe, enforces_policies, probe
from checks.sources.receipts import is_receipts

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LISTED_AT_ONCE = 8
_LOG_BYTES = str(2**20)  # of a log at most, from the moment that is asked for
_TAIL_BYTES = str(2**18)  # of its last lines


class LiveCluster(Served):
    """`facts.Cluster` served by a real API server. Each kind is listed once until `refresh`."""

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
        """`colleague`: one namespace or several; `colleague_user`: their users, in the same order."""
        namespaces, users = _several(colleague), _several(colleague_user)
        if len(users) > max(1, len(namespaces)):
            raise UsageError(
                f"--utilisateur-collegue est donné {len(users)} fois, --collegue {len(namespaces)} fois.",
                "Donnez d’abord à chacun son --collegue : le premier utilisateur est celui du premier collègue, etc.",
            )
        for option, given in (("--namespace", namespace), *(("--collegue", one) for one in namespaces)):
            if given and not _NAMESPACE.fullmatch(given):
                raise UsageError(
                    f"« {given} » ne peut pas être le nom d’un namespace ({option}).",
                    "Un tel nom n’a que des minuscules sans accent, des chiffres et des tirets, par exemple user-alice",
                )
        self.api = api or Api(kubeconfig_path)  # one that is given is shared: its connections serve a whole class
        self.namespace = namespace or self.api.credentials.namespace
        self.machine = machine
        self._colleagues = dict.fromkeys(namespaces, "") | dict(zip(namespaces, users, strict=False))
        self._port = port
        super().__init__()
        self._lists: dict[str, list[dict[str, Any]]] = {}
        self._budget = Budget()
        self._receipts: Mapping[str, Any] | None = None
        self._answers: dict[tuple[object, ...], Access] = {}
        self._at_hand: dict[str, bool] = {}

    def refresh(self) -> None:
        """Forget what was listed and kept: the next question asks the API server again."""
        self._lists.clear()
        self._budget = Budget()
        self._answers.clear()
        self._at_hand.clear()
        self.ask_anew()

    @property
    def credentials(self) -> Credentials:
        """How we got in."""
        return self.api.credentials

    @property
    def user(self) -> str:
        """Who the API server says we are."""
        return self._identity[0]

    @property
    def groups(self) -> Sequence[str]:
        """The groups that the API server says we are in."""
        return self._identity[1]

    @cached_property
    def _identity(self) -> tuple[str, Sequence[str]]:
        return self.api.identity_seen()

    def kubectl_user(self) -> str | None:
        """Who a real kubectl is for the API server, with our configuration. Raises KubectlRefused."""
        return self.api.kubectl_user()

    @cached_property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""
        return self.api.version()

    @property
    def has_colleague(self) -> bool:
        """Whether --collegue was given."""
        return bool(self._colleagues)

    @property
    def colleague(self) -> Colleague:
        """The colleague, the first of several."""
        if not self._colleagues:
            raise UsageError(
                "Ce TP se fait à deux : il manque le namespace de votre collègue.",
                "Ajoutez par exemple --collegue user-bob",
            )
        return self.colleagues[0]

    @cached_property
    def colleagues(self) -> Sequence[Colleague]:
        """Those who were given; the RBAC user is inferred from our own pair when it was not, "" where our rights do not
        let us read that pair."""
        if self.namespace in self._colleagues:
            raise UsageError(
                f"--collegue {self.namespace} désigne votre propre namespace.",
                "Donnez celui d’une autre personne, par exemple --collegue user-bob",
            )
        return [Colleague(namespace, user or self._inferred(namespace)) for namespace, user in self._colleagues.items()]

    def _inferred(self, namespace: str) -> str:
        with contextlib.suppress(Forbidden):
            return self.user_of(namespace)
        return ""

    def user_of(self, namespace: str) -> str:
        """Onyxia names a namespace `user-NAME` and the RBAC user `PREFIX NAME`; the prefix is ours."""
        mine = self.namespace.removeprefix("user-")
        owner = self.user if self.user.endswith(mine) else self.owner
        if not owner.endswith(mine):
            raise UsageError(
                f"Le nom d’utilisateur de {namespace} ne se déduit pas du vôtre ({self.user} dans {self.namespace}).",
                "Donnez-le : --utilisateur-collegue oidc-bob (votre collègue le lit avec « kubectl auth whoami »)",
            )
        return owner.removesuffix(mine) + namespace.removeprefix("user-")

    @property
    def in_own_service(self) -> bool:
        """Whether our identity is that of a program of the learner's namespace, such as a VSCode service."""
        return refusals.is_service_of(self.user, self.namespace)

    @property
    def owner(self) -> str:
        """The user who owns the namespace, as its own binding names them; "" when it does not."""
        for binding in self.role_bindings():
            if binding.name == OWNER_BINDING:
                for subject in binding.subjects:
                    if subject.kind == "User":
                        return subject.name
        return ""

    def local_port(self, default: int) -> int:
        """The local port of the lab: --port, else `default`."""
        return self._port or default

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Objects of the learner's namespace, as the API gives them."""
        if kind not in self._lists:
            found = self._listed(kind)
            if kind == "ConfigMap":
                self._receipts = next((item for item in found if is_receipts(item)), None)
                found = [item for item in found if not is_receipts(item)]
            self._lists[kind] = found
        return self._lists[kind]

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        try:
            return self.api.objects(kind, collection(kind, self.namespace), budget=self._budget)
        except Refused as refusal:
            raise self._namespace_problem(refusal) from refusal

    def receipts(self) -> Mapping[str, Any] | None:
        """The ConfigMap of the receipts, which `objects` leaves out: it is no part of the learner's work."""
        self.objects("ConfigMap")
        return self._receipts

    @property
    def namespace_uid(self) -> str:
        """UID of the learner's namespace."""
        return self.api.namespace_uid(self.namespace)

    def everything(self) -> Sequence[Listing]:
        """All the objects of the learner's namespace but Secrets, asked of many kinds at once."""
        with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
            return list(pool.map(self._listing, self._readable))

    @cached_property
    def _served(self) -> Sequence[Resource]:
        return served(self.api)

    @property
    def _readable(self) -> Sequence[Resource]:
        return [one for one in self._served if one.namespaced and "list" in one.verbs and one.dotted != "secrets"]

    def _listing(self, resource: Resource) -> Listing:
        path = resource.path(self.namespace)
        known = next((kind for kind in PATHS if collection(kind, self.namespace) == path), "")
        try:
            items = self.objects(known) if known else self.api.objects("", path, budget=self._budget)
        except Refused as refusal:
            # Forbidden, or an API that another program serves, and that is away.
            if refusal.status != 403 and (known or refusal.status not in (404, 405, 503)):
                raise
            return Listing(resource.kind, resource.dotted, None)
        return Listing(resource.kind, resource.dotted, items)

    def secret_values(self, name: str) -> Mapping[str, str] | None:
        """Decoded values of a Secret, None when there is no such Secret; fetched each time, never kept."""
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

    def latest(self, kind: str) -> str:
        """The version of the objects of `kind` in the learner's namespace, from which they can be watched."""
        return self.api.latest(collection(kind, self.namespace))

    def watch(self, kind: str, since: str) -> Iterator[Mapping[str, Any]]:
        """Their changes after that version, until the connection ends. Raises as `Api.watch`."""
        yield from self.api.watch(collection(kind, self.namespace), since)

    def _namespace_problem(self, refusal: Refused) -> CahierError:
        if (
            refusal.status == 403
            and not self.in_own_service
            and not any(self.may("list", resource).allowed for resource in ("pods", "services"))
        ):
            return UsageError(
                f"Vous n’avez pas accès au namespace « {self.namespace} », ou il n’existe pas (vous êtes {self.user}).",
                "Vérifiez son nom : kubectl config view --minify. Pour en changer : --namespace NOM",
            )
        return refusal

    def logs(self, pod: str, lines: int = 20, container: str = "") -> str:
        """Last lines of a pod's log; "" when there is none."""
        try:
            return self._log(pod, container, tailLines=str(lines), limitBytes=_TAIL_BYTES)
        except Refused:
            return ""

    def heard(self, pod: Pod, word: str, since: datetime) -> bool:
        """Whether the log of a pod has kept `word` since then. Raises AccessError where it may not be read."""
        asked = range(2)  # twice, before its silence is held against anybody: nothing shows that a log came whole
        return any(word in self._log(pod.name, "", sinceTime=since.isoformat(), limitBytes=_LOG_BYTES) for _ in asked)

    def _log(self, pod: str, container: str, **query: str) -> str:
        container = container or self._main_container(pod)
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        return self.api.text(path, {**query, "container": container} if container else query)

    def may(self, verb: str, resource: str, *, group: str = "", name: str = "", namespace: str = "") -> Access:
        """Whether the learner may, in `namespace` (the learner's own when empty)."""
        attributes = _attributes(verb, resource, group, name, namespace or self.namespace)
        return self._review("SelfSubjectAccessReview", "/selfsubjectaccessreviews", {"resourceAttributes": attributes})

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
        """Whether `user` may, in the learner's namespace. Raises Unverifiable where that user is not known."""
        must_be_known(user)
        attributes = _attributes(verb, resource, group, name, self.namespace)
        spec = {
            "user": user,
            "groups": [*groups, "system:authenticated"],
            "resourceAttributes": attributes,
        }
        path = f"/namespaces/{self.namespace}/localsubjectaccessreviews"
        return self._review("LocalSubjectAccessReview", path, spec)

    def cluster_role(self, name: str) -> Mapping[str, Any] | None:
        """A ClusterRole as the API gives it, None when there is none."""
        return self.api.find(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{quote(name, safe='')}")

    def own_rules(self) -> Sequence[Mapping[str, Any]] | None:
        """All the rules that hold for us in the learner's namespace; None where some may be missing."""
        spec = {"namespace": self.namespace}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": spec}
        found = self.api.ask("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", RulesReview, body).status
        return None if found.incomplete else found.resourceRules

    def api_resources(self) -> Sequence[ApiResource]:
        """All that the API server serves in a namespace."""
        namespaced = [one for one in self._served if one.namespaced]
        return [ApiResource(one.group, name, verbs) for one in namespaced for name, verbs in one.parts]

    def _review(self, kind: str, path: str, spec: Mapping[str, Any]) -> Access:
        key = (kind, json.dumps(spec, sort_keys=True))
        if key not in self._answers:
            body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
            if kind.startswith("Local"):
                body["metadata"] = {"namespace": self.namespace}
            status = self.api.ask(f"/apis/authorization.k8s.io/v1{path}", AccessReview, body).status
            self._answers[key] = Access(status.allowed, status.reason)
        return self._answers[key]

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """Standard output of a command run in the pod."""
        return self.api.execute(self.namespace, pod, command, container=container or self._main_container(pod))

    def _main_container(self, pod: str) -> str:
        """The container that kubectl would choose: the annotated one, else the first. "" for an unknown pod."""
        found = self.pod(pod)
        if found is None:
            return ""
        chosen = (found.raw["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
        return str(chosen or found.containers[0].name)

    def forward(self, pod: str, port: int) -> contextlib.AbstractContextManager[Any]:
        """Our own tunnel to a port of a pod."""
        return self.api.forward(self.namespace, pod, port)

    @contextlib.contextmanager
    def kubectl_forward(self, pod: str, port: int) -> Iterator[Any]:
        """A socket through a `kubectl port-forward` of this identity, ended with the context."""
        found = self.machine.kubectl()
        if found is None:
            raise Unverifiable("kubectl n’est pas installé sur ce poste.", "Installez-le, puis recommencez.")
        configuration = None if self.credentials.kind == "serviceaccount" else self.credentials.source
        with forwarding(found.path, configuration, self.namespace, pod, port) as local:
            try:
                connection = self.machine.connect(local)
            except OSError as cut:
                raise ForwardRefused(str(cut)) from None
            with connection:
                connection.settimeout(8)
                yield connection

    def probe(
        self, targets: Sequence[str], labels: Mapping[str, str] | None = None
    ) -> contextlib.AbstractContextManager[Probe]:
        """A pod of ours in the namespace, that leads to each of `targets`."""
        return probe(self.api, self.namespace, targets, labels)

    @cached_property
    def enforces_policies(self) -> bool:
        """Whether this cluster enforces NetworkPolicy: tried once, and not again in the minutes that follow a yes."""
        if not state.enforcement_seen(self.api.identity):
            if not enforces_policies(self.api, self.namespace):
                return False
            state.remember_enforcement(self.api.identity)
        return True

    def other_policies(self) -> Iterator[PolicyKind]:
        """The kinds of network policy that another program enforces, those of namespaces first."""
        found = [
            one
            for one in self._served
            if one.kind.endswith("NetworkPolicy") and one.group != "networking.k8s.io" and "list" in one.verbs
        ]
        for one in sorted(found, key=lambda one: (not one.namespaced, one.kind)):
            yield PolicyKind(one.kind, self._names(one))

    def _names(self, kind: Resource) -> tuple[str, ...] | None:
        try:
            answer = self.api.request("GET", kind.path(self.namespace), query={"limit": "20"}, accept=METADATA_ONLY)
        except Refused:
            return None
        return tuple(str(item["metadata"]["name"]) for item in listed(answer, "", self.api.server))

    def as_owner(self, owner: str, at: str = "") -> LiveCluster | None:
        """The cluster as the owner of a namespace sees it: with the access that the local cluster keeps for them."""
        if not self._is_at_hand(owner):
            return None
        return LiveCluster(self.machine, kubeconfig_path=str(_access_of(owner)), namespace=at or owner)

    def _is_at_hand(self, owner: str) -> bool:
        """Whether the local cluster keeps somebody's access, and is this one."""
        if owner not in self._at_hand:
            path = _access_of(owner)
            self._at_hand[owner] = path.is_file() and kubeconfig.read(str(path)).server == self.credentials.server
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
        first = [name for name in LEARNERS if name in found]  # the others may be of a class, or of a test
        names = [f"user-{name}" for name in (*first, *sorted(found - {*LEARNERS, "prof"}))]
        return [name for name in names if name not in known and self._is_at_hand(name)]

    def delete_pod(self, name: str) -> None:
        """Delete a pod at once, and see it go; one that is gone already is what was wanted."""
        try:
            breakage.delete(self.api, self.namespace, name)
        finally:
            self.refresh()

    def breaking(self, pod: str) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """While something in a pod is broken on purpose: unless it is said to be well again, it is replaced."""
        return breakage.breaking(self.api, self.namespace, pod)


def _several(given: str | Sequence[str] | None) -> Sequence[str]:
    return [given] if isinstance(given, str) and given else [*(given or ())]


def _access_of(owner: str) -> Path:
    """Where the local cluster keeps the access of the owner of a namespace. May not exist."""
    return people_folder() / f"{owner.removeprefix('user-')}.kubeconfig"


def _attributes(verb: str, resource: str, group: str, name: str, namespace: str) -> dict[str, str]:
    kind, _, subresource = resource.partition("/")
    kind, _, dotted = kind.partition(".")
    filled = {
        "verb": verb,
        "group": group or dotted,
        "resource": kind,
        "subresource": subresource,
        "name": name,
        "namespace": namespace,
    }
    return {key: value for key, value in filled.items() if value}
