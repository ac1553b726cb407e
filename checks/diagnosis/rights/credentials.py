"""Whether kubectl and the credentials are enough for the labs."""

from __future__ import annotations

from datetime import datetime, timedelta

from checks.diagnosis.rights.identity import COPY_SCRIPT
from checks.facts import Credentials, KubectlVersion
from checks.french import minutes
from checks.verdict import Diagnostic

OLDEST_KUBECTL = (1, 28)  # `kubectl auth whoami`, which the labs use, came with it
RENEWED = ("exec", "oidc", "serviceaccount")  # kinds of credentials that renew themselves
_SOON = timedelta(minutes=10)


def within_skew(kubectl: KubectlVersion, server: tuple[int, int]) -> bool:
    """Whether Kubernetes promises that this kubectl suits a `server` of that version: one minor
    version either way."""
    return kubectl.major == server[0] and abs(kubectl.minor - server[1]) <= 1


def unsuited_kubectl(kubectl: KubectlVersion, server: tuple[int, int]) -> Diagnostic | None:
    """What is wrong when this kubectl is too old for a `server` of that version; None when it
    suits.

    A kubectl out of the skew still speaks the stable APIs of the labs: only one that also lacks a
    command of theirs is refused.
    """
    version = (kubectl.major, kubectl.minor)
    if within_skew(kubectl, server) or version >= OLDEST_KUBECTL:
        return None
    return Diagnostic(
        finding=f"Votre kubectl est en version {version[0]}.{version[1]}, le cluster en "
        f"{server[0]}.{server[1]} : l’écart est de {abs(server[1] - version[1])} versions "
        "mineures.",
        cause="Kubernetes ne garantit qu’une version mineure d’écart, et des commandes des TP, "
        "comme « kubectl auth whoami », n’existent pas avant la version "
        f"{OLDEST_KUBECTL[0]}.{OLDEST_KUBECTL[1]}.",
        fix=f"Installez un kubectl {server[0]}.{server[1]} : "
        "https://kubernetes.io/fr/docs/tasks/tools/install-kubectl/",
        look=("kubectl version", "command -v kubectl"),
    )


def ending_credentials(credentials: Credentials, now: datetime) -> Diagnostic | None:
    """What is wrong when the credentials end within ten minutes, or within a fifth of a short life;
    None else.

    None too for an opaque token, which does not tell its end, and for what renews itself.
    """
    if credentials.expires is None or credentials.kind in RENEWED:
        return None
    left = credentials.expires - now
    whole = credentials.expires - credentials.issued if credentials.issued else 5 * _SOON
    if left >= min(_SOON, whole / 5):
        return None
    if left <= timedelta():
        finding = (
            f"Votre {credentials.named} a expiré le "
            f"{credentials.expires.astimezone():%d/%m/%Y à %H:%M}."
        )
    else:
        end = f"{credentials.expires.astimezone():%H:%M}"
        finding = f"Il reste {minutes(left)} à votre {credentials.named} : il expire à {end}."
    how = "Copiez de nouveau le script et exécutez-le :"
    if not credentials.renewal_command:
        how = f"{COPY_SCRIPT} Sur le petit SSPCloud local : cahier cluster creer"
    return Diagnostic(
        finding=finding,
        cause="Passé cette heure, le cluster répond « Unauthorized » à chaque commande, et aucun "
        "tunnel ne s’ouvre.",
        fix=f"Renouvelez-le avant de continuer. {how}",
        commands=(credentials.renewal_command,) if credentials.renewal_command else (),
        look=("kubectl config view --minify",),
    )


def have_ended(credentials: Credentials, now: datetime) -> bool:
    """Whether the credentials say that their end is past."""
    return (
        credentials.expires is not None
        and credentials.kind not in RENEWED
        and credentials.expires <= now
    )
