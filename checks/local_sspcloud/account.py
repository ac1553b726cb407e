"""An account of a database gets a password, which is kept in a Secret and shown nowhere."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from checks.access.kubernetes_api import collection
from checks.errors import UsageError
from checks.local_sspcloud import services
from checks.objects.parts import metadata
from checks.objects.pods import PodObject
from checks.redaction import remember

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api
    from checks.local_sspcloud.services.description import Service

LABEL = "cahier-kubernetes/compte"
"""Label of the Secrets that are made here."""
_ROLE = re.compile(r"[\w .@-]{1,63}")  # nothing that a quotation of SQL would end at


def secret_of(role: str) -> str:
    """Name of the Secret where the password of a role is kept."""
    return "compte-" + (re.sub(r"[^a-z0-9]+", "-", role.lower()).strip("-") or "equipe")


def give_password(
    api: Api, namespace: str, database: str, role: str, secret: str = ""
) -> Sequence[str]:
    """Give a role a password, and make the role where there is none; what to say of it.

    The password is drawn and kept in `secret_of(role)`; with `secret`, it is the one that this
    Secret holds already, without the end of line that it may have. Raises CahierError.
    """
    if not _ROLE.fullmatch(role):
        raise UsageError(
            f"« {role} » n’est pas un nom de compte.", "Des lettres, des chiffres et des tirets."
        )
    service, pod = _pod(api, namespace, database)
    if not service.gives_passwords(pod):
        raise UsageError(
            f"Le cahier ne sait pas donner de mot de passe à un compte {service.title}.",
            "Donnez-le avec un client de cette base.",
        )
    own = service.held_at(pod, role)
    if secret:
        password = _held(api, namespace, secret, service.credentials(database)[1])
        said = f"Le compte {role} de {database} a maintenant le mot de passe du Secret {secret}."
    else:
        secret, password = secret_of(role), secrets.token_hex(16)
        remember(password)
        _keep(api, namespace, secret, role, password)
        said = (
            f"Le compte {role} de {database} a un nouveau mot de passe, gardé dans le Secret "
            f"{secret}."
        )
    service.set_password(api, namespace, pod, role, password)
    followed = [
        name
        for name in _secrets_of(api, namespace, service, database)
        if name != secret and _follows(api, namespace, name, role, password)
    ]
    if own is not None and _put(api, namespace, *own, password):
        followed.append(own[0])
    return [said, *([f"{', '.join(followed)} l’a maintenant aussi."] if followed else [])]


def _secrets_of(api: Api, namespace: str, service: Service, database: str) -> Sequence[str]:
    """Names of the Secrets that came with a database."""
    found = api.objects("Secret", collection("Secret", namespace))
    names = (metadata(one).name for one in found)
    return sorted(name for name in names if service.keeps_secret(database, name))


def _follows(api: Api, namespace: str, secret: str, role: str, password: str) -> bool:
    """Have a Secret of this role hold its password, for an operator gives the role again what it
    reads there; whether anything changed."""
    path = f"{collection('Secret', namespace)}/{secret}"
    data = (api.find(path) or {}).get("data") or {}
    its_role = base64.b64decode(data.get("username") or "").decode("utf-8", "replace")
    return its_role == role and _put(api, namespace, secret, "password", password)


def _put(api: Api, namespace: str, secret: str, key: str, password: str) -> bool:
    """Have this key of a Secret, if it has it, hold the password; whether anything changed."""
    path = f"{collection('Secret', namespace)}/{secret}"
    data = (api.find(path) or {}).get("data") or {}
    encoded = base64.b64encode(password.encode()).decode()
    if data.get(key) in (None, encoded):
        return False
    change = {"data": {key: encoded}}
    api.request("PATCH", path, change, content_type="application/merge-patch+json")
    return True


def _pod(api: Api, namespace: str, database: str) -> tuple[Service, PodObject]:
    pods = api.each(PodObject, "Pod", collection("Pod", namespace))
    for service in services.every():
        own = [one for one in pods if service.release_of(one.metadata.labels) == database]
        for pod in service.serving(own):
            return service, pod
    raise UsageError(
        f"Aucune base « {database} » dans {namespace}.", "Vos bases : cahier catalogue lister"
    )


def _held(api: Api, namespace: str, secret: str, usual: str) -> str:
    """`usual`: the key of the Secrets that come with such a database."""
    path = f"{collection('Secret', namespace)}/{secret}"
    found = api.find(path)
    if found is None:
        raise UsageError(
            f"Aucun Secret « {secret} » dans {namespace}.", "Vos Secrets : kubectl get secrets"
        )
    data = found.get("data") or {}
    key = next((one for one in (usual, "password", "postgres-password") if data.get(one)), "")
    if not key:
        raise UsageError(
            f"Le Secret {secret} ne contient pas de mot de passe.",
            "Il est attendu sous la clé password.",
        )
    written = base64.b64decode(data[key]).decode("utf-8", "replace")
    password = written.rstrip("\r\n")
    remember(password)
    if password != written:
        change = {"data": {key: base64.b64encode(password.encode()).decode()}}
        api.request("PATCH", path, change, content_type="application/merge-patch+json")
    return password


def _keep(api: Api, namespace: str, secret: str, role: str, password: str) -> None:
    path = collection("Secret", namespace)
    values = {"username": role, "password": password}
    item: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret},
        "stringData": values,
    }
    if api.find(f"{path}/{secret}") is None:
        item["metadata"]["labels"] = {LABEL: "oui"}
        api.request("POST", path, item)
    else:
        change = {"stringData": values}
        api.request(
            "PATCH", f"{path}/{secret}", change, content_type="application/merge-patch+json"
        )
