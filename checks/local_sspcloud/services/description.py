"""What the catalogue knows of a service: all that it asks of a folder beside this file."""

from __future__ import annotations

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from checks.access.kubernetes_api import PATHS, collection
from checks.redaction import remember

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api
    from checks.local_sspcloud.progress import Progress
    from checks.objects.pods import PodObject
    from checks.objects.policies import IngressRule

Item = Mapping[str, Any]
NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
STAND_IN = "cahier-kubernetes/serveur"
"""Annotation of a pod: what its server is, where it is not what its image is called after."""


def _password() -> str:
    alphabet = string.ascii_letters + string.digits
    password = "".join(secrets.choice(alphabet) for _ in range(20))
    remember(password)
    return password


@dataclass(frozen=True)
class Order:
    """A release that is asked for. `opened`: without the NetworkPolicy that keeps other namespaces
    out; `user` and `password`: of the account of the form, which owns `database`; `stand_in`: what
    its image really holds, where that is something else."""

    namespace: str
    name: str
    opened: bool
    user: str
    database: str
    stand_in: str = ""
    password: str = field(default_factory=_password, repr=False)


class Service(ABC):
    """One service of the catalogue: a database, under the platform's names and labels.

    What most of them have in common is written here; a description says the rest.
    """

    title: ClassVar[str]
    """Its name in a sentence."""
    label: ClassVar[str]
    """The value of `app.kubernetes.io/name` on its pods and Services."""
    image: ClassVar[str]
    port: ClassVar[int]
    database: ClassVar[str] = "defaultdb"
    """The form's default."""
    remade: ClassVar[bool] = False
    """Whether something makes the pod of a release again when it is gone."""
    one_per_namespace: ClassVar[bool] = False
    """Whether its objects have the same names whatever the release."""

    # -- names -------------------------------------------------------------------------------------

    @abstractmethod
    def new_name(self) -> str:
        """A name for a release that is given none."""

    @abstractmethod
    def release_of(self, labels: Mapping[str, str]) -> str:
        """The release of this service that what bears these labels belongs to; "" for none."""

    @abstractmethod
    def short_host(self, release: str) -> str:
        """Host name of a release within its namespace."""

    def address(self, release: str, user: str) -> str:
        """How a program is told of it within its namespace, "" where host and port say all."""
        return ""

    @abstractmethod
    def pod(self, release: str) -> str:
        """Name of the pod that a new release has."""

    def policy(self, release: str) -> str:
        """Name of the NetworkPolicy that comes with a release."""
        return release

    @abstractmethod
    def chosen(self, release: str) -> Mapping[str, str]:
        """The labels by which that NetworkPolicy chooses the pods of a release."""

    # -- what a release consists of ----------------------------------------------------------------

    def supply(self, api: Api, progress: Progress) -> str:
        """Before a release is made: make its image, where that is ours to do; what the image really
        holds, where that is something else, "" elsewhere. Raises CahierError."""
        return ""

    @abstractmethod
    def manifests(self, order: Order) -> Sequence[Item]:
        """Everything that a release consists of, in the order in which it is made: what runs the
        server last."""

    def parts(self, namespace: str, release: str) -> Sequence[str]:
        """The path of each of them."""
        order = Order(namespace, release, opened=False, user="", database="", password="")
        return [f"{place(item)}/{item['metadata']['name']}" for item in self.manifests(order)]

    def missing(self, api: Api, namespace: str, release: str) -> Sequence[Item]:
        """What is gone of a release, and is written elsewhere in it. Raises AccessError."""
        return ()

    def serving(self, pods: Sequence[PodObject]) -> Sequence[PodObject]:
        """Those of the pods that serve clients, the one that takes writes first: others may prepare
        a release."""
        return pods

    # -- an operator that makes releases and keeps them --------------------------------------------

    def is_operated(self, api: Api, namespace: str, release: str) -> bool:
        """Whether an operator keeps a release. Raises AccessError."""
        return False

    def operator(self, api: Api) -> Operator | None:
        """The operator of this cluster, if it has one and we may ask it. Raises AccessError."""
        return None

    def operator_rules(self) -> Sequence[IngressRule]:
        """The rules that let the operator into a release that its policy closes."""
        return ()

    def operator_sentences(self) -> Sequence[str]:
        """What is said of these rules."""
        return ()

    # -- accounts ----------------------------------------------------------------------------------

    def gives_passwords(self, pod: PodObject) -> bool:
        """Whether `set_password` can be asked of this pod."""
        return False

    def held_at(self, pod: PodObject, account: str) -> tuple[str, str] | None:
        """The Secret and its key where a release keeps the password of this account of its form,
        beside the Secrets that bear the account's name."""
        return None

    def credentials(self, release: str) -> tuple[str, str]:
        """The Secret that holds the password of the form's account, and its key there."""
        return release, "password"

    def keeps_secret(self, release: str, name: str) -> bool:
        """Whether the Secret of this name came with a release."""
        return name == release or name.startswith(f"{release}-")

    def set_password(
        self, api: Api, namespace: str, pod: PodObject, role: str, password: str
    ) -> None:
        """Have the server give `role` this password, and make it where there is none. Raises
        CahierError."""
        raise NotImplementedError


class Operator(ABC):
    """A program of the cluster that makes releases from what the chart asks of it, and keeps them.

    Only the platform's own account may ask: on the local cluster, its administrator does.
    """

    platform: Api

    @abstractmethod
    def manifests(self, order: Order) -> Sequence[Item]:
        """What the chart makes."""

    @abstractmethod
    def finish(self, namespace: str, release: str, database: str, seconds: float) -> None:
        """Once the server is ready: wait until its account and its database are. Raises
        CahierError."""

    @abstractmethod
    def stop(self, namespace: str, release: str, from_chart: Sequence[str]) -> None:
        """Remove what the chart made, and what is at the paths `from_chart`. Raises AccessError."""

    @abstractmethod
    def is_gone(self, namespace: str, release: str) -> bool:
        """Whether nothing of a release is left. Raises AccessError."""


def place(item: Item) -> str:
    """Path of the collection where an object is made."""
    namespace, kind = item["metadata"]["namespace"], item["kind"]
    if kind in PATHS:
        return collection(kind, namespace)
    return f"/apis/{item['apiVersion']}/namespaces/{namespace}/{kind.lower()}s"


def from_secret(variable: str, secret: str, key: str) -> dict[str, Any]:
    """A variable whose value is in a Secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
