"""A configuration as the Kubernetes client library takes it: address, encryption, proxy, credentials."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
import time
import weakref
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import getproxies

from kubernetes import client, config
from urllib3 import HTTPHeaderDict
from urllib3.util import make_headers

from checks.access import exec_plugin, proxies
from checks.access.kubeconfig import Choice, content, is_encrypted, server, token_of
from checks.access.kubeconfig_file import RENEW
from checks.access.kubectl_rules import must_be_accepted
from checks.access.user_rules import of_user
from checks.errors import AccessError, ClusterLost
from checks.files import scratch
from checks.redaction import remember

_REREAD = 60.0  # seconds: kubectl reads a token file again after as many


class _PrivateFiles:
    """Certificates and keys as files, which is all that the libraries below take.

    On Linux they are in memory only; elsewhere, in a folder closed to others, removed with its owner and at exit.
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
    """The library's own `configuration`, and what has to live as long."""

    def __init__(self, choice: Choice | None) -> None:
        """`choice` None: the pod's ServiceAccount. Raises AccessError."""
        self.choice = choice
        self.configuration: Any = client.Configuration()
        self.configuration.retries = False
        self._files = _PrivateFiles()
        self._given: exec_plugin.Given | None = None
        if choice is None:
            try:
                config.load_incluster_config(client_configuration=self.configuration)
            except (config.ConfigException, OSError, ValueError) as error:
                raise AccessError(f"L’identité de ce pod est inutilisable : {error}", RENEW) from error
            for token in self.configuration.api_key.values():
                remember(token)
        else:
            must_be_accepted(choice)
            self._reach(choice)
            if is_encrypted(choice):
                self._trust(choice)
        self._follow_proxy()

    @property
    def headers(self) -> HTTPHeaderDict:
        """What every request says besides: for whom it is made, where the configuration says « as »."""
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
                said.add(f"Impersonate-Extra-{quote(key, safe=_TOKEN_CHARACTERS)}", _in_header(value or ""))
        return said

    def _reach(self, choice: Choice) -> None:
        settings, cluster = self.configuration, choice.cluster
        settings.host = server(cluster)
        if cluster.proxy_url:
            settings.proxy, settings.no_proxy = cluster.proxy_url, None

    def _trust(self, choice: Choice) -> None:
        """How the server proves who it is, and our own certificate."""
        settings, cluster, user = self.configuration, choice.cluster, choice.user
        settings.verify_ssl = not cluster.insecure_skip_tls_verify
        settings.tls_server_name = cluster.tls_server_name or None
        authority = content(cluster.certificate_authority_data, cluster.certificate_authority)
        if authority:
            settings.ssl_ca_cert = self._files.add(authority)
            _must_load(f"L’autorité de certification du cluster « {choice.context.cluster} »", settings.ssl_ca_cert)
        certificate = content(user.client_certificate_data, user.client_certificate)
        if certificate:
            self._show(certificate, content(user.client_key_data, user.client_key), of_user(choice))

    def _show(self, certificate: bytes, key: bytes, whose: str) -> None:
        """Prove who we are with a certificate."""
        settings = self.configuration
        settings.cert_file, settings.key_file = self._files.add(certificate), self._files.add(key)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(settings.cert_file, settings.key_file, password="")
        except (OSError, ValueError) as error:
            raise _unreadable(f"Le certificat ou la clé de {whose}") from error

    def identify(self, seconds: float) -> None:
        """Say who we are, as kubectl does: token, then password, then certificate, then a program, which is run.

        Raises AccessError.
        """
        choice = self.choice
        if choice is None or not is_encrypted(choice):
            return
        user, settings = choice.user, self.configuration
        if user.token or user.token_file:
            self._bear(user.token, user.token_file)
        elif user.username:
            pair = _in_header(f"{user.username}:{user.password}")
            settings.api_key["BearerToken"] = make_headers(basic_auth=pair)["authorization"]
        elif user.auth_provider is not None:
            settings.api_key["BearerToken"] = _bearer(user.auth_provider.config.get("id-token", ""))
        elif user.exec is not None and not settings.cert_file:
            self._ask_plugin(choice, seconds)

    def _bear(self, token: str, file: str) -> None:
        """A token, or the file that holds it: it is read again from time to time."""
        settings = self.configuration
        settings.api_key["BearerToken"] = _bearer(token)
        if not file:
            return
        read_at = -_REREAD

        def read_again(_configuration: object) -> None:
            nonlocal read_at
            if time.monotonic() - read_at < _REREAD:
                return
            read_at = time.monotonic()
            with contextlib.suppress(OSError, ValueError):  # as kubectl does, the last one is kept
                settings.api_key["BearerToken"] = _bearer(token_of(file) or token)

        settings.refresh_api_key_hook = read_again
        read_again(settings)

    def _ask_plugin(self, choice: Choice, seconds: float) -> None:
        """Ask the program once, and again when what it gave has ended."""
        plugin, settings = choice.user.exec, self.configuration
        assert plugin is not None

        def ask_again(_configuration: object) -> None:
            if self._given is None or self._given.has_ended:
                self._given = exec_plugin.ask(choice, plugin, seconds)
                if self._given.token:
                    settings.api_key["BearerToken"] = _bearer(self._given.token)

        settings.refresh_api_key_hook = ask_again
        ask_again(settings)
        if self._given is not None and self._given.certificate:
            self._show(self._given.certificate.encode(), self._given.key.encode(), of_user(choice))

    def _follow_proxy(self) -> None:
        """Choose and use a proxy as kubectl does: the environment's never for this machine."""
        settings = self.configuration
        if not settings.proxy:
            return
        named = self.choice is not None and self.choice.cluster.proxy_url
        if not named and settings.proxy in getproxies().values() and proxies.is_loopback(settings.host):
            settings.proxy = None
            return
        settings.proxy = proxies.complete(settings.proxy)
        settings.proxy_headers = dict(proxies.credentials(settings.proxy)) or settings.proxy_headers


_TOKEN_CHARACTERS = "!#$&'*+^`|"  # besides letters, digits and « -._~ »: what HTTP lets a header's name hold


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
        f"{what} ne peut pas être employé : un certificat ou une clé de votre configuration est illisible (abîmé, "
        "tronqué, ou d’une autre paire).",
        RENEW,
    )
