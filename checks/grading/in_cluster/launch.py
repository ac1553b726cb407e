"""A grading is started in the cluster, found again and removed: the teacher's side."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from checks.access.answers import AccessReview
from checks.access.kubernetes_api import Api
from checks.errors import AccessError, CahierError, Refused, UsageError
from checks.grading.in_cluster import manifests
from checks.grading.in_cluster.manifests import COLLECTIONS, LABEL, SERVICE_ACCOUNT
from checks.grading.in_cluster.order import Order
from checks.objects.parts import metadata
from checks.objects.workloads import Job

_BYTES = 1_000_000  # of a ConfigMap or a Secret, nearly
_ATTEMPTS = 5


@dataclass(frozen=True)
class Act:
    """What is asked of the cluster, in the words of the sentences that tell of it."""

    verb: str
    future: str
    this: str
    only: str
    of: str


GRADING = Act("noter", "notera", "cette notation", "une seule notation", "de la notation")


def may_grade(api: Api, namespace: str) -> bool:
    """Whether the ServiceAccount may read a class, as far as it can be asked here."""
    spec: dict[str, Any] = {
        "user": f"system:serviceaccount:{namespace}:{SERVICE_ACCOUNT}",
        "groups": [
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        ],
        "resourceAttributes": {"namespace": namespace, "verb": "list", "resource": "pods"},
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "LocalSubjectAccessReview",
        "metadata": {"namespace": namespace},
        "spec": spec,
    }
    path = f"/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews"
    try:
        return api.ask(path, AccessReview, review).status.allowed
    except Refused:
        return True  # nobody to ask: the parts will say it


def require_rights(api: Api, namespace: str, act: Act = GRADING) -> None:
    """Raises AccessError where the ServiceAccount may not read a class."""
    if not may_grade(api, namespace):
        raise AccessError(
            f"Le ServiceAccount « {SERVICE_ACCOUNT} » de {namespace}, qui {act.future}, n’a "
            "pas les droits de l’enseignant.",
            "Un administrateur du cluster les lui donne, une fois pour toutes :\n  cahier "
            "droits-enseignant | kubectl apply -f -\n  kubectl create clusterrolebinding "
            f"cahier-enseignant-{namespace} --clusterrole=cahier-enseignant "
            f"--serviceaccount={namespace}:{SERVICE_ACCOUNT}",
        )


@dataclass(frozen=True)
class Owner:
    """A Job, a CronJob or a Deployment of ours."""

    kind: str
    name: str
    namespace: str

    @property
    def path(self) -> str:
        """Of the object."""
        return f"{COLLECTIONS[self.kind].format(self.namespace)}/{self.name}"

    @property
    def delete_command(self) -> str:
        """What removes it by hand, with all that belongs to it."""
        return f"kubectl delete {self.kind.lower()} {self.name} -n {self.namespace}"


def find(api: Api, namespace: str, kind: str, group: str) -> Owner | None:
    """The newest Job or CronJob of that group; a Job that was never let go, its command killed, is
    removed.

    Raises CahierError.
    """
    try:
        listed = api.each(
            Job, kind, COLLECTIONS[kind].format(namespace), {"labelSelector": f"{LABEL}={group}"}
        )
    except Refused as refusal:
        raise explained(refusal, kind, namespace) from refusal
    found = None
    for job in sorted(listed, key=lambda job: job.metadata.creation_timestamp):
        one = Owner(kind, job.metadata.name, namespace)
        if kind == "Job" and job.spec.suspend:
            remove(api, one)
        else:
            found = one
    return found


class UnknownTimeZone(CahierError):
    """The cluster was built without the names of time zones."""


def start(
    api: Api,
    namespace: str,
    group: str,
    order: Order,
    image: str,
    schedule: str | None = None,
    time_zone: str = "",
) -> Owner:
    """Make all that a grading needs, and let it begin, or wait for its hour; what was made is taken
    back if it fails.

    Raises CahierError, of which UnknownTimeZone.
    """
    text = written(order)
    act = "noter" if schedule is None else "planifie"
    name = f"cahier-{act}-{group.partition('.')[0]}-{secrets.token_hex(3)}"
    if schedule is None:
        made = _create(api, namespace, manifests.job(name, group, order.parts, image))
    else:
        made = _create(
            api, namespace, manifests.cron_job(name, group, order.parts, image, schedule, time_zone)
        )
    owner = Owner(made["kind"], name, namespace)
    try:
        ensure_service_account(api, namespace, group, made)
        for item in manifests.belongings(name, group, order.parts, text, made):
            _create(api, namespace, item)
        api.request(
            "PATCH",
            owner.path,
            {"spec": {"suspend": False}},
            content_type="application/merge-patch+json",
        )
    except BaseException:
        with contextlib.suppress(AccessError):
            remove(api, owner)
        raise
    return owner


def written(order: Any, act: Act = GRADING) -> str:
    """An order as the pods read it. Raises UsageError where the cluster would not take it."""
    text = msgspec.json.encode(order).decode()
    if len(text.encode()) > _BYTES:
        raise UsageError(
            f"La classe est trop grande pour {act.only}.",
            "Partagez la liste en plusieurs fichiers.",
        )
    return text


def remove(api: Api, owner: Owner) -> None:
    """Remove what is ours; all that belongs to it goes with it. Raises AccessError."""
    api.remove(owner.path, {"propagationPolicy": "Background"})


def _create(api: Api, namespace: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    kind = manifest["kind"]
    same = {"apiVersion": manifest["apiVersion"], "kind": kind}
    try:
        return {**same, **api.request("POST", COLLECTIONS[kind].format(namespace), manifest)}
    except Refused as refusal:
        raise explained(refusal, kind, namespace) from refusal


def ensure_service_account(api: Api, namespace: str, group: str, owner: Mapping[str, Any]) -> None:
    """One for all that reads classes from this namespace, which goes with the last of them, unless
    somebody else made it."""
    collection = COLLECTIONS["ServiceAccount"].format(namespace)
    change = {"metadata": {"ownerReferences": [manifests.owner_reference(owner)]}}
    for _ in range(_ATTEMPTS):
        found = api.find(f"{collection}/{SERVICE_ACCOUNT}")
        try:
            if found is None:
                _create(api, namespace, manifests.service_account(group, owner))
            elif LABEL in metadata(found).labels:
                path = f"{collection}/{SERVICE_ACCOUNT}"
                api.request(
                    "PATCH", path, change, content_type="application/strategic-merge-patch+json"
                )
            return
        except Refused as refusal:
            if refusal.status not in (404, 409):
                raise
            # it went with a grading that has just ended, or came with one that begins: look again
    raise CahierError(
        f"Le ServiceAccount {SERVICE_ACCOUNT} de {namespace} change sans cesse.", "Recommencez."
    )


def explained(refusal: Refused, kind: str, namespace: str, act: Act = GRADING) -> CahierError:
    """Why an object of this kind is refused, for whoever asked."""
    if "quota" in refusal.message:
        return CahierError(
            f"Le quota de {namespace} ne permet pas {act.this} : {refusal.message}",
            f"Arrêtez ce qui ne sert plus (kubectl get all -n {namespace}), ou donnez un autre "
            "--namespace.",
        )
    if "spec.schedule" in refusal.message:
        return UsageError(
            "L’horaire donné à --planifier n’en est pas un pour cron.",
            "Cinq champs : minute, heure, jour, mois, jour de semaine. Chaque jour à 20 h : "
            "--planifier '0 20 * * *'",
        )
    if "spec.timeZone" in refusal.message:
        return UnknownTimeZone(refusal.message)
    if refusal.status == 403:
        return AccessError(
            f"Vous ne pouvez pas faire {act.verb} une classe dans {namespace} ({kind}) : "
            f"{refusal.message}",
            "Donnez avec --namespace un namespace où vous avez le rôle « admin » ; dans un service "
            "VSCode du SSPCloud, relancez-le avec ce rôle.",
        )
    return refusal
