"""The only module that talks to the Kubernetes API."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger  # type: ignore[attr-defined]
from kubernetes.stream.ws_client import portforward_call, websocket_call
from websocket import WebSocketException, setdefaulttimeout

from checks.access import kubeconfig, proxies, refusals
from checks.access.api_errors import RENEW, forbidden, reason, refused, silent
from checks.access.kubectl import renew
from checks.errors import AccessError, Refused, Unverifiable
from checks.facts import Credentials, ForwardRefused
from checks.redaction import remember, remember_url

_TIMEOUT = (5, 20)  # seconds: to connect, to read
setdefaulttimeout(20)  # of every stream: the library's own default is to wait for ever
_PAGE = 500  # objects asked at once when a list spans all namespaces: what kubectl asks
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_FORWARD_THREAD = "Kubernetes port forward proxy"  # the library's own name for it
_GOODBYE = 5.0  # seconds: websocket-client waits three for the other side's goodbye


def _silence_cut_tunnels() -> None:
    """A tunnel that the server cuts is told by the check that uses it, not by a traceback of its thread."""
    otherwise = threading.excepthook

    def hook(problem: threading.ExceptHookArgs) -> None:
        if problem.thread is not None and problem.thread.name.startswith(_FORWARD_THREAD):
            logging.getLogger(__name__).debug("tunnel cut: %s", problem.exc_value)
        else:
            otherwise(problem)

    threading.excepthook = hook


_silence_cut_tunnels()

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


def _current(kubeconfig_path: str | None) -> Credentials:
    """What the configuration says, once kubectl has renewed a token that it renews by itself."""
    found = kubeconfig.read(kubeconfig_path)
    if found.kind == "oidc" and found.expires is not None and found.expires <= datetime.now(UTC):
        renew(found.source, found.context)
        found = kubeconfig.read(kubeconfig_path)
    return found


class _Loader(KubeConfigLoader):  # type: ignore[misc]
    """The library's own, but for a token that is near its end: it would renew it without keeping it."""

    def _refresh_oidc(self, provider: object) -> None:
        pass


class Api:
    """Requests to one API server with one identity: JSON in, JSON out, French errors."""

    def __init__(
        self, kubeconfig_path: str | None = None, seconds: float | None = None, *, without_secrets: bool = False
    ) -> None:
        """`seconds` bounds each request; None: five to connect, twenty between two parts of the answer."""
        self._without_secrets = without_secrets  # a request about one is then a mistake of ours, never sent
        self._kubeconfig_path = kubeconfig_path
        self.credentials: Credentials = _current(kubeconfig_path)
        self._timeout: float | tuple[float, float] = seconds or _TIMEOUT
        settings: Any = client.Configuration()
        try:
            if self.credentials.kind == "serviceaccount":
                config.load_incluster_config(client_configuration=settings)
            else:
                # Of several files, the library would take the last one's context.
                merged = KubeConfigMerger(self.credentials.source).config
                _Loader(merged, active_context=self.credentials.context).load_and_set(settings)
        except (config.ConfigException, TypeError, ValueError, OSError) as error:
            raise AccessError(f"La configuration Kubernetes est inutilisable : {error}", RENEW) from error
        for secret in settings.api_key.values():  # of a file, of a program, or of the pod
            remember(secret)
        settings.retries = False
        _follow_proxy(settings)
        self._settings = settings
        if not settings.verify_ssl:  # the platform's own script asks for it
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        try:
            self._client: Any = client.ApiClient(settings)
        except (ImportError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise AccessError(
                f"Le proxy {proxies.shown(settings.proxy or '')} ne peut pas être employé.",
                "Donnez à HTTPS_PROXY une adresse de la forme http://proxy.exemple.fr:3128",
            ) from error

    @cached_property
    def identity(self) -> str:
        """What tells this cluster from one made anew at the same address: a digest of server and authority."""
        authority: str | None = getattr(self._settings, "ssl_ca_cert", None)
        content = Path(authority).read_bytes() if authority else b""
        return hashlib.sha256(self.credentials.server.encode() + content).hexdigest()[:16]

    @property
    def server(self) -> str:
        """Address of the API server, without the last slash."""
        return str(self._settings.host)

    @property
    def proxy(self) -> str:
        """Address of the proxy that requests go through; "" when they go straight."""
        proxy = str(self._settings.proxy or "")
        return "" if not proxy or self.proxy_exclusion else proxy

    @property
    def proxy_exclusion(self) -> str:
        """The rule of NO_PROXY that has requests go straight; "" when none does."""
        return proxies.exclusion(self.server, self._settings.no_proxy or "")

    def tls(self) -> tuple[ssl.SSLContext, str]:
        """How connections are encrypted, and the name that the server's certificate must bear.

        Raises AccessError when a certificate or a key of the configuration is unreadable.
        """
        settings = self._settings
        try:
            context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
            if settings.cert_file:
                context.load_cert_chain(settings.cert_file, settings.key_file)
        except OSError as error:  # ssl.SSLError is one
            raise AccessError("Un certificat ou une clé de votre configuration est illisible.", RENEW) from error
        if not settings.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context, settings.tls_server_name or urlsplit(self.server).hostname or ""

    def clock(self, seconds: float) -> datetime | None:
        """What time it is for the API server, to the second; None when it does not say. Raises ClusterLost.

        Asked without identity, and whatever its certificate: a wrong clock makes both be refused.
        """
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        options: dict[str, Any] = {"cert_reqs": "CERT_NONE", "retries": False, "timeout": urllib3.Timeout(seconds)}
        if self._settings.tls_server_name:
            options["server_hostname"] = self._settings.tls_server_name
        manager = urllib3.PoolManager(**options)
        if self.proxy:
            manager = urllib3.ProxyManager(self.proxy, proxy_headers=self._settings.proxy_headers, **options)
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
        return cast(dict[str, Any], json.loads(self._send(method, path, body, query, accept, content_type) or "{}"))

    def find(self, path: str) -> dict[str, Any] | None:
        """The object of this path, None when it is not there. Raises as `request`."""
        try:
            return self.request("GET", path)
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None

    def remove(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        """Delete the object of this path; one that is gone already is what was wanted. Raises as `request`."""
        try:
            self.request("DELETE", path, options)
        except Refused as refusal:
            if refusal.status != 404:
                raise

    def apply(self, path: str, item: Mapping[str, Any]) -> None:
        """Make the object of this path, or bring it to this content (server-side apply); no change is no write.

        Raises as `request`.
        """
        query = {"fieldManager": "cahier", "force": "true"}
        self.request("PATCH", path, item, query=query, content_type="application/apply-patch+yaml")

    def text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The answer as text (logs). Raises as `request`."""
        return self._send("GET", path, None, query, "*/*", "application/json").decode("utf-8", "replace")

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
        try:
            request = self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = self._client.call_api(*request, _request_timeout=self._timeout)
            data: bytes = response.read()
        except (urllib3.exceptions.HTTPError, ApiException) as error:  # ApiException: TLS did not come about
            raise silent(self.credentials.server, error) from error
        if response.status >= 400:
            raise refused(self.credentials, self._kubeconfig_path, response.status, data)
        return data

    def everywhere(self, kind: str) -> Iterator[dict[str, Any]]:
        """Objects of `kind` of all namespaces, page by page (Secret, Namespace: metadata only). Raises as `request`."""
        path = "/api/v1/namespaces" if kind == "Namespace" else PATHS[kind].replace("/namespaces/{}", "")
        accept = METADATA_ONLY if kind in ("Secret", "Namespace") else "application/json"
        query = {"limit": str(_PAGE)}
        while True:
            answer = self.request("GET", path, query=query, accept=accept)
            yield from answer.get("items") or []
            following = (answer.get("metadata") or {}).get("continue")
            if not following:
                return
            query["continue"] = following

    # -- streams ---------------------------------------------------------------------------------------------

    def _stream(self, open_stream: Callable[..., Any], path: str, query: Sequence[tuple[str, str]]) -> Any:
        """A WebSocket of the API server. Asked of the transport itself: the generated methods that lead to
        it cost a second of imports."""
        method, url, headers, *_ = self._client.param_serialize(
            "GET", path, query_params=list(query), auth_settings=["BearerToken"]
        )
        return open_stream(self._settings, method, url, headers=headers, _preload_content=False)

    def execute(
        self, namespace: str, pod: str, command: Sequence[str], seconds: float = 10, container: str = ""
    ) -> str:
        """Standard output of a command in a pod; `container` is needed where the pod has several.

        Raises Unverifiable when it cannot run there.
        """
        query = [("command", word) for word in command] + [("stdout", "true"), ("stderr", "true")]
        if container:
            query.append(("container", container))
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        try:
            process = self._stream(websocket_call, path, query)
            try:
                process.run_forever(timeout=seconds)
                output = str(process.read_stdout(timeout=1) or "")
                error = process.read_channel(3)
            finally:
                process.sock.shutdown()  # `close` leaves the socket open when the server has said goodbye first
        except (ApiException, WebSocketException, OSError, urllib3.exceptions.HTTPError) as trouble:
            said = reason(trouble)
            refusal = refusals.read(said)
            raise Unverifiable(
                f"La commande n’a pas pu être exécutée dans le pod {pod} ({refusal.said if refusal else said})."
            ) from None
        status = json.loads(error or '{"status": "Failure", "message": "délai dépassé"}')
        if status.get("status") != "Success":
            raise Unverifiable(f"Dans le pod {pod}, « {' '.join(command)} » a échoué : {status.get('message', '')}")
        return output

    @contextlib.contextmanager
    def forward(self, namespace: str, pod: str, port: int) -> Iterator[Any]:
        """A tunnel to a port of a pod, as a socket. Raises Forbidden without the right to open one, and ForwardRefused,
        also on leaving the context with an error when the pod had refused the connection."""
        try:
            path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
            tunnel = self._stream(portforward_call, path, [("ports", str(port))])
        except (ApiException, WebSocketException, OSError, urllib3.exceptions.HTTPError) as trouble:
            said = reason(trouble)
            raise forbidden(said, self._kubeconfig_path) or ForwardRefused(said) from None
        end = tunnel.socket(port)
        end.settimeout(8)
        try:
            yield end
        finally:
            refused = tunnel.error(port)
            end.close()
            if _ended(tunnel):
                tunnel.websocket.shutdown()
            if refused:  # the pod's own answer tells more than the cut that follows it
                raise ForwardRefused(refused)

    def watch(self, path: str) -> Iterator[dict[str, Any]]:
        """Events of a watch on the list `path`, until the server or the network ends it. Raises AccessError."""
        known = self.request("GET", path, query={"limit": "1"})["metadata"]["resourceVersion"]
        query = [("watch", "true"), ("resourceVersion", known), ("timeoutSeconds", "300")]
        request = self._client.param_serialize("GET", path, query_params=query, auth_settings=["BearerToken"])
        try:
            response = self._client.call_api(*request, _request_timeout=(5, 310)).response
            if response.status >= 400:
                raise refused(self.credentials, self._kubeconfig_path, response.status, response.read())
            for line in response:
                if line.strip():
                    yield json.loads(line)
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            raise silent(self.credentials.server, error) from error

    # -- shared requests -------------------------------------------------------------------------------------

    def who_am_i(self) -> str:
        """User name that the API server gives us."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        return str(answer["status"]["userInfo"].get("username", ""))

    def namespace_uid(self, namespace: str) -> str:
        """UID of a namespace: another one that takes its name has another. Raises as `request`."""
        try:  # its people may get it, a teacher may list it
            return str(self.request("GET", f"/api/v1/namespaces/{namespace}")["metadata"]["uid"])
        except Refused:
            query = {"fieldSelector": f"metadata.name={namespace}"}
            found = self.request("GET", "/api/v1/namespaces", query=query, accept=METADATA_ONLY).get("items")
            if not found:
                raise
            return str(found[0]["metadata"]["uid"])

    def version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""
        answer = self.request("GET", "/version")
        return int(answer["major"]), int(re.sub(r"\D.*", "", answer["minor"]))


def _follow_proxy(settings: Any) -> None:
    """Choose and use the environment's proxy as kubectl does: never for this machine, with its name and password."""
    if not settings.proxy:
        return
    if settings.proxy in getproxies().values() and proxies.is_loopback(settings.host):
        settings.proxy = None
        return
    settings.proxy = proxies.complete(settings.proxy)
    remember_url(settings.proxy)
    settings.proxy_headers = dict(proxies.credentials(settings.proxy)) or settings.proxy_headers


def _ended(tunnel: Any) -> bool:
    """Wait for the thread of this tunnel, and of no other. Its socket must not be closed under it: the thread would
    read from the next connection that gets the same descriptor."""
    for thread in threading.enumerate():
        if getattr(getattr(thread, "_target", None), "__self__", None) is tunnel:
            thread.join(_GOODBYE)
            return not thread.is_alive()
    return True
