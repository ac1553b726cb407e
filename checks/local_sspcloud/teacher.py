"""What `noter` needs to read, and how a teacher gets it: for all namespaces, from an administrator
of the cluster; for one, from the person whose it is. Both come from `teacher.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from checks.errors import UsageError
from checks.refusals import service_account

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api

ROLE = "cahier-enseignant"
"""Name of the ClusterRole, and of each person's Role and RoleBinding."""
_GROUP = "rbac.authorization.k8s.io"
_VERSION = f"{_GROUP}/v1"
_PATH = f"/apis/{_VERSION}"
_OF_THE_CLUSTER: Mapping[str, Sequence[str]] = {
    "namespaces": ("get",),
    "clusterroles": (),
    "clusterrolebindings": (),
}
"""Resources that are in no namespace, with the verbs that a Role gives of them all the same: of its
own namespace alone."""


def cluster_role() -> str:
    """The manifest of the smallest ClusterRole that grading needs."""
    return (
        resources.files("checks.local_sspcloud")
        .joinpath("teacher.yaml")
        .read_text(encoding="utf-8")
    )


def role() -> Mapping[str, Any]:
    """The same rights in one namespace, as far as a Role can give them."""
    rules = []
    for rule in yaml.safe_load(cluster_role())["rules"]:
        inside = [name for name in rule["resources"] if name not in _OF_THE_CLUSTER]
        if inside:
            rules.append({**rule, "resources": inside})
        rules += [
            {"apiGroups": [*rule["apiGroups"]], "resources": [name], "verbs": [*verbs]}
            for name in rule["resources"]
            if (verbs := _OF_THE_CLUSTER.get(name))
        ]
    return {"apiVersion": _VERSION, "kind": "Role", "metadata": {"name": ROLE}, "rules": rules}


def binding(subjects: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    """The RoleBinding that gives it to them."""
    return {
        "apiVersion": _VERSION,
        "kind": "RoleBinding",
        "metadata": {"name": ROLE},
        "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": ROLE},
        "subjects": list(subjects),
    }


def manifest(user: str) -> str:
    """Both, to be applied by each person in their own namespace. Raises UsageError."""
    require_user(user)
    return yaml.safe_dump_all([role(), binding([subject(user)])], sort_keys=False)


def share(api: Api, namespace: str, user: str) -> None:
    """Let a teacher read what grading needs in a namespace, beside those who may already. Raises
    UsageError, AccessError."""
    require_user(user)
    there = _sharing(api, namespace)
    api.apply(_at(namespace, "roles"), role())
    if subject(user) not in there:
        there = [*there, subject(user)]
    api.apply(_at(namespace, "rolebindings"), binding(there))


def withdraw(api: Api, namespace: str, user: str) -> bool:
    """Take it back; whether they had it. Nothing is left once nobody has it. Raises UsageError,
    AccessError."""
    there = _sharing(api, namespace)
    left = [one for one in there if one != subject(user)]
    if left:
        api.apply(_at(namespace, "rolebindings"), binding(left))
    else:
        for kind in ("rolebindings", "roles"):
            if api.find(_at(namespace, kind)) is not None:
                api.request("DELETE", _at(namespace, kind))
    return len(left) < len(there)


def subject(user: str) -> Mapping[str, str]:
    """A user as bindings name them: a person, or a program of the cluster."""
    account = service_account(user)
    if account is not None:
        return {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
    return {"apiGroup": _GROUP, "kind": "User", "name": user}


def require_user(user: str) -> None:
    """Raises UsageError where this cannot be the name of a user."""
    if user.startswith("user-"):
        raise UsageError(
            f"« {user} » est un namespace, pas le nom d’une personne pour le cluster.",
            f"C’est sans doute oidc-{user.removeprefix('user-')} : cette personne le lit avec "
            "« kubectl auth whoami ».",
        )
    if not user.strip() or user != user.strip():
        raise UsageError("Il manque le nom de l’enseignant.", "Par exemple : oidc-prof")


def _sharing(api: Api, namespace: str) -> Sequence[Mapping[str, str]]:
    """Whom the RoleBinding of that name names. Raises UsageError where it gives another role."""
    found = api.find(_at(namespace, "rolebindings"))
    if found is None:
        return ()
    given = found["roleRef"]
    if (given["kind"], given["name"]) != ("Role", ROLE):
        raise UsageError(
            f"La RoleBinding « {ROLE} » de {namespace} donne un autre rôle, « {given['name']} » : "
            "ce n’est pas la nôtre.",
            f"Retirez-la, puis recommencez : kubectl delete rolebinding {ROLE} -n {namespace}",
        )
    return found.get("subjects") or ()


def _at(namespace: str, kind: str) -> str:
    return f"{_PATH}/namespaces/{namespace}/{kind}/{ROLE}"
