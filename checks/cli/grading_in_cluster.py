"""`cahier noter --dans-le-cluster`: what it says while the cluster grades, and how the teacher gets
the marks."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from checks.access.kubernetes_api import Api
from checks.errors import AccessError, CahierError, UsageError
from checks.files import sweep
from checks.french import plural
from checks.grading.grade import WORK
from checks.grading.in_cluster import launch
from checks.grading.in_cluster.launch import Owner
from checks.grading.in_cluster.order import Order, digest, order_of
from checks.grading.in_cluster.run import WHOLE_JOB, Run
from checks.grading.results import ClassGrades, Store, of_class, without_verdict
from checks.grading.roster import Learner
from checks.lab import Lab
from checks.local_sspcloud.image import NAME
from checks.render.grading import console_of, not_kept, progress_bar
from checks.shell import one_word

_LOOKS_EVERY = 2.0  # seconds; a look is three small requests
_LEARNERS_PER_PART = 40


class ClusterGrading:
    """One class, graded by the cluster."""

    def __init__(
        self,
        roster: Path,
        learners: Sequence[Learner],
        labs: Sequence[Lab],
        folder: Path,
        kubeconfig: str | None,
        namespace: str | None,
        image: str | None,
        parts: int | None,
        workers: int,
    ) -> None:
        self._roster, self._learners, self._labs, self._folder = roster, learners, labs, folder
        self._api = Api(kubeconfig, without_secrets=True)
        self._namespace = namespace or self._api.credentials.namespace
        self._image, self._parts, self._workers = image or NAME, parts, workers
        self._group = group_of(roster)
        self._errors = console_of(stderr=True)
        self.store = Store(folder / WORK)
        self.looked_at: datetime | None = None
        """When the cluster began to look at what was collected, by its own clock; None where
        nothing was."""

    def run(self, *, resume: bool) -> ClassGrades:
        """Grade what is not graded yet, or follow what the cluster is grading already. Raises
        CahierError."""
        found = launch.find(self._api, self._namespace, "Job", self._group)
        if found and not resume:
            raise UsageError(
                f"Une notation de cette classe est déjà dans le cluster (job {found.name}, "
                f"namespace {self._namespace}).",
                "Suivez-la et récupérez ses notes avec --reprendre, ou retirez-la : "
                + found.delete_command,
            )
        self._open_folder(afresh=not resume)
        if found:
            run = Run(self._api, found, found)
            self._require_same_version(run, found)
            self._follow_and_collect(run, f"Le cluster note déjà cette classe : job {found.name}.")
        missing = self._missing()
        if missing:
            launch.require_rights(self._api, self._namespace)
            order = self._order(missing)
            job = launch.start(self._api, self._namespace, self._group, order, self._image)
            parts = plural(order.parts, "partie")
            begun = (
                f"Le cluster note : {parts}, namespace {self._namespace}, job {job.name}. Ctrl-C "
                "ne l’arrête pas."
            )
            self._follow_and_collect(Run(self._api, job, job), begun)
        if self._missing():
            self._errors.print(
                "→ Ce qui est noté est gardé. Pour noter le reste : la même commande avec "
                "--reprendre"
            )
        return self._grades()

    def plan(self, schedule: str) -> None:
        """Have the class graded on a schedule. Raises CahierError."""
        found = launch.find(self._api, self._namespace, "CronJob", self._planned)
        if found:
            raise UsageError(
                f"Une notation de cette classe est déjà planifiée (cronjob {found.name}).",
                f"Récupérez ses notes avec --recuperer, puis retirez-la : {found.delete_command}",
            )
        launch.require_rights(self._api, self._namespace)
        order = self._order([(learner, lab) for learner in self._learners for lab in self._labs])
        what = (self._api, self._namespace, self._planned, order, self._image, schedule)
        hour = "heure de Paris"
        try:
            made = launch.start(*what, time_zone="Europe/Paris")
        except launch.UnknownTimeZone:
            made, hour = (
                launch.start(*what),
                "à l’heure du cluster, souvent UTC : il ne connaît pas celle de Paris",
            )
        console = console_of()
        console.print(f"Notation planifiée : « {schedule} », {hour}.")
        console.print("  Récupérer les dernières notes :")
        console.print(
            f"    cahier noter {one_word(str(self._roster))} --dans-le-cluster "
            f"--recuperer{self._where}"
        )
        console.print("  Noter sans attendre :")
        console.print(
            f"    kubectl create job --from=cronjob/{made.name} {made.name}-essai -n "
            f"{self._namespace}"
        )
        console.print("  Ne plus noter :")
        console.print(f"    {made.delete_command}")

    def fetch(self) -> ClassGrades:
        """What the schedule graded last. Raises CahierError."""
        planned = launch.find(self._api, self._namespace, "CronJob", self._planned)
        if planned is None:
            raise UsageError(
                f"Aucune notation de cette classe n’est planifiée dans {self._namespace}.",
                "Planifiez-la : --dans-le-cluster --planifier '0 20 * * *'",
            )
        job = launch.find(self._api, self._namespace, "Job", self._planned)
        if job is None:
            raise CahierError(
                "La notation planifiée n’a pas encore eu lieu.",
                f"Pour noter sans attendre : kubectl create job --from=cronjob/{planned.name} "
                f"{planned.name}-essai -n {self._namespace}",
            )
        run = Run(self._api, job, planned)
        self._require_same_version(run, planned)
        self._follow_and_collect(
            run, f"Notation du {run.started:%d/%m/%Y à %H:%M} (job {job.name}).", planned=True
        )
        return self._grades()

    # -- what these share --------------------------------------------------------------------------

    @property
    def _planned(self) -> str:
        return f"{self._group}.planifiee"

    @property
    def _where(self) -> str:
        return (
            ""
            if self._namespace == self._api.credentials.namespace
            else f" --namespace {self._namespace}"
        )

    def _open_folder(self, *, afresh: bool) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(self._folder)
        if afresh:
            self.store.clear()

    def _order(self, pairs: Sequence[tuple[Learner, Lab]]) -> Order:
        learners = len({learner.identifier for learner, _lab in pairs})
        return order_of(pairs, self._parts or -(-learners // _LEARNERS_PER_PART), self._workers)

    def _missing(self) -> Sequence[tuple[Learner, Lab]]:
        pairs = [(learner, lab) for learner in self._learners for lab in self._labs]
        return [pair for pair in pairs if self.store.read(*pair) is None]

    def _require_same_version(self, run: Run, owner: Owner) -> None:
        if run.order().code != digest():
            raise UsageError(
                "Cette notation a été lancée par une autre version de cahier, qui pourrait noter "
                "autrement.",
                f"Retirez-la, puis recommencez : {owner.delete_command}",
            )

    def _follow_and_collect(self, run: Run, begun: str, *, planned: bool = False) -> None:
        """Wait for a Job's end and take its grades; once they are here, it goes, unless a schedule
        keeps it.

        `begun` is said first, and whoever stops the command from then on is told what stays in the
        cluster.
        """
        try:
            self._errors.print(begun)
            order = run.order()
            self._follow(run, order)
            self._open_folder(afresh=planned)
            self.looked_at = run.started
            run.collect(
                order,
                self.store,
                [(learner, lab) for learner in self._learners for lab in self._labs],
            )
            self._tell_what_is_missing(run, order, planned=planned)
        except (AccessError, KeyboardInterrupt, OSError) as stop:
            self._errors.print(
                f"\nLa notation et ses notes restent dans le cluster (job {run.job.name})."
            )
            self._errors.print(
                "Pour la suivre et les récupérer : la même commande "
                f"{'' if planned else 'avec --reprendre'}".rstrip()
            )
            self._errors.print(f"Pour les abandonner : {run.job.delete_command}")
            if isinstance(stop, OSError):
                raise not_kept(self._folder, stop) from stop
            raise
        except CahierError:
            if not planned:
                launch.remove(self._api, run.job)
            raise
        if not planned:
            launch.remove(self._api, run.job)

    def _follow(self, run: Run, order: Order) -> None:
        told: set[str] = set()
        with progress_bar(self._errors) as bar:
            task = bar.add_task("Notation par le cluster", total=None)
            while True:
                sight = run.look(order)
                bar.update(task, total=sight.total, completed=sight.done)
                for note in sight.notes:
                    if note not in told:
                        told.add(note)
                        self._errors.print(note, style="yellow")
                if sight.ended:
                    return
                time.sleep(_LOOKS_EVERY)

    def _tell_what_is_missing(self, run: Run, order: Order, *, planned: bool) -> None:
        """What no part has graded stays open, with the reason why."""
        why, told = run.failures(), set[str]()
        for learner, lab in self._missing():
            part = order.part_of(learner, lab)
            if self.store.read(learner, lab, in_trouble=True) is not None or (
                part is None and not planned
            ):
                continue  # it has its reason already, or its turn comes
            if part is None:
                reason = "Cette personne, ou ce TP, n’était pas dans la notation planifiée."
            else:
                death = why.get(part) or why.get(WHOLE_JOB) or "elle s’est arrêtée sans explication"
                reason = f"La partie {part + 1} de la notation n’a pas abouti : {death}."
            self.store.write(learner, lab, without_verdict(lab, reason), trouble=True)
            told.add(reason)
        for reason in sorted(told):
            self._errors.print(f"✘ {reason}", style="red")

    def _grades(self) -> ClassGrades:
        grades = {
            (learner.identifier, lab.name): self.store.read(learner, lab, in_trouble=True)
            for learner in self._learners
            for lab in self._labs
        }
        return of_class(
            self._learners, self._labs, {pair: grade for pair, grade in grades.items() if grade}
        )


def group_of(roster: Path) -> str:
    """A name for the class that labels and names of objects can bear, from that of its file."""
    letters = unicodedata.normalize("NFKD", roster.stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:28].strip("-") or "classe"
