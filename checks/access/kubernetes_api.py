"""The only module that talks to the Kubernetes API."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import urllib3
from urllib3 import HTTPHeaderDict

from checks import __version__
from checks.access import answers, exec_plugin, kubeconfig, proxies, user_rules
from checks.access.api_errors import refused, silent
from checks.access.client_settings import Settings
from checks.access.kubectl import renew, whoami
from checks.decoding import without_nulls
from checks.errors import AccessError, Forbidden, NotPermitted, Refused, Unverifiable
from checks.facts import Credentials
from checks.refusals import Refusal
from checks.waiting import Deadline, tries, waiting_for

_TIMEOUT = (5, 20)  # seconds: to connect, to read
# seconds that one watch lasts: one whose connection has died unnoticed is blind no longer than that
_WATCH = 60
_LATE = 5  # seconds that it may last more
_NOT_AGAIN = 2.0  # seconds in which a server that was waited for in vain is not asked again
_CLOCK = 5.0  # seconds to say what time it is
_COUNTED, _PAUSE = 5.0, 0.1  # seconds: for a quota to be counted, between two tries
# What is made at the same time counts in the same quota, and only one of them is written at once:
# https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
_QUOTA_MOVED = b"Operation cannot be fulfilled on resourcequotas"
_PAGE = 500  # objects asked at once: what kubectl asks
_EXECUTED = 2**20  # bytes that a command may answer in a pod, of whose programs nothing is known
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA_KINDS = ("Secret", "Namespace")

_T = TypeVar("_T")

_PLACE = "/namespaces/{}"
PATHS = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Event": "/api/v1/namespaces/{}/events",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}
"""Path of the objects of each kind that checks read; the namespace is to be filled in."""


def collection(kind: str, namespace: str) -> str:
    """Path of the objects of `kind` in a namespace."""
    return PATHS[kind].format(namespace)


def everywhere(kind: str) -> str:
    """Path of the objects of `kind` in all namespaces, or of the namespaces themselves."""
    return "/api/v1/namespaces" if kind == "Namespace" else PATHS[kind].replace(_PLACE, "")


def _require_success(pod: str, command: Sequence[str], ended: str) -> None:
    """Raises Unverifiable unless a command has, as the Status of its end tells."""
    status = json.loads(ended or '{"status": "Failure", "message": "délai dépassé"}')
    if status.get("status") != "Success":
        raise Unverifiable(
            f"Dans le pod {pod}, « {' '.join(command)} » a échoué : {status.get('message', '')}"
        )


def _current(kubeconfig_path: str | None) -> kubeconfig.Choice | None:
    """What the configuration designates, once kubectl has renewed a token that it renews by
    itself."""
    found = kubeconfig.choose(kubeconfig_path)
    said = kubeconfig.credentials(found)
    if said.kind == "oidc" and (said.expires is None or said.expires <= datetime.now(UTC)):
        renew(said.source, said.context)
        return kubeconfig.choose(kubeconfig_path)
    return found


class _Silence(NamedTuple):
    """A server that was waited for in vain, and until when it is not asked again."""

    trouble: AccessError
    heals: Deadline


class Api:
    """Requests to one API server with one identity: JSON in, JSON out, French errors."""

    def __init__(
        self,
        kubeconfig_path: str | None = None,
        seconds: float | None = None,
        *,
        without_secrets: bool = False,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        """`seconds` bounds each request; None: five to connect, twenty between two parts of the
        answer. `pace` is called before each, and may wait.

        Raises AccessError where the configuration designates no cluster. What kubectl would refuse
        of it is raised by the first request.
        """
        self._without_secrets = (
            without_secrets  # a request about one is then a mistake of ours, never sent
        )
        self._pace = pace
        self._kubeconfig_path = kubeconfig_path
        self._choice = _current(kubeconfig_path)
        self.credentials: Credentials = kubeconfig.credentials(self._choice)
        self._timeout: float | tuple[float, float] = seconds or _TIMEOUT
        self._patience = (
            min(exec_plugin.PATIENCE, 0.8 * seconds) if seconds else exec_plugin.PATIENCE
        )
        self._trouble: AccessError | None = None
        self._silence: _Silence | None = None
        self._turn = threading.Lock()

    @cached_property
    def _settings(self) -> Settings:
        return Settings(self._choice)

    @property
    def _pool(self) -> urllib3.PoolManager:
        """The connections. A program that gives no credentials is not asked twice. Raises
        AccessError."""
        with self._turn:
            if self._trouble is not None:
                raise self._trouble
            try:
                return self._made_pool
            except AccessError as trouble:
                self._trouble = trouble
                raise

    @cached_property
    def _made_pool(self) -> urllib3.PoolManager:
        settings = self._settings
        settings.identify(self._patience)
        if not settings.verify_ssl:  # the platform's own script asks for it
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        try:
            return settings.pool()
        except (ImportError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise AccessError(
                f"Le proxy {proxies.shown(settings.proxy)} ne peut pas être employé.",
                "Donnez à HTTPS_PROXY une adresse de la forme http://proxy.exemple.fr:3128",
            ) from error

    @cached_property
    def identity(self) -> str:
        """What tells this cluster from one made anew at the same address: a digest of server and
        authority."""
        authority = self._settings.authority
        content = Path(authority).read_bytes() if authority else b""
        return hashlib.sha256(self.credentials.server.encode() + content).hexdigest()[:16]

    @property
    def server(self) -> str:
        """Address of the API server, without the last slash."""
        return self._settings.host

    @property
    def proxy(self) -> str:
        """Address of the proxy that requests go through; "" when they go straight."""
        proxy = self._settings.proxy
        return "" if not proxy or self.proxy_exclusion else proxy

    @property
    def proxy_exclusion(self) -> str:
        """The rule of NO_PROXY that has requests go straight; "" when none does."""
        return proxies.exclusion(self.server, self._settings.no_proxy)

    def tls(self) -> tuple[ssl.SSLContext, str]:
        """How connections are encrypted, and the name that the server's certificate must bear.
        Raises AccessError."""
        return self._settings.context(), self._settings.server_name

    def clock(self, seconds: float = _CLOCK) -> datetime | None:
        """What time it is for the API server, to the second; None when it does not say. Raises
        ClusterLost.

        Asked without identity, and whatever its certificate: a wrong clock makes both be refused.
        """
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        options: dict[str, Any] = {
            "cert_reqs": "CERT_NONE",
            "retries": False,
            "timeout": urllib3.Timeout(seconds),
        }
        if self._settings.tls_server_name:
            options["server_hostname"] = self._settings.tls_server_name
        manager = urllib3.PoolManager(**options)
        if self.proxy:
            manager = urllib3.ProxyManager(
                self.proxy, proxy_headers=self._settings.proxy_headers, **options
            )
        try:
            said = manager.request("GET", f"{self.server}/version").headers.get("Date")
        except urllib3.exceptions.HTTPError as error:
            raise silent(self.credentials.server, error) from error
        try:
            return parsedate_to_datetime(said).astimezone(UTC) if said else None
        except ValueError:
            return None

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        accept: str = "application/json",
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """The decoded answer. Raises Refused (403, 404, 409, 422) and AccessError."""
        return answers.decoded(
            self._send(method, path, body, query, accept, content_type), self.server
        )

    def ask(self, path: str, shape: type[_T], review: object = None) -> _T:
        """The answer to a question (a review that is posted, else a GET) as a value of `shape`.
        Raises as `request`."""
        answer = self.request("POST" if review else "GET", path, review)
        return answers.shaped(without_nulls(answer), shape, self.server)

    def objects(
        self,
        kind: str,
        path: str,
        query: Mapping[str, str] | None = None,
        budget: answers.Budget | None = None,
    ) -> list[dict[str, Any]]:
        """The objects of a collection of `kind`, one of PATHS, or "" for another. Raises as
        `request`, and Unverifiable where they are more than `budget`, or a list, may hold.

        Of Secrets and Namespaces, the metadata alone.
        """
        found: list[dict[str, Any]] = []
        budget = budget or answers.Budget()
        for size, items, _answer in self._pages(kind, path, query or {}):
            budget.spend(size)
            if kind != "ConfigMap":  # receipts alone are held against it
                for item in items:
                    item["metadata"].pop("managedFields", None)  # half of an object's size
            found += items
        return found

    def each(
        self, kind: type[_T], of: str, path: str, query: Mapping[str, str] | None = None
    ) -> list[_T]:
        """The same as values of their type of `checks.objects`; `of` is the kind for `objects`."""
        return [answers.typed(item, kind) for item in self.objects(of, path, query)]

    def one(self, kind: type[_T], path: str) -> _T | None:
        """The object of this path as a value of its type; None when it is not there. Raises as
        `request`."""
        found = self.find(path)
        return None if found is None else answers.typed(found, kind)

    def find(self, path: str) -> dict[str, Any] | None:
        """The object of this path, None when it is not there. Raises as `request`."""
        try:
            return answers.named(self.request("GET", path), self.server)
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None

    def make(self, path: str, item: Mapping[str, Any]) -> str:
        """Make an object in the collection of this path; its UID. Raises as `request`."""
        made = answers.named(self.request("POST", path, item), self.server)
        return str(made["metadata"]["uid"])

    def remove(self, path: str, options: Mapping[str, Any] | None = None) -> bool:
        """Delete the object of this path; whether it was there. Raises as `request`."""
        try:
            self.request("DELETE", path, options)
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return False
        return True

    def apply(self, path: str, item: Mapping[str, Any], *, manager: str = "cahier") -> None:
        """Make the object of this path, or bring it to this content (server-side apply); no change
        is no write. What another manager has set stays.

        Raises as `request`.
        """
        query = {"fieldManager": manager, "force": "true"}
        self.request("PATCH", path, item, query=query, content_type="application/apply-patch+yaml")

    def text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The answer as text (logs). Raises as `request`."""
        return self._send("GET", path, None, query, "*/*", "application/json").decode(
            "utf-8", "replace"
        )

    def _send(
        self,
        method: str,
        path: str,
        body: object,
        query: Mapping[str, str] | None,
        accept: str,
        content_type: str,
    ) -> bytes:
        if self._without_secrets and "secrets" in path.split("/"):
            raise AssertionError(f"a Secret would be read: {method} {path}")
        if self._silence is not None and not self._silence.heals.passed:
            raise self._silence.trouble
        headers = {"Accept": accept, "Content-Type": content_type}
        content = None if body is None else json.dumps(body)
        url = self._address(path, query or {})
        for _ in tries(_COUNTED, _PAUSE):
            status, data = self._answered(method, url, headers, content)
            if status != 409 or _QUOTA_MOVED not in data:
                break
        if 300 <= status < 400:
            raise answers.redirected(self.server)
        if status >= 400:
            raise self._refused(status, data)
        return data

    def _answered(
        self, method: str, url: str, headers: Mapping[str, str], content: str | None
    ) -> tuple[int, bytes]:
        """The status of an answer, and its body. Raises AccessError."""
        try:
            with waiting_for(f"la réponse du serveur {self.server}"):
                response = self._open(method, url, headers, content, self._timeout)
                return response.status, answers.body(response, self.server)
        except urllib3.exceptions.HTTPError as error:
            silence = silent(self.credentials.server, error)
            if isinstance(error, urllib3.exceptions.TimeoutError):
                self._silence = _Silence(silence, Deadline(_NOT_AGAIN))
            raise silence from error

    def _address(self, path: str, query: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
        asked = urlencode(query, quote_via=quote)
        return f"{self.server}{path}?{asked}" if asked else f"{self.server}{path}"

    def _open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: str | None,
        timeout: float | tuple[float, float] | urllib3.Timeout,
    ) -> urllib3.BaseHTTPResponse:
        """An answer whose body is still to be read. Raises AccessError, and urllib3's errors."""
        pool, settings = self._pool, self._settings
        self._pace()
        said = HTTPHeaderDict({"User-Agent": f"cahier/{__version__}", **headers})
        if settings.authorization:
            said["Authorization"] = settings.authorization
        seconds = timeout
        if isinstance(timeout, tuple):
            connect, read = timeout
            seconds = urllib3.Timeout(connect=connect, read=read)
        elif not isinstance(timeout, urllib3.Timeout):
            seconds = urllib3.Timeout(total=timeout)
        return pool.request(
            method,
            url,
            body=content,
            headers=said | settings.headers,
            timeout=seconds,
            preload_content=False,
        )

    def _refused(self, status: int, data: bytes) -> AccessError:
        """The error for an answer that is none."""
        error = refused(self.credentials, self._kubeconfig_path, status, data)
        if (
            self._settings.headers
            and isinstance(error, Forbidden)
            and error.refusal.is_impersonation
        ):
            assert self._choice is not None
            return user_rules.impersonation(self._choice, error.refusal.user)
        return error

    def kubectl_user(self) -> str | None:
        """Who kubectl itself is for the cluster, with this very configuration; None without a
        kubectl that tells, or where it would ask questions again. Raises KubectlRefused."""
        choice = self._choice
        if choice is None:
            return whoami(self._kubeconfig_path, ())
        if choice.user.exec is not None and choice.user.exec.interactive_mode == "Always":
            return None
        return whoami(self._kubeconfig_path, tuple(kubeconfig.secrets(choice)))

    def everywhere(self, kind: str) -> Iterator[dict[str, Any]]:
        """Objects of `kind` of all namespaces, page by page (Secret, Namespace: metadata only).
        Raises as `request`."""
        for _, items, _answer in self._pages(kind, everywhere(kind), {}):
            yield from items

    def versioned(self, kind: str, path: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The objects of a collection, page by page, with the version of the whole list, from which
        it can be watched. Raises as `request`."""
        for _, items, answer in self._pages(kind, path, {}):
            yield answers.version(answer, self.server), items

    def _pages(
        self, kind: str, path: str, query: Mapping[str, str]
    ) -> Iterator[tuple[int, list[dict[str, Any]], dict[str, Any]]]:
        """A list, page by page, each with its size in bytes and the whole answer; pages are smaller
        where objects are large. Raises as `request`."""
        accept = METADATA_ONLY if kind in _METADATA_KINDS else "application/json"
        limit, following = _PAGE, ""
        while True:
            asked = {**query, "limit": str(limit), **({"continue": following} if following else {})}
            try:
                data = self._send("GET", path, None, asked, accept, "application/json")
            except answers.Endless:
                if limit == 1:
                    raise
                limit = max(1, limit // 8)
                continue
            answer = answers.decoded(data, self.server)
            yield len(data), answers.listed(answer, kind, self.server), answer
            following = answers.following(answer, self.server)
            if not following:
                return

    # -- streams -----------------------------------------------------------------------------------

    def _stream_address(self, path: str, query: Sequence[tuple[str, str]]) -> str:
        """Raises Unverifiable where a stream would not be opened as the person that « as »
        names."""
        if self._settings.headers:
            raise Unverifiable(
                "Votre configuration demande à agir comme quelqu’un d’autre (« as ») : kubectl le "
                "fait, mais le vérificateur ne sait pas ouvrir un tunnel ainsi.",
                "Retirez « as » de votre configuration, ou reprenez celle de cette personne.",
            )
        _ = self._pool  # who cannot ask anything does not open a stream either
        return self._address(path, query)

    def execute(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        seconds: float = 10,
        container: str = "",
    ) -> str:
        """Standard output of a command in a pod; `container` is needed where the pod has several.

        Raises Unverifiable when it cannot run there: NotPermitted for want of a right.
        """
        from checks.access import streams  # late: most commands enter no pod

        address = self._exec_address(namespace, pod, command, container, "stderr")
        with self._entering(namespace, pod):
            output, error = streams.execute(self._settings, address, seconds, _EXECUTED)
        _require_success(pod, command, error)
        return output

    @contextlib.contextmanager
    def repeated(
        self, namespace: str, pod: str, script: str, seconds: float = 10, container: str = ""
    ) -> Iterator[Callable[[], str]]:
        """The standard output of a script of the shell in a pod, each time that it is asked for;
        asking raises as `execute` does. One shell runs them all: to start one takes longer than
        they do."""
        import secrets  # late, as what follows

        from checks.access import streams

        command = ["sh", "-c", f'while read -r word; do {script}; echo "$word"; done']
        address = self._exec_address(namespace, pod, command, container, "stdin")
        with contextlib.ExitStack() as held:
            stream = None

            def ask() -> str:
                nonlocal stream
                kept, stream = stream, None
                with self._entering(namespace, pod):
                    if kept is None:
                        kept = streams.opened(self._settings, address)
                        held.callback(streams.leave, kept)
                    word = secrets.token_hex(8)  # nothing in the pod knows when it is to end
                    output, error = streams.asked(kept, word, seconds, _EXECUTED)
                _require_success(pod, ["sh", "-c", script], error)
                stream = kept  # once it has failed, another is asked
                return output

            yield ask

    def _exec_address(
        self, namespace: str, pod: str, command: Sequence[str], container: str, besides: str
    ) -> str:
        """Of the stream of a command. `besides`: what it carries, beside the standard output."""
        query = [("command", word) for word in command] + [("stdout", "true"), (besides, "true")]
        if container:
            query.append(("container", container))
        return self._stream_address(f"/api/v1/namespaces/{namespace}/pods/{pod}/exec", query)

    @contextlib.contextmanager
    def _entering(self, namespace: str, pod: str) -> Iterator[None]:
        """Raises Unverifiable, or NotPermitted, where a stream into a pod is in trouble."""
        from checks.access import streams

        try:
            yield
        except streams.TROUBLE as trouble:
            _status, said, refusal = streams.refused(trouble, namespace, "pods/exec")
            raise (NotPermitted if refusal else Unverifiable)(
                f"La commande n’a pas pu être exécutée dans le pod {pod} "
                f"({refusal.said if refusal else said})."
            ) from None

    @contextlib.contextmanager
    def forward(self, namespace: str, pod: str, port: int) -> Iterator[Any]:
        """A tunnel to a port of a pod, as a socket. Raises Forbidden without the right to open one,
        Unverifiable when it does not open or is cut on the way, and ForwardRefused, also on leaving
        the context, when it is the pod that refused the connection."""
        url = self._stream_address(
            f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward", [("ports", str(port))]
        )
        from checks.access import streams, tunnels

        try:
            tunnel = tunnels.Tunnel(streams.opened(self._settings, url))
        except streams.TROUBLE as trouble:
            raise self._closed(
                streams.refused(trouble, namespace, "pods/portforward"), pod
            ) from None
        with tunnels.end_of(tunnel, pod) as end:
            yield end

    def _closed(
        self, answer: tuple[int, str, Refusal | None], pod: str
    ) -> AccessError | Unverifiable:
        """The error for a tunnel that the API server, or what stands before it, does not open."""
        status, said, refusal = answer
        if status == 401:
            return self._refused(401, b"{}")
        if refusal is not None:
            return Forbidden(refusal, self._kubeconfig_path)
        told = f"réponse {status}" if status else said
        return Unverifiable(
            f"Le tunnel de vérification vers le pod {pod} ne s’ouvre pas ({told}).",
            "Relancez la commande ; si cela dure : cahier diagnostiquer",
        )

    def latest(self, path: str) -> str:
        """The version of the list `path`, from which it can be watched. Raises AccessError."""
        return answers.version(self.request("GET", path, query={"limit": "1"}), self.server)

    def watch(
        self,
        path: str,
        since: str,
        kind: str | None = None,
        opened: Callable[[], None] = lambda: None,
    ) -> Iterator[dict[str, Any]]:
        """What happened to the objects of the list `path` after a version, until the server or the
        network ends it: a minute later at most. The last one, a BOOKMARK, says from where to go on.
        `kind`: one of PATHS, where the objects themselves are to be read. `opened` is called once
        it goes on, though nothing may happen for long.

        Raises Refused, with 410 where what happened then is forgotten, and AccessError.
        """
        query = [("watch", "true"), ("resourceVersion", since), ("timeoutSeconds", str(_WATCH))]
        query.append(("allowWatchBookmarks", "true"))
        patience = _WATCH + _LATE
        try:
            headers = {"Accept": "application/json"}
            response = self._open(
                "GET",
                self._address(path, query),
                headers,
                None,
                # silence is what a watch of something calm begins with
                urllib3.Timeout(connect=_LATE, read=patience),
            )
            if response.status >= 300:
                raise self._refused(response.status, answers.body(response, self.server))
            opened()
            for line in answers.lines(response, self.server, patience):
                if line.strip():
                    event = answers.change(line, self.server)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise self._refused(
                            answers.code(status, self.server), json.dumps(status).encode()
                        )
                    if kind is not None and event["type"] != "BOOKMARK":
                        answers.require(event["object"], kind, self.server)
                    yield event
        except urllib3.exceptions.HTTPError as error:
            raise silent(self.credentials.server, error) from error

    # -- shared requests ---------------------------------------------------------------------------

    def who_am_i(self) -> str:
        """User name that the API server gives us."""
        return self.identity_seen()[0]

    def identity_seen(self) -> tuple[str, Sequence[str]]:
        """User name and groups that the API server gives us."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        seen = self.ask(path, answers.IdentityReview, review).status.userInfo
        return seen.username, seen.groups

    def namespace_uid(self, namespace: str) -> str:
        """UID of a namespace: another one that takes its name has another. Raises as `request`."""
        try:  # its people may get it, a teacher may list it
            item = answers.named(
                self.request("GET", f"/api/v1/namespaces/{namespace}"), self.server
            )
            return str(item["metadata"]["uid"])
        except Refused:
            found = self.objects(
                "Namespace", "/api/v1/namespaces", {"fieldSelector": f"metadata.name={namespace}"}
            )
            if not found:
                raise
            return str(found[0]["metadata"]["uid"])

    def version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""
        answer = self.ask("/version", answers.Version)
        numbers = re.match(r"\d+", answer.major), re.match(r"\d+", answer.minor)
        if not all(numbers):
            raise answers.unfinished(self.server)
        major, minor = (int(found[0]) for found in numbers if found)
        return major, minor
