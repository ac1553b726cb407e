"""What kubectl's configuration says, read as kubectl reads it, without any request."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from checks.access.json_web_token import Claims, claims
from checks.access.kubeconfig_file import (
    COPY_SCRIPT,
    RENEW,
    Cluster,
    Context,
    Data,
    File,
    User,
    load,
)
from checks.errors import AccessError
from checks.facts import Credentials
from checks.places import ISSUER
from checks.redaction import remember

_PRIVATE = re.compile(r"(?i)secret|token|passw")
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Choice:
    """What the current context designates, by the names that the files give it."""

    files: tuple[Path, ...]
    context_name: str
    context: Context
    cluster: Cluster
    user: User


def paths(
    explicit: str | None = None, environment: Mapping[str, str] = os.environ
) -> Sequence[Path]:
    """Configuration files in kubectl's order: --kubeconfig, KUBECONFIG, ~/.kube/config."""
    if explicit:
        return [Path(explicit).expanduser()]
    listed = environment.get("KUBECONFIG", "")
    if listed:
        return [Path(part) for part in dict.fromkeys(listed.split(os.pathsep)) if part]
    home = environment.get("HOME") or environment.get("USERPROFILE")
    return [(Path(home) if home else Path.home()) / ".kube" / "config"]


def in_pod() -> bool:
    """Whether we run in a pod with a ServiceAccount."""
    return (SERVICE_ACCOUNT / "token").is_file() and "KUBERNETES_SERVICE_HOST" in os.environ


def merged(files: Sequence[Path]) -> File:
    """The files merged as kubectl does: the first that names something wins. Raises AccessError."""
    result = File({}, {}, {}, "")
    for path in files:
        try:
            file = load(path)
        except FileNotFoundError:
            continue
        result = File(
            {**file.clusters, **result.clusters},
            {**file.users, **result.users},
            {**file.contexts, **result.contexts},
            result.current_context or file.current_context,
        )
    return result


def choose(explicit: str | None = None) -> Choice | None:
    """What the current context designates; None: the pod's ServiceAccount is used. Raises
    AccessError."""
    files = paths(explicit)
    present = tuple(path for path in files if path.exists())
    if not present:
        if not explicit and in_pod():
            return None
        where = ", ".join(str(path) for path in files)
        why = f"{where} n’existe pas" if where else "la variable KUBECONFIG ne nomme aucun fichier"
        raise AccessError(f"Aucune configuration Kubernetes : {why}.", COPY_SCRIPT)
    config = merged(files)
    name = config.current_context
    if not name and in_pod():  # as kubectl does where nothing is chosen
        return None
    if not name:
        others = ", ".join(config.contexts)
        raise AccessError(
            "La configuration Kubernetes ne désigne aucun contexte courant.",
            f"Choisissez-en un avec « kubectl config use-context NOM » parmi : {others}"
            if others
            else COPY_SCRIPT,
        )
    context = config.contexts.get(name)
    if context is None:
        raise AccessError(
            f"Le contexte courant « {name} » n’est pas décrit dans la configuration.", COPY_SCRIPT
        )
    cluster = config.clusters.get(context.cluster, Cluster())
    if not cluster.server:
        raise AccessError(
            f"Le contexte « {name} » ne désigne aucun cluster : il n’a pas d’adresse.", RENEW
        )
    return Choice(present, name, context, cluster, config.users.get(context.user, User()))


def read(explicit: str | None = None) -> Credentials:
    """The current context of the configuration, or the pod's ServiceAccount. Raises AccessError."""
    return credentials(choose(explicit))


def credentials(choice: Choice | None) -> Credentials:
    """What this choice, or the pod's ServiceAccount, says before any request is made."""
    if choice is None:
        return _service_account()
    kind, token = _kind(choice.user)
    told = claims(token)
    validity = _validity(told) if token else _certificate_validity(choice.user)
    return Credentials(
        source=os.pathsep.join(str(path) for path in choice.files),
        context=choice.context_name,
        server=server(choice.cluster),
        namespace=choice.context.namespace or "default",
        kind=kind,
        expires=validity.ends,
        issued=validity.issued,
        local_person=_local_person(told),
    )


def server(cluster: Cluster) -> str:
    """The address as kubectl takes it: without scheme, it is not encrypted."""
    address = cluster.server.rstrip("/")
    return f"http://{address}" if address and "://" not in address else address


def is_encrypted(choice: Choice) -> bool:
    """Whether requests are encrypted; if not, kubectl sends no credentials."""
    return server(choice.cluster).lower().startswith("https://")


def secrets(choice: Choice) -> Iterator[str]:
    """What must not be shown of this choice."""
    user = choice.user
    yield from (user.token, user.password)
    if user.token_file:
        with contextlib.suppress(OSError, ValueError):
            yield token_of(user.token_file)
    if user.auth_provider is not None:
        yield from user.auth_provider.config.values()
    if user.exec is not None:
        yield from (variable.value for variable in user.exec.env if variable)
        yield from (
            word.partition("=")[2] for word in user.exec.args if word and _PRIVATE.search(word)
        )


def context_namespace(
    environment: Mapping[str, str], explicit: str | None, context: str | None
) -> str:
    """Namespace that a kubectl with this environment and these options works in; "" if unknown."""
    files = paths(explicit, environment)
    if not any(path.exists() for path in files) and "KUBERNETES_SERVICE_HOST" in environment:
        # in a pod without configuration kubectl is its ServiceAccount
        own = SERVICE_ACCOUNT / "namespace"
        return own.read_text(encoding="utf-8").strip() if own.is_file() else ""
    try:
        config = merged(files)
    except AccessError:
        return ""
    found = config.contexts.get(context or config.current_context)
    return "" if found is None else found.namespace or "default"


def token_of(file: str) -> str:
    """The token that a file holds: whoever wrote it ended the line. Raises OSError and
    UnicodeError."""
    token = Path(file).read_text(encoding="utf-8").strip()
    remember(token)
    return token


def _service_account() -> Credentials:
    validity = _validity(claims((SERVICE_ACCOUNT / "token").read_text()))
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return Credentials(
        source=str(SERVICE_ACCOUNT),
        context="",
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
        kind="serviceaccount",
        expires=validity.ends,
        issued=validity.issued,
    )


def _kind(user: User) -> tuple[str, str]:
    """Kind of the credentials, and their token, "" without."""
    if user.token_file:
        try:
            return "token", token_of(user.token_file)
        except (OSError, ValueError):  # told where the file is needed
            return "token", user.token
    if user.token:
        return "token", user.token
    if user.auth_provider is not None and user.auth_provider.name == "oidc":
        config = user.auth_provider.config
        return ("oidc" if config.get("refresh-token") else "token"), config.get("id-token", "")
    if user.client_certificate or user.client_certificate_data:
        return "certificate", ""
    if user.username:
        return "password", ""
    return ("exec" if user.exec else "none"), ""


class _Validity(NamedTuple):
    """When credentials were issued, and when they end; None where they do not say."""

    issued: datetime | None = None
    ends: datetime | None = None


def _validity(told: Claims) -> _Validity:
    return _Validity(told.issued, told.ends)


def _local_person(told: Claims) -> str:
    """Whom the local cluster's issuer made a token for: a name that a command may be given."""
    name = str(told.preferred_username or "")
    return name if told.iss == ISSUER and re.fullmatch(r"[a-z0-9-]+", name) else ""


def _certificate_validity(user: User) -> _Validity:
    """When the client certificate was issued, and when it ends."""
    if not user.client_certificate and not user.client_certificate_data:
        return _Validity()
    from checks.access import certificates  # late: most configurations hold a token

    try:
        written = content(user.client_certificate_data, user.client_certificate)
        return _Validity(*certificates.validity(written))
    except (ValueError, OSError):  # told where the certificate is used
        return _Validity()


def content(data: Data | None, file: str) -> bytes:
    """What is written in the configuration, or else in a file that it names; nothing without.
    Raises OSError."""
    if data:
        return data.content
    return Path(file).read_bytes() if file else b""
