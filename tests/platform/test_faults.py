"""What keeps us from seeing is never the learner's fault: answers that are spoilt, late or refused,
and runs cut short.

What was right may become « non vérifiable » or « erreur », never false; nothing ends in a
traceback, nothing stays. More of each, or all of it: CAHIER_PANNES=200 or 0. CAHIER_GRAINE draws
others; CAHIER_DEMANDE='DELETE .*/pods/pg-proxy' spoils these requests only.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psutil
import pytest

from checks import refusals
from checks.access import api_errors, kubernetes_api
from checks.access.kubernetes_api import Api
from checks.diagnosis.rights.role import NEEDED
from checks.errors import AccessError, Refused
from checks.facts import PROBE_LABEL
from checks.lab import all_labs, find_lab
from checks.objects.pods import PodObject
from checks.places import people_folder
from checks.process import OWNER, VARIABLE
from checks.stage import Person, Stage
from tests.conftest import people, unused_port
from tests.support.faulty_api import KINDS, STATUSES, Faults, faulty
from tests.support.impatient import SHORTER, WAIT
from tests.support.restricted import Restricted
from tests.support.rights import Right, needed, refusal
from tests.support.typed import Run, typed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(10800)]

LABS = [lab.short_name for lab in all_labs()]
OTHERS = ("diagnostiquer", "instantane", "noter", "catalogue", "indice", "")
BASE = "base-d-essai"
USUAL = 8
DRAWN = int(os.environ.get("CAHIER_PANNES", USUAL))
ONLY = re.compile(os.environ.get("CAHIER_DEMANDE", ""))
# a verification that places probes takes seconds: fewer of their faults are drawn
SLOW = ("tp4", "tp7", "tp8", "tp9")
TRIES = 3  # at most, while the cluster itself makes false what was right
SETTLES = 60.0  # seconds for what was replaced to be ready again, on a busy machine

Statuses = Mapping[str, str]


@dataclass
class Scene:
    """Somebody whose work is right, a command that they type, and the proxy before their
    cluster."""

    name: str
    command: Sequence[str]
    kubeconfig: Path
    faults: Faults
    folder: Path
    cast: Sequence[Person]
    """The learner, then the colleague."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def person(self) -> Person:
        return self.cast[0]

    @cached_property
    def right(self) -> Run:
        """The first run, without a fault."""
        return self.settled()

    @cached_property
    def usual(self) -> Sequence[str]:
        """The requests of a run without a fault."""
        _ = self.right
        self.play(None)
        return list(self.faults.asked)

    def type(self) -> Run:
        with pytest.MonkeyPatch.context() as terminal:
            for name, value in self.environment.items():
                terminal.setenv(name, value)
            return typed(self.command, self.kubeconfig)

    def play(self, index: int | None, kind: str = "") -> Run:
        self.faults.plan(index, kind)
        return self.type()

    def settled(self) -> Run:
        """A run without a fault, once what is still starting has settled."""
        until = time.monotonic() + SETTLES
        while True:
            right = self.play(None)
            wanted = (
                {*self.statuses(right).values()} == {"passed"}
                if self.name in LABS
                else "Indice" not in right.said
            )
            if wanted:
                return right
            assert time.monotonic() < until, right.said
            time.sleep(0.5)

    def holds(self, before: Statuses) -> bool:
        """Whether what was right still is: a pod is not ready where its node is too busy to ask
        it."""
        now = self.play(None)
        if self.statuses(now) == before and "Indice" not in now.said:
            return True
        self.settled()
        return False

    def statuses(self, run: Run) -> Statuses:
        """Of each check that the command has judged."""
        return {name: one["status"] for name, one in self.judged(run).items()}

    def judged(self, run: Run) -> Mapping[str, Mapping[str, str]]:
        """What the command says of each check."""
        if self.command[:1] == ["verifier"]:
            return {one["id"]: one for one in run.verdict["checks"]} if run.said else {}
        if self.command[:1] == ["noter"] and run.code in (0, 3):
            notes = json.loads((self.folder / "notes" / "notes.json").read_text(encoding="utf-8"))
            labs = [lab for learner in notes["learners"] for lab in learner["labs"]]
            return {f"{lab['lab']} {one['id']}": one for lab in labs for one in lab["checks"]}
        return {}


def _ready(stage: Stage) -> None:
    if stage.colleague:
        Stage(stage.lab, stage.colleague, stage.colleague).run(
            stage.lab.about.setup.colleague_commands, stage.colleague
        )
    stage.run(stage.lab.about.setup.commands)
    stage.apply(stage.lab.files("solution"))
    stage.run(stage.lab.about.solution.commands)


def _words(name: str, stage: Stage, folder: Path) -> list[str]:
    """The command of a scene."""
    if name in LABS:
        words = ["verifier", name, "--json", "--delai", "0s"]
        words += ["--collegue", stage.colleague.namespace] if stage.colleague else []
        return words + (["--port", str(stage.local_port)] if stage.local_port else [])
    if name == "noter":
        roster = folder / "classe.csv"
        line = f"un;Nom;Prénom;un@exemple.fr;{stage.learner.namespace};"
        roster.write_text(
            f"identifiant;nom;prenom;email;namespace;collegue\n{line}\n", encoding="utf-8"
        )
        return ["noter", str(roster), "--labs", "tp1,tp2", "--sortie", str(folder / "notes")]
    others = {
        "instantane": ["instantane", "-o", str(folder / "vu.json")],
        "catalogue": ["catalogue", "lister"],
        "indice": ["indice", "tp2", "--port", str(stage.local_port)],
        "lancer": ["catalogue", "lancer", "postgresql", "--nom", BASE],
    }
    return others.get(name, [name] if name else [])


@pytest.fixture(scope="module")
def scene(
    request: pytest.FixtureRequest,
    admin: Api,
    admin_kubeconfig: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    name, folder = request.param, tmp_path_factory.mktemp("scene")
    lab = find_lab(name if name in LABS else "tp2")
    with people(admin, admin_kubeconfig, tmp_path_factory) as new_person:
        colleague = new_person("c") if lab.about.colleague != "none" else None
        stage = Stage(
            lab, new_person("e"), colleague, local_port=unused_port() if lab.about.port else None
        )
        try:
            _ready(stage)
            if name == "noter":  # what only the learner's machine shows is in a receipt
                stage.run([f"cahier verifier tp2 --port {stage.local_port}"])
            cast = [stage.learner, *([colleague] if colleague else [])]
            known = {one.namespace.removeprefix("user-"): one.kubeconfig for one in cast}
            known |= {one: people_folder() / f"{one}.kubeconfig" for one in ("chloe", "prof")}
            access = folder / "etat" / "cluster" / "people"  # where the local cluster keeps it
            access.mkdir(parents=True)
            who = "prof" if name == "noter" else stage.learner.namespace.removeprefix("user-")
            with faulty(known, access) as (kubeconfigs, faults):
                environment = {"CAHIER_ETAT": str(folder / "etat")}
                yield Scene(
                    name,
                    _words(name, stage, folder),
                    kubeconfigs[who],
                    faults,
                    folder,
                    cast,
                    environment,
                )
        finally:
            stage.close()


def _some(scene: Scene, what: str, every: Sequence[object], wanted: int) -> Sequence[int]:
    """Indexes of those that are drawn."""
    if not DRAWN:
        return range(len(every))
    seed = f"{scene.name} {what} {os.environ.get('CAHIER_GRAINE', '')}"
    return random.Random(seed).sample(range(len(every)), min(max(wanted, 1), len(every)))


ALL = pytest.mark.parametrize(
    "scene", [*LABS, *OTHERS], indirect=True, ids=[*LABS, *OTHERS[:-1], "cahier"]
)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is waited for as ever, only less long."""
    for module, name, value in SHORTER:
        monkeypatch.setattr(module, name, value)


# -- spoilt and late answers -----------------------------------------------------------------------


@ALL
@pytest.mark.usefixtures("impatient")
def test_a_fault_of_the_network_is_never_the_learner_s(scene: Scene, admin: Api) -> None:
    before = scene.statuses(scene.right)
    began = time.monotonic()
    asked = scene.usual
    usual = time.monotonic() - began
    # `cahier` alone reads what this machine remembers
    assert asked or not scene.name, f"nothing was asked of the cluster: {scene.right}"
    every = [
        (index, kind)
        for index, request in enumerate(asked)
        if ONLY.search(request)
        for kind in KINDS
    ]
    drawn = _some(scene, "pannes", every, DRAWN // 4 if scene.name in SLOW else DRAWN)
    wrong = []
    for index, kind in (every[number] for number in drawn):
        for _ in range(TRIES):
            _ready_again(scene, admin)
            began = time.monotonic()
            ended = scene.play(index, kind)
            met = (
                scene.faults.asked[index]
                if index < len(scene.faults.asked)
                else f"(never asked) {asked[index]}"
            )
            why = _amiss(scene, ended, before) or _too_long(time.monotonic() - began - usual)
            if not why or scene.holds(before):
                break
        if why:
            wrong.append(f"{kind} at {index} ({met}): {why}")
    print(f"{scene.name}: {len(drawn)} faults of {len(every)}, {len(wrong)} wrong ends")
    assert not wrong, f"{len(wrong)} wrong ends of {len(drawn)}:\n" + "\n".join(wrong)
    assert not _left(scene, admin)


def _ready_again(scene: Scene, admin: Api) -> None:
    """Wait until what the last run has itself broken, as lab 7's do, is ready: one that follows at
    once would rightly say that it is not."""
    until = time.monotonic() + SETTLES
    for person in scene.cast:
        path = f"/api/v1/namespaces/{person.namespace}/pods"
        while time.monotonic() < until and not all(
            one.status.is_ready or one.status.phase == "Succeeded"
            for one in admin.each(PodObject, "Pod", path)
            if PROBE_LABEL not in one.metadata.labels
        ):
            time.sleep(0.2)


def _too_long(more: float) -> str:
    """A silence is waited for once; what is retried for a moment takes that moment."""
    return f"{more:.0f} seconds more than without a fault" if more > 4 * WAIT + 30 else ""


def _amiss(scene: Scene, ended: Run, before: Statuses, own: Sequence[str] = ()) -> str:
    """What is wrong with how a command ended, "" for nothing. `own`: sentences that the fault
    itself makes false."""
    everything = ended.said + ended.complained
    if (
        "Traceback" in everything
        or "a un problème" in everything
        or "problème imprévu" in everything
    ):
        return f"{everything[-300:]}"
    if not ended.said and ended.code != 3:
        return f"exit {ended.code}: {ended.complained[-300:]}"
    if "pas retenu" in "".join(one["finding"] for one in scene.judged(ended).values()):
        return "a receipt is doubted"
    now = scene.statuses(ended)
    turned = [
        name for name, status in now.items() if status == "failed" and before.get(name) == "passed"
    ]
    turned = [name for name in turned if name not in own]
    if turned:
        return f"{turned[0]} becomes false: {_finding(scene, ended, turned[0])}"
    if "Indice" in ended.said:
        return f"a hint where nothing is wrong: {ended.said}"
    if scene.command[:1] == ["verifier"] and ended.said:
        expected = {"passed": 0, "failed": 1}.get(ended.verdict["status"], 3)
        return "" if ended.code == expected else f"exit {ended.code} for {ended.verdict['status']}"
    return ""


def _finding(scene: Scene, ended: Run, identifier: str) -> str:
    return scene.judged(ended)[identifier]["finding"]


def _left(scene: Scene, admin: Api, pid: int | None = None) -> Sequence[str]:
    """What our runs, or that of one process, have left on the cluster and on this machine."""
    found = []
    for path in ("/api/v1/pods", "/apis/networking.k8s.io/v1/networkpolicies"):
        for item in admin.objects("", path):
            metadata = item["metadata"]
            owner = (metadata.get("annotations") or {}).get(OWNER, "")
            own = metadata["namespace"] in [one.namespace for one in scene.cast]
            probe = PROBE_LABEL in (metadata.get("labels") or {})
            if "deletionTimestamp" not in metadata and (
                (own and (probe or owner)) or (pid and f".{pid}." in owner)
            ):
                found.append(f"{metadata['namespace']}/{metadata['name']}")
    if pid is not None:
        found += [str(one) for one in (scene.folder / "tmp").iterdir()]
        found += [str(one) for one in scene.folder.rglob("*.cahier-en-cours")]
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if f".{pid}." in process.environ().get(VARIABLE, ""):
                    found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.parametrize("scene", ["catalogue"], indirect=True)
def test_a_watch_that_is_spoilt_is_a_cluster_that_cannot_be_asked(scene: Scene) -> None:
    """What « --suivre » then does is to begin another one."""
    scene.faults.plan(None)
    api = Api(str(scene.kubeconfig))
    whole = [f"status-{code}" for code in STATUSES] + ["page", "redirect", "cut-before", "endless"]
    path = kubernetes_api.collection("Pod", scene.person.namespace)
    for kind in (*whole, "null", "no-metadata"):
        scene.faults.plan(0, kind)
        with pytest.raises(AccessError):
            api.latest(path)
    for kind in whole:
        scene.faults.plan(0, kind)
        with pytest.raises(AccessError):
            next(api.watch(path, "0"))


# -- rights that are lacking -----------------------------------------------------------------------


@ALL
def test_a_right_that_is_lacking_is_told_and_no_mistake(scene: Scene, admin: Api) -> None:
    before = scene.statuses(scene.right)
    used = sorted({right for request in scene.usual for right in needed(request)})
    ways = [(right, False) for right in used]
    restricted = None
    # the teacher's rights are everybody's: only the proxy may refuse them
    if scene.name != "noter":
        restricted = Restricted(admin, scene.person.namespace)
        ways += [(right, True) for right in used if right in restricted.given]
    drawn = _some(scene, "droits", ways, DRAWN // 8 if scene.name in SLOW else DRAWN // 4)
    wrong = []
    with restricted or contextlib.nullcontext():
        for right, really in (ways[number] for number in drawn):
            for _ in range(TRIES):
                scene.faults.plan(None)
                if restricted is not None and really:
                    restricted.withdraw(right)
                else:
                    scene.faults.deny(right, scene.kubeconfig.stem)
                ended = scene.type()
                if restricted is not None and really:
                    restricted.restore(right)
                why = _amiss(scene, ended, before, OF_RIGHTS) or _unnamed(
                    scene, ended, before, right
                )
                if not why or scene.holds(before):
                    break
            if why:
                wrong.append(f"{right}{' (withdrawn)' if really else ''}: {why}")
    print(f"{scene.name}: {len(drawn)} rights, {len(wrong)} wrong ends")
    assert not wrong, f"{len(wrong)} wrong ends of {len(drawn)}:\n" + "\n".join(wrong)


OF_RIGHTS = ("vos_droits_suffisent",)
"""The sentences that judge the learner's own rights: one that lacks makes them false."""


def _unnamed(scene: Scene, ended: Run, before: Statuses, right: Right) -> str:
    """Why a right that keeps a sentence from being verified is not said to be lacking, "" when it
    is."""
    now = scene.judged(ended)
    changed = [name for name, status in before.items() if status != now.get(name, {}).get("status")]
    if (ended.code in (0, 1) or now) and not changed:
        return ""
    told = (
        [one["finding"] for one in now.values() if one["status"] != "passed"]
        if now
        else [ended.said]
    )
    said = " | ".join([*told, ended.complained]).replace("\n", " ")
    words = [refusals.Refusal("", right.verb, right.path or right.resource, "").what, str(right)]
    words += [
        one.words for one in NEEDED if (one.verb, one.resource) == (right.verb, right.resource)
    ]
    if any(word in said for word in words):
        return ""
    return f"« {words[0]} » is not said: {said[:500]}"


def test_rights_are_refused_as_the_api_server_does(admin: Api, cast: Mapping[str, Person]) -> None:
    person = cast["alice"]
    api = Api(str(person.kubeconfig))
    place = person.namespace.replace("user-", "user-autre-")
    paths = [
        *(f"/api/v1/namespaces/{place}{end}" for end in ("", "/pods", "/pods/x", "/pods/x/log")),
        f"/apis/apps/v1/namespaces/{place}/deployments",
        "/api/v1/nodes",
        "/metrics",
    ]
    for path in paths:
        with pytest.raises(Refused) as real:
            api.request("GET", path)
        pretended = refusal(
            needed(f"GET {path}")[0], f"oidc-{person.namespace.removeprefix('user-')}", path
        )
        said = api_errors.refused(api.credentials, None, 403, json.dumps(pretended).encode())
        assert said.message == real.value.message


# -- runs that are cut short -----------------------------------------------------------------------

CUT = ("KILL", "INT INT", "TERM", "HUP", "INT")
CUT_SCENES = ["tp4", "tp7"] if DRAWN == USUAL else [*LABS, "instantane", "noter", "lancer"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("scene", CUT_SCENES, indirect=True)
def test_a_run_that_is_cut_short_leaves_nothing(scene: Scene, admin: Api) -> None:
    scene.faults.plan(None)
    began = time.monotonic()
    _end(_begin(scene), [], 0)
    lasts = time.monotonic() - began
    draws = random.Random(f"{scene.name} {os.environ.get('CAHIER_GRAINE', '')}")
    wanted = {0: 60, USUAL: 2}.get(DRAWN, DRAWN)
    kinds = [CUT[number % len(CUT)] for number in range(wanted)]
    wrong = []
    for kind in kinds:
        moment = draws.uniform(0.1, lasts)
        if scene.name == "lancer":
            typed(["catalogue", "arreter", BASE], scene.kubeconfig)
        process = _begin(scene)
        _end(process, kind.split(), moment)
        if kind == "KILL":
            _end(_begin(scene), [], 0)  # the next one clears
        left = _left(scene, admin, process.pid)
        ended = scene.settled()
        why = f"left: {left}" if left else _amiss(scene, ended, scene.statuses(ended))
        if why:
            wrong.append(f"{kind} after {moment:.2f} s of {lasts:.1f}: {why}")
    print(f"{scene.name}: {len(kinds)} runs cut short, {len(wrong)} wrong ends")
    assert not wrong, "\n".join(wrong)


def _begin(scene: Scene) -> subprocess.Popen[bytes]:
    (scene.folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        ["cahier", *scene.command],
        env={
            **os.environ,
            **scene.environment,
            "KUBECONFIG": str(scene.kubeconfig),
            "TMPDIR": f"{scene.folder}/tmp",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=scene.folder,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes], signals: Sequence[str], moment: float) -> None:
    """Let it run; `signals` come at a moment, one right after another."""
    if signals:
        time.sleep(moment)
    for name in signals:
        process.send_signal(getattr(signal, f"SIG{name}"))
        time.sleep(0.05)
    process.wait(120)
