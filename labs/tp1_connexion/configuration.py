"""Whether kubectl itself gets into the cluster with the configuration, as the same user."""

from __future__ import annotations

from checks.diagnosis.rights.identity import COPY_SCRIPT
from checks.errors import ConfigurationRefused, Unverifiable
from checks.facts import Cluster, KubectlRefused
from checks.verdict import Diagnostic

_LOOK = ("kubectl auth whoami", "kubectl config view --minify")


def refused_by_kubectl(cluster: Cluster) -> Diagnostic | None:
    """What is wrong when kubectl refuses the configuration, None when it gets in as we do.

    Raises Unverifiable where a real kubectl and our own reading do not agree.
    """
    try:
        user = cluster.user
    except ConfigurationRefused as refusal:
        return _refused(cluster, refusal)
    try:
        seen = cluster.kubectl_user()
    except KubectlRefused as refusal:
        raise Unverifiable(
            f"Avec votre configuration, le vérificateur entre dans le cluster, mais pas kubectl : « {refusal} ».",
            f"Lancez « kubectl auth whoami » et suivez ce qu’il dit. {COPY_SCRIPT}",
        ) from None
    if seen in (None, user):
        return None
    raise Unverifiable(
        f"Avec la même configuration, le cluster reconnaît le vérificateur comme « {user} », kubectl comme « {seen} ».",
        "Un autre programme de ce nom, ou un fichier de préférences (kuberc), change peut-être ce que fait kubectl : "
        "« command -v kubectl » dit lequel est lancé.",
    )


def _refused(cluster: Cluster, refusal: ConfigurationRefused) -> Diagnostic:
    try:
        seen = cluster.kubectl_user()
    except KubectlRefused:
        seen = None
    if seen is not None:
        raise Unverifiable(
            f"{refusal.message} Votre kubectl s’en accommode pourtant, et entre comme « {seen} ».", refusal.fix
        )
    return Diagnostic(
        finding=refusal.message, cause=refusal.cause, fix=refusal.fix, commands=refusal.commands, look=_LOOK
    )
