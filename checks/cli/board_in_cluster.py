"""`cahier classe suivre --dans-le-cluster`: what it says while the board starts in the cluster, and
how the teacher reaches it, gets its history, and takes it away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from checks.access.kubernetes_api import Api
from checks.board.in_cluster.launch import ClusterBoard
from checks.board.in_cluster.order import PORT, order_of
from checks.board.server import address
from checks.cli.grading_in_cluster import group_of
from checks.cli.options import IN_CLUSTER
from checks.errors import AccessError, CahierError, UsageError
from checks.french import plural
from checks.grading.history import History, default_path
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.local_sspcloud.image import NAME
from checks.render.grading import console_of
from checks.shell import one_word
from checks.waiting import tries

_LOOKS_EVERY = 1.0  # seconds
_ENDS = 60.0  # seconds for a pod to publish and go: twice what the cluster leaves it


class BoardInCluster:
    """One class, followed by the cluster."""

    def __init__(
        self, roster: Path, kubeconfig: str | None, namespace: str | None, history: Path | None
    ) -> None:
        self._roster, self._history = roster, history
        api = Api(kubeconfig)
        self._namespace = namespace or api.credentials.namespace
        self._board = ClusterBoard(api, self._namespace, group_of(roster))
        self._who = ["--kubeconfig", kubeconfig] if kubeconfig else []
        self._where = ["--namespace", namespace] if namespace else []
        self._errors = console_of(stderr=True)

    def run(
        self, learners: Sequence[Learner], labs: Sequence[Lab], image: str | None, port: int | None
    ) -> None:
        """Have the class followed, or bring the board that follows it to this list; say how to
        reach it. Raises CahierError."""
        before = self._board.found()
        same = NAME if before is None else before.template.spec.containers[0].image
        new = self._board.start(order_of(self._roster.name, learners, labs), image or same)
        try:
            self._wait_until_ready()
            self._tell(port)
        except (AccessError, KeyboardInterrupt):
            self._errors.print(
                f"\nLe tableau reste dans le cluster (deployment {self._board.name}). La même "
                f"commande dit comment y aller ; pour le retirer : {self._command('--retirer')}"
            )
            raise
        except CahierError:
            if new:
                self._board.remove()
            raise

    def fetch(self) -> None:
        """Add what the board has seen proven so far to the class's history. Raises CahierError."""
        self._require_there()
        self._take()

    def withdraw(self) -> None:
        """Take the board away, once its history is here. Raises CahierError."""
        self._require_there()
        try:
            self._board.stop()
            self._wait_until(lambda: self._board.has_ended, "l’arrêt du tableau", _ENDS)
            self._take()
        except (CahierError, KeyboardInterrupt):
            self._errors.print(
                f"\nL’historique du tableau reste dans le cluster (configmap {self._board.name}). "
                "La même commande reprend ; pour l’abandonner : "
                f"{self._board.owner.delete_command}"
            )
            raise
        self._board.remove()
        console_of().print("Le tableau est retiré du cluster.")

    # -- what these share --------------------------------------------------------------------------

    def _require_there(self) -> None:
        if self._board.found() is None:
            raise UsageError(
                f"Aucun tableau de cette classe n’est dans {self._namespace}.",
                f"Pour l’y mettre : {self._command()}",
            )

    def _take(self) -> None:
        with History(self._history or default_path(self._roster)) as history:
            new = history.take(self._board.kept())
            console_of().print(
                f"Historique récupéré dans {history.path} : {plural(new, 'ligne nouvelle')}."
            )

    def _wait_until_ready(self) -> None:
        told: set[str] = set()

        def is_ready() -> bool:
            sight = self._board.look()
            for note in sight.notes:
                if note not in told:
                    told.add(note)
                    self._errors.print(note, style="yellow")
            return sight.ready

        self._errors.print(f"Le tableau démarre dans {self._namespace}. Ctrl-C ne l’arrête pas.")
        self._wait_until(is_ready, "le démarrage du tableau dans le cluster")

    def _wait_until(
        self, holds: Callable[[], bool], what: str, seconds: float = float("inf")
    ) -> None:
        with self._errors.status(f"J’attends {what}…"):
            for _ in tries(seconds, _LOOKS_EVERY):
                if holds():
                    return

    def _tell(self, port: int | None) -> None:
        local = port or PORT
        ports = f"{local}" if local == PORT else f"{local}:{PORT}"
        forward = ["kubectl", "port-forward", f"deployment/{self._board.name}", ports]
        console = console_of()
        console.print(
            f"Le tableau est dans le cluster : deployment {self._board.name}, namespace "
            f"{self._namespace}."
        )
        console.print("  Pour y aller, dans un terminal qui reste ouvert :")
        console.print(
            f"    {' '.join(map(one_word, [*forward, '-n', self._namespace, *self._who]))}"
        )
        console.print("  puis, dans un navigateur de ce poste :")
        console.print(f"    {address(local, self._board.token)}")
        console.print("  Récupérer ce qu’il a vu prouvé, dans l’historique de la classe :")
        console.print(f"    {self._command('--recuperer')}")
        console.print("  Le retirer, son historique récupéré :")
        console.print(f"    {self._command('--retirer')}")

    def _command(self, *options: str) -> str:
        """This command with other options."""
        kept = ["--historique", str(self._history)] if self._history else []
        words = ["cahier", "classe", "suivre", str(self._roster), IN_CLUSTER, *options]
        return " ".join(map(one_word, [*words, *kept, *self._where, *self._who]))
