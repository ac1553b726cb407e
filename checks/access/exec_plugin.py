"""Credentials from a program (`exec`), in the protocol of client-go: client.authentication.k8s.io
v1 and v1beta1."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from shutil import which
from typing import Any

import msgspec
import yaml

from checks.access import bounded
from checks.access.kubeconfig import Choice, content, secrets
from checks.access.kubeconfig_file import RENEW, Plugin
from checks.access.user_rules import breaks_header, of_user
from checks.access.words import cleaned
from checks.decoding import prepared
from checks.errors import ClusterLost
from checks.redaction import remember

PATIENCE = 20.0
"""Seconds that a program is given: one that wants an answer is better run by kubectl first."""
_EXTENSION = "client.authentication.k8s.io/exec"


@dataclass(frozen=True)
class Given:
    """What the program gave: a token, a certificate with its key (PEM), or both."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is time to ask the program again."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


def ask(choice: Choice, plugin: Plugin, seconds: float = PATIENCE) -> Given:
    """Run the program. Raises ClusterLost, with what the program itself said."""
    whose = (
        f"Le programme « {plugin.command} », qui donne les identifiants de {of_user(choice)} "
        "(exec),"
    )
    interactive = (
        plugin.interactive_mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
    )
    if plugin.interactive_mode == "Always" and not interactive:
        raise ClusterLost(
            f"{whose} demande toujours un terminal (interactiveMode: Always), et il n’y en a pas "
            "ici.",
            "Lancez cette commande dans un terminal, sans redirection.",
        )
    program = which(plugin.command)
    if program is None:
        hint = cleaned(plugin.install_hint)
        raise ClusterLost(
            f"{whose} n’est pas installé sur ce poste, ou n’y est pas exécutable : sans lui, "
            "kubectl n’entre pas non plus.",
            f"{hint or 'Installez-le'}, ou reprenez le script de connexion. {RENEW}",
        )
    words = [program, *(word or "" for word in plugin.args)]
    environment = {**os.environ, **{one.name: one.value for one in plugin.env if one}}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(_asked(choice, plugin, interactive))
    done = _run(whose, words, environment, interactive, seconds)
    told = cleaned(done.stderr, secrets(choice))
    quoted = f" Il a dit : « {told} »." if told else ""
    if done.returncode:
        raise ClusterLost(
            f"{whose} a échoué (code {done.returncode}).{quoted}",
            "Lancez « kubectl auth whoami » pour le voir échouer, ou reprenez le script de "
            f"connexion. {RENEW}",
        )
    return _read(f"{whose} a répondu, mais", done.stdout, plugin, quoted)


def _asked(choice: Choice, plugin: Plugin, interactive: bool) -> Mapping[str, Any]:
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.provide_cluster_info:
        cluster = choice.cluster
        authority = content(cluster.certificate_authority_data, cluster.certificate_authority)
        told = {
            "server": cluster.server,
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
            "certificate-authority-data": base64.b64encode(authority).decode(),
            "proxy-url": cluster.proxy_url,
            "disable-compression": cluster.disable_compression,
            "config": next(
                (one.extension for one in cluster.extensions if one and one.name == _EXTENSION),
                None,
            ),
        }
        spec["cluster"] = {key: value for key, value in told.items() if value}
    return {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}


def _run(
    whose: str, words: list[str], environment: Mapping[str, str], interactive: bool, seconds: float
) -> subprocess.CompletedProcess[str]:
    try:
        return bounded.run(words, environment, seconds, interactive=interactive)
    except (OSError, ValueError) as error:
        why = (
            getattr(error, "strerror", None)
            or "son nom, un argument ou une variable contient un caractère interdit"
        )
        raise ClusterLost(
            f"{whose} ne peut pas être lancé ({why}).", f"Réinstallez-le. {RENEW}"
        ) from None
    except subprocess.TimeoutExpired:
        raise ClusterLost(
            f"{whose} n’a pas répondu en {seconds:.0f} secondes.",
            "Lancez « kubectl auth whoami » dans un terminal : il attend peut-être une réponse de "
            "vous. Puis recommencez.",
        ) from None


class _Status(msgspec.Struct):
    token: str = ""
    clientCertificateData: str = ""  # noqa: N815
    clientKeyData: str = ""  # noqa: N815
    expirationTimestamp: datetime | None = None  # noqa: N815


class _Answer(msgspec.Struct):
    apiVersion: str = ""  # noqa: N815
    kind: str = ""
    status: _Status | None = None


prepared(_Answer)


def _read(begun: str, said: str, plugin: Plugin, quoted: str) -> Given:
    """What the program answered. `begun`: a sentence to be ended when it cannot be used."""
    try:
        answer = msgspec.convert(yaml.safe_load(said), _Answer)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError):
        raise ClusterLost(f"{begun} ce n’est pas un ExecCredential.{quoted}", RENEW) from None
    if (answer.kind, answer.apiVersion) != ("ExecCredential", plugin.api_version):
        raise ClusterLost(
            f"{begun} pas dans la version attendue : {plugin.api_version} est demandé, et il a "
            f"répondu en « {cleaned(answer.apiVersion)} ».{quoted}",
            f"Accordez l’apiVersion de votre configuration à celle de ce programme. {RENEW}",
        )
    status = answer.status
    if status is None or not (status.token or status.clientCertificateData or status.clientKeyData):
        raise ClusterLost(f"{begun} sans jeton ni certificat.{quoted}", RENEW)
    if bool(status.clientCertificateData) != bool(status.clientKeyData):
        raise ClusterLost(f"{begun} avec un certificat sans sa clé, ou l’inverse.{quoted}", RENEW)
    remember(status.token)
    remember(status.clientKeyData)
    if breaks_header(status.token):
        raise ClusterLost(f"{begun} son jeton contient un retour à la ligne.{quoted}", RENEW)
    return Given(
        status.token, status.clientCertificateData, status.clientKeyData, status.expirationTimestamp
    )
