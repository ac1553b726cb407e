"""How the API server is reached, as a configuration says: address, encryption, proxy,
credentials."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies

import urllib3
from urllib3 import HTTPHeaderDict
from urllib3.util import make_headers

from checks.access import exec_plugin, kubeconfig, proxies
from checks.access.kubeconfig import Choice, content, is_encrypted, server, token_of
from checks.access.kubeconfig_file import RENEW
from checks.access.kubectl_rules import must_be_accepted
from checks.access.user_rules import of_user
from checks.errors import AccessError, ClusterLost
from checks.files import scratch

_CONNECTIONS = 16  # kept open at once: more than any command asks at the same time
_REREAD = 60.0  # seconds: kubectl reads a token file again after as many


class _PrivateFiles:
    """Certificates and keys as files, which is all that the libraries below take.

    On Linux they are in memory only; elsewhere, in a folder closed to others, removed with its
    owner and at exit.
    """

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        weakref.finalize(self, self._open.close)

    def add(self, content: bytes) -> str:
        """The path of a file that holds this."""
        if sys.platform == "linux" and Path("/proc/self/fd").is_dir():
            descriptor = os.memfd_create("cahier", os.MFD_CLOEXEC)
            self._open.callback(os.close, descriptor)
            os.write(descriptor, content)
            return f"/proc/self/fd/{descriptor}"
        folder = self._open.enter_context(scratch())
        file = Path(folder) / "pem"
        file.write_bytes(content)
        return str(file)


class Settings:
    """Where and how requests are sent, and what has to live as long."""

    def __init__(self, choice: Choice | None) -> None:
        """`choice` None: the pod's ServiceAccount. Raises AccessError."""
        self.choice = choice
        self.host = ""
        """The address of the API server, without the last slash."""
        self.proxy = ""
        """The address of the proxy that requests go through, unless `no_proxy` says otherwise; ""
        for none."""
        self.no_proxy = ""
        self.proxy_headers: dict[str, str] = {}
        self.verify_ssl = True
        self.tls_server_name = ""
        """The name that the server's certificate bears, where it is not that of its address."""
        self.authority = ""
        """Path of the certificates that sign the server's; "" for those of this machine."""
        self.certificate = ""
        """Path of our own certificate; "" where we have none."""
        self.key = ""
        self._context: ssl.SSLContext | None = None
        self._authorization = ""
        self._renew: Callable[[], None] = lambda: None
        self._files = _PrivateFiles()
        self._given: exec_plugin.Given | None = None
        if choice is None:
            self._enter_from_pod()
        else:
            must_be_accepted(choice)
            self._reach(server(choice.cluster), choice.cluster.proxy_url)
            if is_encrypted(choice):
                self._trust(choice)

    @property
    def authorization(self) -> str:
        """What every request says of who makes it, renewed where it has ended; "" for nothing.
        Raises AccessError."""
        self._renew()
        return self._authorization

    @property
    def headers(self) -> HTTPHeaderDict:
        """What every request says besides: for whom it is made, where the configuration says « as
        »."""
        said = HTTPHeaderDict()
        if self.choice is None or not self.choice.user.impersonate:
            return said
        user = self.choice.user
        said.add("Impersonate-User", _in_header(user.impersonate))
        if user.impersonate_uid:
            said.add("Impersonate-Uid", _in_header(user.impersonate_uid))
        for group in user.impersonate_groups:
            said.add("Impersonate-Group", _in_header(group or ""))
        for key, values in user.impersonate_extra.items():
            for value in values:
                said.add(
                    f"Impersonate-Extra-{quote(key, safe=_TOKEN_CHARACTERS)}",
                    _in_header(value or ""),
                )
        return said

    @property
    def server_name(self) -> str:
        """The name that the server's certificate must bear."""
        return self.tls_server_name or urlsplit(self.host).hostname or ""

    def context(self) -> ssl.SSLContext:
        """How all connections are encrypted: to read this machine's authorities once more takes 20
        ms."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self.authority or None)
            if self.certificate:
                self._context.load_cert_chain(self.certificate, self.key)
            if not self.verify_ssl:
                self._context.check_hostname = False
                self._context.verify_mode = ssl.CERT_NONE
        return self._context

    def pool(self) -> urllib3.PoolManager:
        """The connections of requests. Raises ImportError, ValueError and urllib3's errors for an
        unusable proxy."""
        options: dict[str, Any] = {"maxsize": _CONNECTIONS, "retries": False}
        if self.host.lower().startswith("https:"):
            options["ssl_context"] = self.context()
        if self.tls_server_name:
            options["server_hostname"] = self.tls_server_name
        if not self.proxy or proxies.exclusion(self.host, self.no_proxy):
            return urllib3.PoolManager(**options)
        if urlsplit(self.proxy).scheme.lower().startswith("socks"):
            from urllib3.contrib.socks import SOCKSProxyManager

            return SOCKSProxyManager(self.proxy, headers=self.proxy_headers, **options)
        return urllib3.ProxyManager(
            self.proxy,
            proxy_headers=self.proxy_headers,
            # as kubectl: an encrypted proxy is held to the same
            proxy_ssl_context=options.get("ssl_context"),
            **options,
        )

    def _enter_from_pod(self) -> None:
        """As the ServiceAccount of this pod: its token is renewed on the disk."""
        account = kubeconfig.SERVICE_ACCOUNT
        try:
            token = token_of(str(account / "token"))
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(account / "ca.crt")
        except (OSError, ValueError) as error:
            raise _unusable_pod(str(error)) from error
        if not token:
            raise _unusable_pod("le jeton est vide")
        self._reach(kubeconfig.credentials(None).server, "")
        self.authority = str(account / "ca.crt")
        self._bear(token, str(account / "token"))

    def _reach(self, host: str, proxy: str) -> None:
        """Choose and use a proxy as kubectl does: the environment's never for this machine."""
        self.host = host
        if proxy:
            self.proxy = proxies.complete(proxy)
        else:
            known = getproxies()
            self.no_proxy = known.get("no", "")
            found = known.get(urlsplit(host).scheme) or known.get("all", "")
            if found and not proxies.is_loopback(host):
                self.proxy = proxies.complete(found)
        if self.proxy:
            self.proxy_headers = dict(proxies.credentials(self.proxy))

    def _trust(self, choice: Choice) -> None:
        """How the server proves who it is, and our own certificate."""
        cluster, user = choice.cluster, choice.user
        self.verify_ssl = not cluster.insecure_skip_tls_verify
        self.tls_server_name = cluster.tls_server_name
        authority = content(cluster.certificate_authority_data, cluster.certificate_authority)
        if authority:
            self.authority = self._files.add(authority)
            _must_load(
                f"L’autorité de certification du cluster « {choice.context.cluster} »",
                self.authority,
            )
        certificate = content(user.client_certificate_data, user.client_certificate)
        if certificate:
            self._show(certificate, content(user.client_key_data, user.client_key), of_user(choice))

    def _show(self, certificate: bytes, key: bytes, whose: str) -> None:
        """Prove who we are with a certificate."""
        self._context = None
        self.certificate, self.key = self._files.add(certificate), self._files.add(key)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                self.certificate, self.key, password=""
            )
        except (OSError, ValueError) as error:
            raise _unreadable(f"Le certificat ou la clé de {whose}") from error

    def identify(self, seconds: float) -> None:
        """Say who we are, as kubectl does: token, then password, then certificate, then a program,
        which is run.

        Raises AccessError.
        """
        choice = self.choice
        if choice is None or not is_encrypted(choice):
            return
        user = choice.user
        if user.token or user.token_file:
            self._bear(user.token, user.token_file)
        elif user.username:
            pair = _in_header(f"{user.username}:{user.password}")
            self._authorization = make_headers(basic_auth=pair)["authorization"]
        elif user.auth_provider is not None:
            self._authorization = _bearer(user.auth_provider.config.get("id-token", ""))
        elif user.exec is not None and not self.certificate:
            self._ask_plugin(choice, seconds)

    def _bear(self, token: str, file: str) -> None:
        """A token, or the file that holds it: it is read again from time to time."""
        self._authorization = _bearer(token)
        if not file:
            return
        read_at = -_REREAD

        def read_again() -> None:
            nonlocal read_at
            if time.monotonic() - read_at < _REREAD:
                return
            read_at = time.monotonic()
            with contextlib.suppress(OSError, ValueError):  # as kubectl does, the last one is kept
                self._authorization = _bearer(token_of(file) or token)

        self._renew = read_again
        read_again()

    def _ask_plugin(self, choice: Choice, seconds: float) -> None:
        """Ask the program once, and again when what it gave has ended."""
        plugin = choice.user.exec
        assert plugin is not None

        def ask_again() -> None:
            if self._given is None or self._given.has_ended:
                self._given = exec_plugin.ask(choice, plugin, seconds)
                if self._given.token:
                    self._authorization = _bearer(self._given.token)

        self._renew = ask_again
        ask_again()
        if self._given is not None and self._given.certificate:
            self._show(self._given.certificate.encode(), self._given.key.encode(), of_user(choice))


def _unusable_pod(why: str) -> AccessError:
    return AccessError(f"L’identité de ce pod est inutilisable : {why}", RENEW)


_TOKEN_CHARACTERS = (
    "!#$&'*+^`|"  # besides letters, digits and « -._~ »: what HTTP lets a header's name hold
)


def _in_header(value: str) -> str:
    """What the library writes as UTF-8, as kubectl does: it knows Latin-1 only."""
    return value.encode("utf-8", "replace").decode("latin-1")


def _bearer(token: str) -> str:
    return f"Bearer {_in_header(token)}"


def _must_load(what: str, file: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except (OSError, ValueError) as error:
        raise _unreadable(what) from error


def _unreadable(what: str) -> ClusterLost:
    return ClusterLost(
        f"{what} ne peut pas être employé : un certificat ou une clé de votre configuration est "
        "illisible (abîmé, tronqué, ou d’une autre paire).",
        RENEW,
    )
