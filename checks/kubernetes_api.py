"""The only module that talks to the Kubernetes API."""

from __future__ import annotations

import base64
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

from checks import kubeconfig, proxies, refusals, state
from checks.errors import AccessError, CahierError, ClusterLost, Forbidden, Refused, Unverifiable, UsageError
from checks.facts import (
    OWNER_BINDING,
    Access,
    Colleague,
    Credentials,
    ForwardRefused,
    Machine,
    Pod,
)
from checks.kubectl import forwarding, renew
from checks.local_cluster.places import LEARNERS, people_folder
from checks.objects import Served, must_be_known
from checks.probes import Probe, enforces_policies, probe
from checks.receipts import is_receipts

_TIMEOUT = (5, 20)  # seconds: to connect, to read
setdefaulttimeout(20)  # of every stream: the library's own default is to wait for ever
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PAGE = 500  # objects asked at once when a list spans all namespaces: what kubectl asks
_LOG_BYTES = str(2**20)  # of a log at most, from the moment that is asked for
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

_PATHS = {
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


def collection(kind: str, namespace: str) -> str:
    """Path of the objects of `kind` in a namespace."""
    return _PATHS[kind].format(namespace)


RENEW = (
    "Sur le SSPCloud : « Mon compte », « Connexion à Kubernetes », copiez de nouveau le script et exécutez-le. "
    "Sur le petit SSPCloud local : cahier cluster creer, puis export KUBECONFIG=$(cahier cluster kubeconfig alice)"
)


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
            raise self.silent(error) from error
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
            raise self.silent(error) from error
        if response.status >= 400:
            raise self._refusal(response.status, data)
        return data

    def silent(self, error: Exception) -> ClusterLost:
        """The error for an API server that does not answer, or not as one: each cause has its own words."""
        server, said = self.credentials.server, str(error)
        network = "Vérifiez votre connexion (réseau, proxy, VPN) ; si le cluster est local : cahier cluster creer"
        if "CERTIFICATE_VERIFY_FAILED" in said:
            return ClusterLost(
                f"Le certificat du serveur {server} n’est pas signé par l’autorité que votre configuration attend.",
                RENEW,
            )
        if "UNEXPECTED_EOF" in said or isinstance(error, urllib3.exceptions.ProtocolError):
            return ClusterLost(f"Le serveur {server} a coupé la connexion avant de répondre.", network)
        if isinstance(error, urllib3.exceptions.SSLError | ApiException) or isinstance(error.__cause__, ssl.SSLError):
            return ClusterLost(
                f"La connexion chiffrée avec {server} ne s’établit pas : un certificat ou une clé de votre "
                f"configuration est illisible ({_reason(error)}).",
                RENEW,
            )
        if isinstance(error, urllib3.exceptions.NameResolutionError):
            return ClusterLost(f"Le nom du serveur {server} est inconnu de votre réseau.", network)
        if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(
            error, urllib3.exceptions.NewConnectionError
        ):
            return ClusterLost(f"Le cluster {server} ne répond pas : délai dépassé.", network)
        if "refused" in said:
            return ClusterLost(
                f"Le serveur {server} refuse la connexion : aucun cluster n’écoute à cette adresse.",
                "Le cluster est arrêté, ou votre configuration vise une ancienne adresse. S’il est local : "
                "cahier cluster creer. Sur le SSPCloud : copiez de nouveau le script de « Connexion à Kubernetes ».",
            )
        return ClusterLost(f"Le cluster {server} ne répond pas ({_reason(error)}).", network)

    def _refusal(self, status: int, data: bytes) -> AccessError:
        try:
            said = str(json.loads(data).get("message", ""))
        except (ValueError, AttributeError):
            said = data.decode("utf-8", "replace")[:200]
        if status == 401 and self.credentials.kind == "serviceaccount":
            return ClusterLost(
                "Le cluster ne reconnaît plus ce service (Unauthorized) : son ServiceAccount a été supprimé.",
                "Lancez un autre service VSCode, avec le rôle Kubernetes « admin ».",
            )
        if status == 401:
            return self._unauthorized()
        if status == 403 and 'User "system:anonymous"' in said:
            return ClusterLost(
                "Votre configuration ne donne aucune identité : le cluster vous traite en inconnu (system:anonymous).",
                RENEW,
            )
        if status == 400 and "HTTP request to an HTTPS server" in said:
            return ClusterLost(
                f"L’adresse {self.credentials.server} de votre configuration doit commencer par https://.", RENEW
            )
        if status == 403:
            return self._forbidden(said) or Refused(
                f"Le cluster vous refuse cette demande : {said}", "Pour voir vos droits : cahier diagnostiquer", 403
            )
        return Refused(f"Le cluster a répondu {status} : {said}", "", status)

    def _unauthorized(self) -> ClusterLost:
        """The error for credentials that the API server does not accept: it never says why."""
        credentials, now = self.credentials, datetime.now(UTC)
        what = "certificat" if credentials.kind == "certificate" else "jeton"
        end = f"{credentials.expires.astimezone():%d/%m/%Y à %H:%M}" if credentials.expires else ""
        if credentials.expires is None:
            reason = f"votre {what} a expiré ou a été révoqué"
        elif credentials.expires <= now:
            reason = f"votre {what} a expiré le {end}"
        else:
            reason = (
                f"votre {what} devrait valoir jusqu’au {end}, mais il est abîmé, révoqué, ou fait pour un autre "
                "cluster, ou l’heure de votre poste est fausse"
            )
        remedy = RENEW
        if credentials.renewal_command:
            remedy = f"Copiez de nouveau le script et exécutez-le : {credentials.renewal_command}"
        return ClusterLost(f"Le cluster ne reconnaît plus votre identité (Unauthorized) : {reason}.", remedy)

    def _forbidden(self, said: str) -> Forbidden | None:
        refusal = refusals.read(said)
        return Forbidden(refusal, self._kubeconfig_path) if refusal else None

    def everywhere(self, kind: str) -> Iterator[dict[str, Any]]:
        """Objects of `kind` of all namespaces, page by page (Secret, Namespace: metadata only). Raises as `request`."""
        path = "/api/v1/namespaces" if kind == "Namespace" else _PATHS[kind].replace("/namespaces/{}", "")
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
            said = _reason(trouble)
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
            said = _reason(trouble)
            raise self._forbidden(said) or ForwardRefused(said) from None
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
                raise self._refusal(response.status, response.read())
            for line in response:
                if line.strip():
                    yield json.loads(line)
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            raise self.silent(error) from error

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
    settings.proxy_headers = dict(proxies.credentials(settings.proxy)) or settings.proxy_headers


class LiveCluster(Served):
    """`facts.Cluster` served by a real API server. Each kind is listed once until `refresh`."""

    def __init__(
        self,
        machine: Machine,
        *,
        kubeconfig_path: str | None = None,
        namespace: str | None = None,
        colleague: str | None = None,
        colleague_user: str | None = None,
        port: int | None = None,
        api: Api | None = None,
    ) -> None:
        for option, given in (("--namespace", namespace), ("--collegue", colleague)):
            if given and not _NAMESPACE.fullmatch(given):
                raise UsageError(
                    f"« {given} » ne peut pas être le nom d’un namespace ({option}).",
                    "Un tel nom n’a que des minuscules sans accent, des chiffres et des tirets, par exemple user-alice",
                )
        self.api = api or Api(kubeconfig_path)  # one that is given is shared: its connections serve a whole class
        self.namespace = namespace or self.api.credentials.namespace
        self.machine = machine
        self._colleague = colleague
        self._colleague_user = colleague_user
        self._port = port
        super().__init__()
        self._lists: dict[str, list[dict[str, Any]]] = {}
        self._receipts: Mapping[str, Any] | None = None
        self._answers: dict[tuple[object, ...], Access] = {}

    def refresh(self) -> None:
        """Forget what was listed and kept: the next question asks the API server again."""
        self._lists.clear()
        self._answers.clear()
        self.ask_anew()

    @property
    def credentials(self) -> Credentials:
        """How we got in."""
        return self.api.credentials

    @property
    def user(self) -> str:
        """Who the API server says we are."""
        return self._identity

    @cached_property
    def _identity(self) -> str:
        return self.api.who_am_i()

    @cached_property
    def server_version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""
        return self.api.version()

    @property
    def has_colleague(self) -> bool:
        """Whether --collegue was given."""
        return bool(self._colleague)

    @cached_property
    def colleague(self) -> Colleague:
        """The colleague; the RBAC user is inferred from our own pair when it was not given, "" where our rights do not
        let us read that pair."""
        if not self._colleague:
            raise UsageError(
                "Ce TP se fait à deux : il manque le namespace de votre collègue.",
                "Ajoutez par exemple --collegue user-bob",
            )
        if self._colleague == self.namespace:
            raise UsageError(
                f"--collegue {self._colleague} désigne votre propre namespace.",
                "Donnez celui d’une autre personne, par exemple --collegue user-bob",
            )
        user = self._colleague_user or ""
        if not user:
            with contextlib.suppress(Forbidden):
                user = self.user_of(self._colleague)
        return Colleague(self._colleague, user)

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
        for binding in self.objects("RoleBinding"):
            if binding["metadata"]["name"] == OWNER_BINDING:
                for subject in binding.get("subjects") or []:
                    if subject.get("kind") == "User":
                        return str(subject["name"])
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
        accept = METADATA_ONLY if kind == "Secret" else "application/json"
        try:
            answer = self.api.request("GET", collection(kind, self.namespace), accept=accept)
        except Refused as refusal:
            raise self._namespace_problem(refusal) from refusal
        return answer.get("items") or []

    def receipts(self) -> Mapping[str, Any] | None:
        """The ConfigMap of the receipts, which `objects` leaves out: it is no part of the learner's work."""
        self.objects("ConfigMap")
        return self._receipts

    @property
    def namespace_uid(self) -> str:
        """UID of the learner's namespace."""
        return self.api.namespace_uid(self.namespace)

    def secret_values(self, name: str) -> Mapping[str, str] | None:
        """Decoded values of a Secret, None when there is no such Secret; fetched each time, never kept."""
        answer = self.api.find(f"{collection('Secret', self.namespace)}/{name}")
        if answer is None:
            return None
        values = (answer.get("data") or {}).items()
        return {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in values}

    def watch(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """Changes of the objects of `kind` in the learner's namespace, until the connection ends."""
        yield from self.api.watch(collection(kind, self.namespace))

    def _namespace_problem(self, refusal: Refused) -> CahierError:
        if refusal.status == 403 and not self.in_own_service and self.may("list", "pods").allowed is False:
            return UsageError(
                f"Vous n’avez pas accès au namespace « {self.namespace} », ou il n’existe pas (vous êtes {self.user}).",
                "Vérifiez son nom : kubectl config view --minify. Pour en changer : --namespace NOM",
            )
        return refusal

    def logs(self, pod: str, lines: int = 20) -> str:
        """Last lines of a pod's log; "" when there is none."""
        return self._log(pod, tailLines=str(lines))

    def heard(self, pod: Pod, word: str, since: datetime) -> bool:
        """Whether the log of a pod has kept `word` since then."""
        return word in self._log(pod.name, sinceTime=since.isoformat(), limitBytes=_LOG_BYTES)

    def _log(self, pod: str, **query: str) -> str:
        container = self._main_container(pod)
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        try:
            return self.api.text(path, {**query, "container": container} if container else query)
        except Refused:
            return ""

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

    def _review(self, kind: str, path: str, spec: Mapping[str, Any]) -> Access:
        key = (kind, json.dumps(spec, sort_keys=True))
        if key not in self._answers:
            body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
            if kind.startswith("Local"):
                body["metadata"] = {"namespace": self.namespace}
            status = self.api.request("POST", f"/apis/authorization.k8s.io/v1{path}", body)["status"]
            self._answers[key] = Access(bool(status.get("allowed")), status.get("reason") or "")
        return self._answers[key]

    def execute(self, pod: str, command: Sequence[str]) -> str:
        """Standard output of a command run in the pod."""
        return self.api.execute(self.namespace, pod, command, container=self._main_container(pod))

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

    def as_owner(self, owner: str, at: str = "") -> LiveCluster | None:
        """The cluster as the owner of a namespace sees it: with the access that the local cluster keeps for them."""
        path = people_folder() / f"{owner.removeprefix('user-')}.kubeconfig"
        if not path.is_file() or kubeconfig.read(str(path)).server != self.credentials.server:
            return None
        return LiveCluster(self.machine, kubeconfig_path=str(path), namespace=at or owner)

    def outsiders(self) -> Sequence[str]:
        """Namespaces of the local cluster's other people."""
        pair = {self.namespace, self._colleague}
        found = {path.stem for path in people_folder().glob("*.kubeconfig")}
        first = [name for name in LEARNERS if name in found]  # the others may be of a class, or of a test
        names = [f"user-{name}" for name in (*first, *sorted(found - {*LEARNERS, "prof"}))]
        return [name for name in names if name not in pair and self.as_owner(name) is not None]

    def delete_pod(self, name: str) -> None:
        """Delete a pod at once; one that is gone already is what was wanted."""
        with contextlib.suppress(Refused):
            path = f"{collection('Pod', self.namespace)}/{name}"
            self.api.request("DELETE", path, {"gracePeriodSeconds": 0})
        self.refresh()


def _ended(tunnel: Any) -> bool:
    """Wait for the thread of this tunnel, and of no other. Its socket must not be closed under it: the thread would
    read from the next connection that gets the same descriptor."""
    for thread in threading.enumerate():
        if getattr(getattr(thread, "_target", None), "__self__", None) is tunnel:
            thread.join(_GOODBYE)
            return not thread.is_alive()
    return True


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


def _reason(error: BaseException) -> str:
    """The telling part of an error of the libraries below us."""
    if isinstance(error, ApiException):
        text = str(error.reason or error.status)
        found = re.search(r'"message":"((?:[^"\\]|\\.)*)"', text)
        return re.sub(r"\\+", "", found[1]) if found else text
    cause = getattr(error, "reason", None)
    return str(cause or error).split(": ", 1)[-1][:200]
