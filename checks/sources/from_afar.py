"""A cluster that is only read: what takes the learner's own identity or machine, or an experiment,
is refused here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from socket import socket
from typing import NoReturn

from checks.capabilities import Cluster, Machine, Probe
from checks.facts import Credentials, Listing, Pod
from checks.objects.rights import Rule


class FromAfar(ABC):
    """`InPerson` and `Experiments` of a cluster that has neither: each question raises
    Unverifiable."""

    @abstractmethod
    def _not_there(self) -> NoReturn:
        """Raise Unverifiable: one has to be where the learner is."""

    @abstractmethod
    def _only_read(self, what: str) -> NoReturn:
        """Raise Unverifiable. `what` it would take, in French: « d’ouvrir un tunnel »."""

    # -- the learner's own identity and machine ----------------------------------------------------

    @property
    def credentials(self) -> Credentials:
        """Raises Unverifiable."""
        self._not_there()

    @property
    def groups(self) -> Sequence[str]:
        """Raises Unverifiable."""
        self._not_there()

    def kubectl_user(self) -> str | None:
        """No kubectl of the learner's is at hand."""
        return None

    def own_rules(self) -> Sequence[Rule] | None:
        """Raises Unverifiable."""
        self._not_there()

    @property
    def machine(self) -> Machine:
        """Raises Unverifiable."""
        self._not_there()

    def clock(self) -> datetime | None:
        """Raises Unverifiable."""
        self._not_there()

    def secret_values(self, name: str) -> Mapping[str, str] | None:
        """Raises Unverifiable."""
        self._only_read("la valeur d’un Secret, que l’enseignant ne lit jamais")

    def everything(self) -> Sequence[Listing]:
        """Raises Unverifiable."""
        self._only_read("de lire tous les objets du namespace")

    # -- experiments -------------------------------------------------------------------------------

    def execute(self, pod: str, command: Sequence[str], container: str = "") -> str:
        """Raises Unverifiable."""
        self._only_read("d’exécuter une commande dans un pod")

    @contextmanager
    def repeated(self, pod: str, script: str, container: str = "") -> Iterator[Callable[[], str]]:
        """Asking raises Unverifiable."""
        yield lambda: self.execute(pod, ["sh", "-c", script], container)

    def forward(self, pod: str, port: int) -> AbstractContextManager[socket]:
        """Raises Unverifiable."""
        self._only_read("d’ouvrir un tunnel vers un pod")

    def kubectl_forward(self, pod: str, port: int) -> AbstractContextManager[socket]:
        """Raises Unverifiable."""
        self._not_there()

    def probe(
        self,
        targets: Sequence[str],
        labels: Mapping[str, str] | None = None,
        beside: Pod | None = None,
    ) -> AbstractContextManager[Probe]:
        """Raises Unverifiable."""
        self._only_read("de placer une sonde dans le namespace")

    @property
    def enforces_policies(self) -> bool:
        """Raises Unverifiable."""
        self._only_read("une expérience qui place des pods")

    def as_owner(self, owner: str, at: str = "") -> Cluster | None:
        """Nobody's access is at hand."""
        return None

    def at(self, namespace: str) -> Cluster:
        """Raises Unverifiable."""
        self._only_read("de regarder un autre namespace")

    def outsiders(self) -> Sequence[str]:
        """Nobody's access is at hand."""
        return ()

    def delete_pod(self, name: str) -> None:
        """Raises Unverifiable."""
        self._only_read("de supprimer un pod")

    def breaking(self, pod: str) -> AbstractContextManager[Callable[[], None]]:
        """Raises Unverifiable."""
        self._only_read("d’arrêter un programme dans un pod")
