"""The access: kubectl's configuration, then who the cluster says we are and what it lets us do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from checks.access import kubeconfig, kubectl_rules
from checks.access.kubeconfig_file import RENEW
from checks.capabilities import Cluster
from checks.diagnosis.rights.credentials import RENEWED, ending_credentials
from checks.diagnosis.rights.identity import allowed_everywhere, foreign_namespace, shared_namespace
from checks.diagnosis.rights.role import insufficient_rights
from checks.doctor.lines import Answer, failed, passed, shown, skipped, trouble, unverified, wrong
from checks.doctor.quantities import amount
from checks.errors import AccessError, ClusterLost, ConfigurationRefused, Refused
from checks.facts import Credentials
from checks.french import duration
from checks.objects.workloads import ResourceQuota
from checks.refusals import service_account
from checks.shell import one_word

_OPEN_TO_OTHERS = 0o004
_STARTS_PODS = ("pods", "count/pods", "cpu", "memory")
_USED_BY_LABS = (
    "services",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "ephemeral-storage",
)


def configuration(explicit: str | None) -> Answer:
    """Whether kubectl's configuration is found, readable, whole, and closed to others."""
    files = kubeconfig.paths(explicit)
    present = [path for path in files if path.exists()]
    absent = [path for path in files if not path.exists()]
    if not present:
        if not explicit and kubeconfig.in_pod():
            return passed(
                "Aucun fichier : l’identité est celle de ce pod (ServiceAccount), comme dans un "
                "service VSCode."
            )
        return failed(
            f"Aucune configuration Kubernetes : {_listed(absent)} n’existe pas."
            + (
                " La variable KUBECONFIG désigne ce fichier."
                if os.environ.get("KUBECONFIG") and not explicit
                else ""
            ),
            RENEW,
        )
    try:
        kubeconfig.merged(files)
    except AccessError as error:
        return trouble(error)
    opened = [path for path in present if os.name != "nt" and path.stat().st_mode & _OPEN_TO_OTHERS]
    if opened:
        return failed(
            f"{_listed(opened)} peut être lu par tous les comptes de ce poste.",
            "Fermez ce fichier aux autres (sous WSL2, copiez-le d’abord hors de /mnt/c) :",
            *(f"chmod 600 {one_word(str(path))}" for path in opened),
            cause="Il contient votre jeton ou votre clé : qui le lit agit à votre place.",
        )
    missing = f" Absent, donc ignoré : {_listed(absent)}." if absent else ""
    return passed(f"{_listed(present)}.{missing}")


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(map(shown, files))


def context(explicit: str | None) -> Answer:
    """Whether the configuration designates a context, and this one a cluster, in a way that kubectl
    accepts."""
    try:
        choice = kubeconfig.choose(explicit)
        if choice is not None:
            kubectl_rules.must_be_accepted(choice)
    except ConfigurationRefused as refusal:
        return failed(refusal.message, refusal.fix, *refusal.commands, cause=refusal.cause)
    except AccessError as error:
        return trouble(error)
    credentials = kubeconfig.credentials(choice)
    name = f"« {credentials.context} »" if credentials.context else "celui du pod"
    return passed(f"{name}, cluster {credentials.server}, namespace {credentials.namespace}.")


def lifetime(credentials: Credentials, now: datetime) -> Answer:
    """How long the credentials will last."""
    if credentials.kind == "none":
        return failed("Cette configuration ne contient aucun identifiant.", RENEW)
    diagnostic = ending_credentials(credentials, now)
    if diagnostic is not None:
        return wrong(diagnostic)
    if credentials.kind in RENEWED:
        how = {
            "exec": "par un programme que kubectl lance",
            "oidc": "par un jeton de rafraîchissement",
            "serviceaccount": "par le cluster, tant que ce pod existe",
        }
        return passed(f"Vos identifiants sont renouvelés {how[credentials.kind]}.")
    if credentials.expires is None:
        return skipped(f"Votre {credentials.named} n’annonce pas sa fin.")
    end = f"{credentials.expires.astimezone():%d/%m/%Y à %H:%M}"
    return passed(
        f"Votre {credentials.named} vaut jusqu’au {end} (encore "
        f"{duration(credentials.expires - now)})."
    )


def identity(cluster: Cluster) -> Answer:
    """Who the cluster says we are."""
    try:
        user = cluster.user
    except ClusterLost as silence:
        return trouble(silence)
    except Refused as refusal:
        if refusal.status == 404:
            return unverified(
                "Ce cluster est trop ancien pour dire qui vous êtes (avant Kubernetes 1.28)."
            )
        return trouble(refusal)
    if not user:
        return unverified("Le cluster répond, mais ne dit pas qui vous êtes.", RENEW)
    account = service_account(user)
    if account is None:
        return passed(f"Le cluster vous connaît sous le nom « {user} ».")
    return passed(
        f"Vous êtes le ServiceAccount « {account.name} » du namespace « {account.namespace} » : un "
        "programme du cluster, par exemple un service VSCode."
    )


def namespace(cluster: Cluster) -> Answer:
    """Whether the namespace is ours."""
    diagnostic = foreign_namespace(cluster)
    if cluster.namespace == cluster.credentials.namespace:
        diagnostic = shared_namespace(cluster) or diagnostic
    if diagnostic is not None:
        return wrong(diagnostic)
    return passed(f"« {cluster.namespace} ».")


def rights(cluster: Cluster) -> Answer:
    """Whether our rights are enough for every lab."""
    diagnostic = insufficient_rights(cluster)
    if diagnostic is not None:
        return wrong(diagnostic)
    if allowed_everywhere(cluster):
        return passed(
            "Vous administrez tout le cluster : rien ne vous sera refusé, ce que les TP 6 et 8 "
            "veulent montrer."
        )
    return passed("Rôle « admin » : de quoi faire tous les TP.")


def quota(cluster: Cluster) -> Answer:
    """What the quotas of the namespace leave."""
    try:
        quotas = cluster.quotas()
    except Refused as refusal:
        return unverified(refusal.message)
    if not quotas:
        return passed(f"Aucun quota dans « {cluster.namespace} ».")
    left: dict[str, Decimal] = {}
    full: dict[str, str] = {}
    for use in (one for quota in quotas for one in _uses(quota)):
        resource, rest = use.resource, amount(use.hard) - amount(use.used)
        left[resource] = min(rest, left.get(resource, rest))
        if rest <= 0 and _matters(resource, amount(use.hard)):
            full[resource] = f"{resource} : {use.used} sur {use.hard} (quota « {use.quota} »)"
    if full:
        return failed(
            f"Un quota est atteint dans « {cluster.namespace} » : {' ; '.join(full.values())}.",
            "Retirez ce que les TP ont laissé (cahier nettoyer TP), arrêtez les services dont vous "
            "ne vous servez plus. Pour tout voir :",
            f"kubectl describe quota -n {cluster.namespace}",
            cause="Ce qui en demande davantage sera refusé, y compris les sondes du vérificateur.",
        )
    pods = next((left[resource] for resource in ("pods", "count/pods") if resource in left), None)
    room = f"encore {pods:f} pods" if pods is not None else "aucune limite au nombre de pods"
    # storage is asked of volumes
    demanding = any(resource.rpartition(".")[2] in ("cpu", "memory") for resource in left)
    told = f"{', '.join(quota.name for quota in quotas)} : {room}."
    return passed(
        told + (" Chaque pod doit y déclarer ses ressources (TP 7)." if demanding else "")
    )


class _Use(NamedTuple):
    """Used and allowed quantity of a resource that a quota counts."""

    quota: str
    resource: str
    used: str
    hard: str


def _uses(quota: ResourceQuota) -> Iterator[_Use]:
    """All that a quota counts; as it is written, where it has not been looked at yet."""
    status = quota.status
    for resource, hard in (status.hard or quota.spec.hard).items():
        yield _Use(quota.name, resource, status.used.get(resource, "0"), hard)


def _matters(resource: str, hard: Decimal) -> bool:
    """Whether the labs are stopped by the end of this resource: a quota of zero GPU or load
    balancers stops none."""
    base = resource.removeprefix("requests.").removeprefix("limits.")
    return base in _STARTS_PODS or (hard > 0 and base in _USED_BY_LABS)
