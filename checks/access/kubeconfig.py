"""What kubectl's configuration says, read as kubectl reads it, without any request."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from checks.errors import AccessError
from checks.facts import Credentials
from checks.local_cluster.tokens import ISSUER
from checks.redaction import remember_tree

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_COPY_SCRIPT = (
    "Sur le SSPCloud : « Mon compte », volet « Connexion à Kubernetes », copiez le script et exécutez-le. "
    "Sur le petit SSPCloud local : export KUBECONFIG=$(cahier cluster kubeconfig alice)"
)


def paths(explicit: str | None = None, environment: Mapping[str, str] = os.environ) -> Sequence[Path]:
    """Configuration files in kubectl's order: --kubeconfig, KUBECONFIG, ~/.kube/config."""
    if explicit:
        return [Path(explicit).expanduser()]
    listed = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return listed
    home = environment.get("HOME") or environment.get("USERPROFILE")
    return [(Path(home) if home else Path.home()) / ".kube" / "config"]


def in_pod() -> bool:
    """Whether we run in a pod with a ServiceAccount."""
    return (SERVICE_ACCOUNT / "token").is_file() and "KUBERNETES_SERVICE_HOST" in os.environ


def merged(files: Sequence[Path]) -> dict[str, Any]:
    """The files merged as kubectl does: the first that names something wins. Raises AccessError."""
    result: dict[str, Any] = {"clusters": [], "contexts": [], "users": [], "current-context": ""}
    for path in files:
        if not path.is_file():
            continue
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except yaml.MarkedYAMLError as error:  # its own text quotes the file, which may hold a token
            line = f", ligne {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise AccessError(f"La configuration {path} n’est pas du YAML{line}.", _COPY_SCRIPT) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise AccessError(f"La configuration {path} n’est pas un fichier texte YAML.", _COPY_SCRIPT) from error
        except OSError as error:
            raise AccessError(f"La configuration {path} est illisible : {error.strerror}", _COPY_SCRIPT) from error
        remember_tree(content)
        if not isinstance(content, dict):
            raise AccessError(f"La configuration {path} n’est pas un kubeconfig.", _COPY_SCRIPT)
        result["current-context"] = result["current-context"] or content.get("current-context") or ""
        for part in ("clusters", "contexts", "users"):
            known = {entry["name"] for entry in result[part]}
            entries = content.get(part) or []
            if not isinstance(entries, list) or not all(_is_entry(entry, part.removesuffix("s")) for entry in entries):
                raise AccessError(f"La configuration {path} n’est pas un kubeconfig ({part}).", _COPY_SCRIPT)
            result[part] += [entry for entry in entries if "name" in entry and entry["name"] not in known]
    return result


def _is_entry(entry: object, part: str) -> bool:
    """Whether this is a name and what it names."""
    if not isinstance(entry, dict) or not isinstance(entry.get(part) or {}, dict):
        return False
    return isinstance(entry.get("name", ""), str | int | float)


def read(explicit: str | None = None) -> Credentials:
    """The current context of the configuration, or the pod's ServiceAccount. Raises AccessError."""
    files = paths(explicit)
    if not any(path.is_file() for path in files):
        if not explicit and in_pod():
            return _service_account()
        where = ", ".join(str(path) for path in files)
        raise AccessError(f"Aucune configuration Kubernetes : {where} n’existe pas.", _COPY_SCRIPT)
    config = merged(files)
    name = config["current-context"]
    if not name:
        others = ", ".join(str(entry["name"]) for entry in config["contexts"])
        raise AccessError(
            "La configuration Kubernetes ne désigne aucun contexte courant.",
            f"Choisissez-en un avec « kubectl config use-context NOM » parmi : {others}" if others else _COPY_SCRIPT,
        )
    context = _named(config["contexts"], name, "context")
    if context is None:
        raise AccessError(f"Le contexte courant « {name} » n’est pas décrit dans la configuration.", _COPY_SCRIPT)
    cluster = _named(config["clusters"], context.get("cluster", ""), "cluster") or {}
    user = _named(config["users"], context.get("user", ""), "user") or {}
    kind, token = _kind(user)
    issued, expires = _validity(_claims(token)) if token else _certificate_validity(user)
    return Credentials(
        source=os.pathsep.join(str(path) for path in files if path.is_file()),
        context=name,
        server=cluster.get("server", ""),
        namespace=context.get("namespace") or "default",
        kind=kind,
        expires=expires,
        issued=issued,
        local_person=_local_person(_claims(token)),
    )


def context_namespace(environment: Mapping[str, str], explicit: str | None, context: str | None) -> str:
    """Namespace that a kubectl with this environment and these options works in; "" if unknown."""
    files = paths(explicit, environment)
    if not any(path.is_file() for path in files) and "KUBERNETES_SERVICE_HOST" in environment:
        own = SERVICE_ACCOUNT / "namespace"  # in a pod without configuration kubectl is its ServiceAccount
        return own.read_text(encoding="utf-8").strip() if own.is_file() else ""
    try:
        config = merged(files)
    except AccessError:
        return ""
    found = _named(config["contexts"], context or config["current-context"], "context")
    return "" if found is None else str(found.get("namespace") or "default")


def _service_account() -> Credentials:
    issued, expires = _validity(_claims((SERVICE_ACCOUNT / "token").read_text()))
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    return Credentials(
        source=str(SERVICE_ACCOUNT),
        context="",
        server=f"https://{f'[{host}]' if ':' in host else host}:{os.environ['KUBERNETES_SERVICE_PORT']}",
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
        kind="serviceaccount",
        expires=expires,
        issued=issued,
    )


def _named(entries: Sequence[Mapping[str, Any]], name: str, part: str) -> dict[str, Any] | None:
    for entry in entries:
        if entry.get("name") == name:
            return dict(entry.get(part) or {})
    return None


def _kind(user: Mapping[str, Any]) -> tuple[str, str]:
    """Kind of the credentials, and their token, "" without."""
    provider = (user.get("auth-provider") or {}).get("config") or {}
    token = user.get("token") or provider.get("id-token")
    if not token and user.get("tokenFile"):
        path = Path(user["tokenFile"])
        token = path.read_text() if path.is_file() else None
    if token:
        return "oidc" if provider.get("refresh-token") and not user.get("token") else "token", str(token)
    if user.get("client-certificate-data") or user.get("client-certificate"):
        return "certificate", ""
    return ("exec" if user.get("exec") else "none"), ""


_Validity = tuple[datetime | None, datetime | None]


def _claims(token: str) -> Mapping[str, Any]:
    """What a JSON Web Token (RFC 7519) says; nothing for an opaque one."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _validity(claims: Mapping[str, Any]) -> _Validity:
    """When a token was issued, and when it ends."""
    return _moment(claims.get("iat")), _moment(claims.get("exp"))


def _moment(seconds: object) -> datetime | None:
    if not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _local_person(claims: Mapping[str, Any]) -> str:
    """Whom the local cluster's issuer made a token for: a name that a command may be given."""
    name = str(claims.get("preferred_username", ""))
    return name if claims.get("iss") == ISSUER and re.fullmatch(r"[a-z0-9-]+", name) else ""


def _certificate_validity(user: Mapping[str, Any]) -> _Validity:
    """When the client certificate was issued, and when it ends."""
    data, file = user.get("client-certificate-data"), user.get("client-certificate")
    if not data and not file:
        return None, None
    from cryptography import x509

    try:
        pem = base64.b64decode(data) if data else Path(str(file)).read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
    except (ValueError, OSError):  # the client library tells what is wrong with it
        return None, None
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc
