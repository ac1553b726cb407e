"""What the silence or the refusal of an API server means, in French with its remedy."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime

import urllib3

from checks import refusals
from checks.access.kubeconfig_file import RENEW
from checks.errors import AccessError, ClusterLost, Forbidden, Refused
from checks.facts import Credentials
from checks.french import SCRIPT_PAGE
from checks.redaction import redact
from checks.refusals import Refusal

_NO_CREATE = " is forbidden: "
"""How Kubernetes ends its refusal, from 1.35 on, where `get` is given but not `create`, which a
stream needs too."""


def silent(server: str, error: Exception) -> ClusterLost:
    """The error for an API server that does not answer, or not as one: each cause has its own
    words."""
    said = str(error)
    network = (
        "Vérifiez votre connexion (réseau, proxy, VPN) ; si le cluster est local : cahier cluster "
        "creer"
    )
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return ClusterLost(
            f"Le certificat du serveur {server} n’est pas signé par l’autorité que votre "
            "configuration attend.",
            RENEW,
        )
    if "UNEXPECTED_EOF" in said or isinstance(error, urllib3.exceptions.ProtocolError):
        return ClusterLost(f"Le serveur {server} a coupé la connexion avant de répondre.", network)
    if isinstance(error, urllib3.exceptions.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return ClusterLost(
            f"La connexion chiffrée avec {server} ne s’établit pas : un certificat ou une clé de "
            f"votre configuration est illisible ({reason(error)}).",
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
            "Le cluster est arrêté, ou votre configuration vise une ancienne adresse. S’il est "
            "local : cahier cluster creer. Sur le SSPCloud : copiez de nouveau le script de "
            f"{SCRIPT_PAGE}.",
        )
    return ClusterLost(f"Le cluster {server} ne répond pas ({reason(error)}).", network)


def refused(
    credentials: Credentials, kubeconfig: str | None, status: int, data: bytes
) -> AccessError:
    """The error for an answer that is none: `data` of HTTP `status`. `kubeconfig`: what
    --kubeconfig gave."""
    said = _said(data)
    if status == 401 and credentials.kind == "serviceaccount":
        return ClusterLost(
            "Le cluster ne reconnaît plus ce service (Unauthorized) : son ServiceAccount a été "
            "supprimé.",
            "Lancez un autre service VSCode, avec le rôle Kubernetes « admin ».",
        )
    if status == 401:
        return _unauthorized(credentials)
    if status == 403 and 'User "system:anonymous"' in said:
        return ClusterLost(
            "Votre configuration ne donne aucune identité : le cluster vous traite en inconnu "
            "(system:anonymous).",
            RENEW,
        )
    if status == 400 and "HTTP request to an HTTPS server" in said:
        return ClusterLost(
            f"L’adresse {credentials.server} de votre configuration doit commencer par https://.",
            RENEW,
        )
    if status == 403:
        return forbidden(said, kubeconfig) or Refused(
            f"Le cluster vous refuse cette demande : {said}",
            "Pour voir vos droits : cahier diagnostiquer",
            403,
        )
    return Refused(f"Le cluster a répondu {status} : {said}", "", status)


def _unauthorized(credentials: Credentials) -> ClusterLost:
    """The error for credentials that the API server does not accept: it never says why."""
    now = datetime.now(UTC)
    end = f"{credentials.expires.astimezone():%d/%m/%Y à %H:%M}" if credentials.expires else ""
    if credentials.expires is None:
        why = f"votre {credentials.named} a expiré ou a été révoqué"
    elif credentials.expires <= now:
        why = f"votre {credentials.named} a expiré le {end}"
    else:
        why = (
            f"votre {credentials.named} devrait valoir jusqu’au {end}, mais il est abîmé, révoqué, "
            "ou fait pour un autre cluster, ou l’heure de votre poste est fausse"
        )
    remedy = RENEW
    if credentials.renewal_command:
        remedy = f"Copiez de nouveau le script et exécutez-le : {credentials.renewal_command}"
    return ClusterLost(
        f"Le cluster ne reconnaît plus votre identité (Unauthorized) : {why}.", remedy
    )


def forbidden(said: str, kubeconfig: str | None) -> Forbidden | None:
    """The error for a right that is lacking, None where `said` is something else."""
    refusal = refusals.read(said)
    return Forbidden(refusal, kubeconfig) if refusal else None


def read_refusal(
    status: int, data: bytes, namespace: str, resource: str
) -> tuple[str, Refusal | None]:
    """What an answer in the place of a stream said, and the right on `resource` that is lacking
    where that is why."""
    said = _said(data)
    if status == 403 and said.endswith(_NO_CREATE):
        return said, Refusal("", "create", resource, namespace)
    return said, refusals.read(said)


def _said(data: bytes) -> str:
    """The message of a Status; the beginning of anything else."""
    try:
        return str(json.loads(data).get("message", ""))
    except (ValueError, AttributeError):
        return redact(data.decode("utf-8", "replace"))[:200]


def reason(error: BaseException) -> str:
    """The telling part of an error of the libraries below us."""
    if isinstance(error, urllib3.exceptions.SSLError):
        return redact(str(error))[:200]
    cause = getattr(error, "reason", None)
    return redact(str(cause or error)).split(": ", 1)[-1][:200]
