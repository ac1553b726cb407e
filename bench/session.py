"""The measures, one after the other, on one cluster."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench import scripts
from bench.classroom import PREFIX, Classroom, work
from bench.following import Followed, follow
from bench.measure import Cost, Run, median, run
from bench.requests import counting
from bench.results import ClassResult, LabResult, Machine, Results, ScaleResult
from checks.access.kubernetes_api import Api
from checks.errors import CahierError
from checks.lab import Lab, find_lab
from checks.local_sspcloud import people
from checks.stage import Person, Stage

_FIRST_PORT = 15_731  # local ones, of the tunnels that the labs open
_HELP_RUNS = 9
_LAB_RUNS = 3
_CLASS_RUNS = 3
# between the learners whose scripts are run: they are spread over what the class has handed in
_STRIDE = 7
_MOVERS = 20  # learners who change while their class is followed
_COUNTED = 3  # learners whose scripts are run once more to count their requests

Steps = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows a step of so many parts while its context lasts, and is told how many are done."""


@dataclass(frozen=True)
class Session:
    """One run of the benchmark. `sample`: how many learners' scripts are run, out of `learners`."""

    admin: Path
    steps: Steps
    learners: int
    sample: int
    sizes: Sequence[int]

    def measure(self) -> Results:
        """Everything. What is made on the cluster is removed, whatever happens. Raises
        CahierError."""
        api = Api(str(self.admin))
        teacher = people.create_teacher(api, self.admin)
        machine = _machine(api)
        with self.steps("cahier --help", _HELP_RUNS) as step:
            began = median(
                [_done(run(["cahier", "--help"]), step, count).cost for count in range(_HELP_RUNS)]
            )
        labs = self._labs(api)
        with tempfile.TemporaryDirectory(prefix="cahier-mesure-") as folder:
            classroom = self._classroom(api, teacher, Path(folder))
            scale, followed = self._scale(api, teacher, Path(folder))
        return Results(
            datetime.now(UTC).replace(microsecond=0),
            machine,
            began,
            labs,
            classroom,
            scale,
            followed,
        )

    # -- one learner, one lab ----------------------------------------------------------------------

    def _labs(self, api: Api) -> tuple[LabResult, ...]:
        labs = scripts.labs()
        found: list[LabResult] = []
        with self.steps("Chaque TP, juste puis faux : cahier, et le script", 2 * len(labs)) as step:
            for lab in labs:
                for right in (True, False):
                    port = _FIRST_PORT + len(found)
                    with (
                        self._pair(api) as (learner, colleague),
                        _playing(lab, learner, colleague, port, right),
                    ):
                        found.append(self._lab(lab, right, learner, colleague, port))
                    step(len(found))
        return tuple(found)

    @contextmanager
    def _pair(self, api: Api) -> Iterator[tuple[Person, Person]]:
        """Two new people, removed at the end whatever happens."""
        names = [f"{PREFIX}{secrets.token_hex(2)}-{letter}" for letter in "ab"]
        try:
            learner, colleague = (
                Person(people.namespace_of(name), people.create_person(api, self.admin, name))
                for name in names
            )
            yield learner, colleague
        finally:
            for name in names:
                people.remove_person(api, name)

    def _lab(
        self, lab: Lab, right: bool, learner: Person, colleague: Person, port: int
    ) -> LabResult:
        ours = ["cahier", "verifier", lab.short_name]
        ours += [] if lab.about.colleague == "none" else ["--collegue", colleague.namespace]
        ours += [] if lab.about.port is None else ["--port", str(port)]
        theirs = (lab.short_name, learner.namespace, colleague.namespace, self.admin, port)
        costs: dict[str, list[Run]] = {"ours": [], "script": [], "unpaused": []}
        for _ in range(_LAB_RUNS):
            costs["ours"].append(run(ours, learner.environment))
            costs["script"].append(scripts.judge(*theirs))
            costs["unpaused"].append(scripts.judge(*theirs, pause=0))
            for one in (
                costs["ours"][-1],
                *(costs[name][-1] for name in ("script", "unpaused") if right),
            ):
                if one.code != (0 if right else 1):
                    state = "La solution" if right else "Le départ"
                    raise CahierError(
                        f"{state} de {lab.short_name} est mal jugé : {one.output[-500:]}"
                    )
        medians = {name: median([one.cost for one in runs]) for name, runs in costs.items()}
        return LabResult(
            lab=lab.short_name, title=lab.about.title, right=right, runs=_LAB_RUNS, **medians
        )

    # -- a class -----------------------------------------------------------------------------------

    @contextmanager
    def _room(self, api: Api, *, started: bool) -> Iterator[Classroom]:
        """An empty class, removed at the end whatever happens."""
        room = Classroom(api, started)
        try:
            yield room
        finally:
            with self.steps("Suppression de la classe", len(room.learners)) as step:
                room.remove(step)

    def _classroom(self, api: Api, teacher: Path, folder: Path) -> ClassResult:
        with self._room(api, started=True) as room:
            with self.steps(f"Une classe de {self.learners}", self.learners) as step:
                room.grow(self.learners, step)
            with self.steps("Démarrage de ses pods", self.learners) as step:
                pods = room.wait_ready(step)
            roster = room.roster(folder, self.learners)
            with self.steps("cahier noter", _CLASS_RUNS) as step:
                graded = [
                    _done(_grade(roster, folder, teacher), step, count)
                    for count in range(_CLASS_RUNS)
                ]
            failed = _failed(folder)
            labs = [lab.short_name for lab in scripts.labs()]
            sample = [
                room.learners[number * _STRIDE % self.learners] for number in range(self.sample)
            ]
            asked = [(learner, lab) for learner in dict.fromkeys(sample) for lab in labs]
            judged = []
            with self.steps(
                f"{len(asked)} scripts sur {self.learners * len(labs)}", len(asked)
            ) as step:
                for learner, lab in asked:
                    colleague = people.namespace_of(learner.colleague)
                    judged.append(scripts.judge(lab, learner.namespace, colleague, self.admin))
                    step(len(judged))
            with self.steps("Leurs requêtes", _COUNTED) as step, counting(self.admin) as counter:
                for count, learner in enumerate(sample[:_COUNTED]):
                    for lab in labs:
                        colleague = people.namespace_of(learner.colleague)
                        scripts.judge(lab, learner.namespace, colleague, counter.kubeconfig)
                    step(count + 1)
                requests = counter.total() / len(sample[:_COUNTED])
        return ClassResult(
            learners=self.learners,
            labs=len(labs),
            pods=pods,
            ours=median([one.cost for one in graded]),
            ours_requests=_requests(graded[-1]) / self.learners,
            script=_total(judged, self.learners * len(labs)),
            script_requests=requests,
            measured=len(judged),
            agreed=sum(
                bool(one.code) == ((learner.name, lab) in failed)
                for one, (learner, lab) in zip(judged, asked, strict=True)
            ),
        )

    def _scale(
        self, api: Api, teacher: Path, folder: Path
    ) -> tuple[tuple[ScaleResult, ...], tuple[Followed, ...]]:
        found, followed = [], []
        with self._room(api, started=False) as room:
            for size in sorted({self.learners, *self.sizes}):
                with self.steps(
                    f"{size} namespaces sans conteneur", size - len(room.learners)
                ) as step:
                    room.grow(size, step)
                with self.steps(f"cahier classe suivre, {size} personnes", 1):
                    followed.append(_followed(room, room.roster(folder, size), teacher))
                if size not in self.sizes:
                    continue
                with self.steps(f"cahier noter, {size} personnes", 1) as step:
                    # what a teacher has to decide of one class is no other class's
                    output = folder / f"{size}"
                    graded = _done(_grade(room.roster(folder, size), output, teacher), step, 0)
                found.append(
                    ScaleResult(size, len(scripts.labs()), graded.cost, _requests(graded) / size)
                )
        return tuple(found), tuple(followed)


def _followed(room: Classroom, roster: Path, teacher: Path) -> Followed:
    """The board of the class, while some of those whose API is right see it fail, then heal."""
    right = [one for one in room.learners if ("tp2", "solution") in work(one.number)]

    def change(name: str, ready: bool) -> None:
        room.set_ready(next(one for one in right if one.name == name), ready)

    movers = [one.name for one in right[:: max(1, len(right) // _MOVERS)]]
    return follow(roster, teacher, [one.name for one in room.learners], movers, change)


def _done(done: Run, step: Callable[[int], None], count: int) -> Run:
    """The run, once the step has been told."""
    step(count + 1)
    return done


@contextmanager
def _playing(
    lab: Lab, learner: Person, colleague: Person, port: int, right: bool
) -> Iterator[None]:
    """The solution of a lab, or its starter, with its tunnels open while the context lasts."""
    stage = Stage(lab, learner, colleague, local_port=port)
    state = lab.about.solution if right else lab.about.start
    try:
        stage.run(lab.about.setup.colleague_commands, colleague)
        stage.run(lab.about.setup.commands)
        stage.apply(lab.files("solution" if right else "depart"))
        stage.run(state.commands)
        yield
    finally:
        stage.close()


def _grade(roster: Path, folder: Path, teacher: Path) -> Run:
    """`cahier noter` with the teacher's rights, of the labs that have a script, its requests told
    by its HTTP library. Raises CahierError."""
    output, access = ["--sortie", str(folder / "notes")], ["--kubeconfig", str(teacher)]
    labs = ["--labs", ",".join(lab.short_name for lab in scripts.labs())]
    done = run(["cahier", "--debug", "noter", str(roster), *output, *access, *labs])
    if done.code not in (0, 3):
        raise CahierError(f"La notation a échoué : {done.output[-500:]}")
    return done


def _requests(done: Run) -> int:
    """Requests that a command with --debug has made."""
    return len(
        re.findall(r"^DEBUG:urllib3\.connectionpool:.* HTTP/1\.1\" \d", done.output, re.MULTILINE)
    )


def _failed(folder: Path) -> set[tuple[str, str]]:
    """Learner and lab of each verdict in which a check has failed."""
    grades = json.loads((folder / "notes" / "notes.json").read_text(encoding="utf-8"))
    return {
        (learner["identifier"], find_lab(lab["lab"]).short_name)
        for learner in grades["learners"]
        for lab in learner["labs"]
        if any(check["status"] == "failed" for check in lab["checks"])
    }


def _total(runs: Sequence[Run], count: int) -> Cost:
    """What `count` runs cost one after the other, when these are a fair part of them."""
    share = count / len(runs)
    return Cost(
        wall=sum(one.cost.wall for one in runs) * share,
        processor=sum(one.cost.processor for one in runs) * share,
        memory=max(one.cost.memory for one in runs),
    )


def _machine(api: Api) -> Machine:
    major, minor = api.version()
    said = subprocess.run(
        ["kubectl", "version", "--client", "-o", "json"], capture_output=True, text=True, check=True
    )
    return Machine(
        processor=_processor(),
        cores=len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else os.cpu_count() or 1,
        memory=round(psutil.virtual_memory().total / 2**30),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        kubectl=json.loads(said.stdout)["clientVersion"]["gitVersion"].removeprefix("v"),
        kubernetes=f"{major}.{minor}",
    )


def _processor() -> str:
    """Its commercial name, where the system tells it."""
    with contextlib.suppress(OSError):
        found = re.search(
            r"^model name\s*: (.*)$",
            Path("/proc/cpuinfo").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
