"""What kubectl's configuration says, read as kubectl reads it, without any request."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from checks.errors import AccessError
from checks.facts import Credentials

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
    kind, issued, expires = _lifetime(user)
    return Credentials(
        source=os.pathsep.join(str(path) for path in files if path.is_file()),
        context=name,
        server=cluster.get("server", ""),
        namespace=context.get("namespace") or "default",
        kind=kind,
        expires=expires,
        issued=issued,
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
    issued, expires = _token_validity((SERVICE_ACCOUNT / "token").read_text())
    return Credentials(
        source=str(SERVICE_ACCOUNT),
        context="",
        server="https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}".format(**os.environ),
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


_Validity = tuple[datetime | None, datetime | None]


def _lifetime(user: Mapping[str, Any]) -> tuple[str, datetime | None, datetime | None]:
    """Kind of the credentials, when they were issued and when they end."""
    provider = (user.get("auth-provider") or {}).get("config") or {}
    token = user.get("token") or provider.get("id-token")
    if not token and user.get("tokenFile"):
        path = Path(user["tokenFile"])
        token = path.read_text() if path.is_file() else None
    if token:
        kind = "oidc" if provider.get("refresh-token") and not user.get("token") else "token"
        return kind, *_token_validity(str(token))
    data = user.get("client-certificate-data")
    if data or user.get("client-certificate"):
        try:
            pem = base64.b64decode(data) if data else Path(user["client-certificate"]).read_bytes()
        except (binascii.Error, OSError):
            pem = b""  # the client library tells what is wrong with it
        return "certificate", *_certificate_validity(pem)
    return ("exec" if user.get("exec") else "none"), None, None


def _token_validity(token: str) -> _Validity:
    """`iat` and `exp` of a JSON Web Token (RFC 7519), None for an opaque one."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return None, None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None, None
    return _moment(claims, "iat"), _moment(claims, "exp")


def _moment(claims: object, name: str) -> datetime | None:
    seconds = claims.get(name) if isinstance(claims, dict) else None
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None


def _certificate_validity(pem: bytes) -> _Validity:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None, None
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc
