"""What Kubernetes answers to who lacks a right, read as a fact and said in French."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SAID = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group '
    r'"(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
_PATH_SAID = re.compile(r'User "(?P<user>[^"]+)" cannot (?P<verb>\S+) path "(?P<path>[^"]+)"')
VERBS = {
    "get": "lire",
    "list": "lister",
    "watch": "suivre",
    "create": "créer",
    "update": "modifier",
    "patch": "modifier",
    "delete": "supprimer",
    "deletecollection": "supprimer",
}
_OBJECTS = {
    "configmaps": "des ConfigMaps",
    "deployments": "des Deployments",
    "endpointslices": "des EndpointSlices",
    "events": "des événements",
    "namespaces": "des namespaces",
    "networkpolicies": "des NetworkPolicies",
    "persistentvolumeclaims": "des PersistentVolumeClaims",
    "pods": "des pods",
    "replicasets": "des ReplicaSets",
    "resourcequotas": "des ResourceQuotas",
    "rolebindings": "des RoleBindings",
    "roles": "des Roles",
    "secrets": "des Secrets",
    "services": "des Services",
}
_ACTIONS = {
    "pods/portforward": "ouvrir un tunnel vers un pod",
    "pods/exec": "exécuter une commande dans un pod",
    "pods/log": "lire le journal d’un pod",
    "localsubjectaccessreviews": "demander les droits de quelqu’un d’autre",
}


@dataclass(frozen=True)
class Account:
    """A ServiceAccount: the identity of a program of the cluster, such as a VSCode service."""

    namespace: str
    name: str


def service_account(user: str) -> Account | None:
    """The ServiceAccount that this user name means, None for a person."""
    found = re.fullmatch(r"system:serviceaccount:([^:]+):([^:]+)", user)
    return Account(found[1], found[2]) if found else None


def is_service_of(user: str, namespace: str) -> bool:
    """Whether this user name is that of a program of `namespace`."""
    account = service_account(user)
    return account is not None and account.namespace == namespace


def named(user: str) -> str:
    """Who it is, as a sentence tells it; "" is ourselves, where nobody has told who we are."""
    if not user:
        return "votre identité"
    account = service_account(user)
    return f"le ServiceAccount « {account.name} »" if account else f"« {user} »"


@dataclass(frozen=True)
class Refusal:
    """A right that `user` lacks. `resource` may carry a subresource; it is a path such as /version
    for what is none. `namespace` "": in the whole cluster."""

    user: str
    verb: str
    resource: str
    namespace: str

    @property
    def is_impersonation(self) -> bool:
        """Whether what is refused is to act as somebody else; a newer API server says
        `impersonate-on:…`."""
        return self.verb.startswith("impersonate")

    @property
    def said(self) -> str:
        """The end of a French sentence."""
        where = f"dans « {self.namespace} »" if self.namespace else "dans tout le cluster"
        return f"{named(self.user)} ne peut pas {self.what} {where}"

    @property
    def what(self) -> str:
        """What cannot be done, after « ne peut pas »."""
        if self.resource.startswith("/"):
            return f"{VERBS.get(self.verb, self.verb)} {self.resource}"
        if self.resource in _ACTIONS:
            return _ACTIONS[self.resource]
        if self.verb in VERBS and self.resource in _OBJECTS:
            return f"{VERBS[self.verb]} {_OBJECTS[self.resource]}"
        return f"faire « {self.verb} {self.resource} »"


def read(said: str) -> Refusal | None:
    """The refusal in what the API server or kubectl said; None where it said something else."""
    found = _SAID.search(said)
    if found:
        return Refusal(found["user"], found["verb"], found["resource"], found["namespace"] or "")
    found = _PATH_SAID.search(said)
    return Refusal(found["user"], found["verb"], found["path"], "") if found else None
