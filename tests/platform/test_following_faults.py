"""`verifier --suivre` goes on through all that spoils an answer: what was right never becomes
false, no change is missed, and a signal ends it at once, with nothing left. CAHIER_PANNES and
CAHIER_GRAINE as in test_faults.py."""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.access import kubernetes_api
from checks.access.kubernetes_api import Api, collection
from checks.errors import Refused
from checks.lab import find_lab
from checks.stage import Person, Stage
from tests.conftest import people, unused_port
from tests.support.faulty_api import KINDS, Faults, faulty
from tests.support.rights import Right

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(10800)]

ROOT = Path(__file__).parents[2]
DRAWN = int(os.environ.get("CAHIER_PANNES", "2"))
KINDS_WATCHED = (
    "Pod",
    "Service",
    "ConfigMap",
    "NetworkPolicy",
    "Role",
    "RoleBinding",
    "Deployment",
)
CALM = 0.6  # seconds without a request after which a look is over
WAYS = ("start", "look", "cut")
"""When it asks: as it begins, once something has changed, once its watches were cut."""
TRIES = 3  # at most, while the API itself is not ready for a moment
SEEN = 60.0  # seconds for a change to be seen, whatever has been spoilt, on a busy machine
ENDS = 10.0  # seconds for a signal to end it
IMPATIENT = (sys.executable, "-m", "tests.support.impatient")
_NAME = "essai"
_OTHERS = f"""
apiVersion: v1
kind: Service
metadata: {{name: {_NAME}}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {_NAME}}}
rules: []
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {_NAME}}}
spec: {{podSelector: {{matchLabels: {{essai: personne}}}}}}
"""
_SENTENCE = re.compile(r"^  ([✔✘·?!]) (.*?) +\d+/\d+$", re.MULTILINE)


@dataclass
class Following:
    """Somebody whose API is right and who has yet to open its tunnel: « verifier tp2 --suivre »
    waits for them."""

    person: Person
    kubeconfig: Path
    faults: Faults
    folder: Path
    admin: Api
    port: int
    _process: subprocess.Popen[bytes] | None = None
    _stirs: Iterator[int] = field(default_factory=itertools.count)

    def begin(self, program: Sequence[str] = IMPATIENT) -> None:
        (self.folder / "tmp").mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "CAHIER_ETAT": str(self.folder / "etat"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "160",
        }
        words = ["verifier", "tp2", "--suivre", "--delai", "0s", "--port", str(self.port)]
        with (
            (self.folder / "dit").open("wb") as said,
            (self.folder / "plaintes").open("wb") as complaints,
        ):
            self._process = subprocess.Popen(
                [*program, *words],
                env=environment,
                stdout=said,
                stderr=complaints,
                cwd=self.folder,
                start_new_session=True,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def goes_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def complained(self) -> str:
        return (self.folder / "plaintes").read_text(encoding="utf-8")

    def verdicts(self) -> Sequence[Mapping[str, str]]:
        """Each that was shown whole: a sentence to its mark."""
        said = (self.folder / "dit").read_text(encoding="utf-8")
        whole = [part for part in said.split("TP2 · ")[1:] if re.search(r"\d+/\d+ points", part)]
        return [{title: mark for mark, title in _SENTENCE.findall(part)} for part in whole]

    def calm(self, wanted: int, seconds: float) -> bool:
        """Wait until so many verdicts were shown and nothing more is asked; False when that does
        not come."""
        until = time.monotonic() + seconds
        asked, since = -1, time.monotonic()
        while self.goes_on and time.monotonic() < until:
            if asked != len(self.faults.asked):
                asked, since = len(self.faults.asked), time.monotonic()
            if time.monotonic() > since + CALM and len(self.verdicts()) >= wanted:
                return True
            time.sleep(0.05)
        return False

    def settled(self) -> Mapping[str, str]:
        """What is shown once the API has started: only its tunnel is missing."""
        self.faults.plan(None)
        self.begin()
        until = time.monotonic() + 2 * SEEN
        number = 0
        while self.goes_on and time.monotonic() < until:
            number += 1
            self.calm(number, SEEN)
            found = self.verdicts()[-1:]
            if found and "".join(found[0].values()) == "✔✔✔✘··":
                return found[0]
            self.stir("Service")
        raise AssertionError(self.verdicts())

    def provoke(self, way: str, index: int | None = None, kind: str = "") -> int:
        """Have it ask, in one of WAYS, with this request spoilt; how many requests that makes."""
        if way == "start":
            self.stop()
        if way != "start" and not self.goes_on:
            self.settled()
        known = len(self.verdicts()) if way == "look" else 0
        self.faults.plan(index, kind)
        if way == "start":
            self.begin()
        elif way == "look":
            self.stir("Service")
        else:
            self.faults.cut()
            until = time.monotonic() + SEEN
            while (
                self.goes_on
                and len(self.faults.asked) < len(KINDS_WATCHED)
                and time.monotonic() < until
            ):
                time.sleep(0.05)
        self.calm(known + 1, SEEN)
        return len(self.faults.asked)

    def has_wavered(self, since: datetime) -> bool:
        """Whether the API itself was not ready since then: its node may be too busy to ask it."""
        pods = self.admin.objects("Pod", collection("Pod", self.person.namespace))
        conditions = [one for pod in pods for one in pod["status"].get("conditions") or ()]
        return any(datetime.fromisoformat(one["lastTransitionTime"]) >= since for one in conditions)

    def stop(self) -> None:
        if self.goes_on:
            self.process.kill()
            self.process.wait()

    def stir(self, kind: str) -> None:
        """Change an object of this kind, in nothing that counts."""
        path = collection(kind, self.person.namespace)
        # Not the first: among ConfigMaps, that is our own receipt.
        name = self.admin.objects(kind, path)[-1]["metadata"]["name"]
        word = {"metadata": {"annotations": {"essai": str(next(self._stirs))}}}
        self.admin.request(
            "PATCH", f"{path}/{name}", word, content_type="application/merge-patch+json"
        )

    def end(self, name: str) -> str:
        """What is wrong with how a signal ends it."""
        self.process.send_signal(getattr(signal, f"SIG{name}"))
        try:
            code = self.process.wait(ENDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"{name} does not end it"
        left = [str(one) for one in (self.folder / "tmp").iterdir()]
        if code != 130 or "Traceback" in self.complained or left:
            return f"{name}: exit {code}, left {left}: {self.complained[-300:]}"
        return ""


@pytest.fixture(scope="module")
def following(
    admin: Api, admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Following]:
    folder = tmp_path_factory.mktemp("suivre")
    with people(admin, admin_kubeconfig, tmp_path_factory) as new_person:
        person = new_person("e")
        stage = Stage(find_lab("tp2"), person)
        stage.apply({**stage.lab.files("solution"), "autres.yaml": _OTHERS})
        stage.run([one for one in stage.lab.about.solution.commands if not one.endswith("&")])
        (folder / "acces").mkdir()
        with faulty({"e": person.kubeconfig}, folder / "acces") as (kubeconfigs, faults):
            one = Following(person, kubeconfigs["e"], faults, folder, admin, unused_port())
            yield one
            one.stop()


def _kind(request: str) -> str:
    """Of the objects that a request is about; one that nothing spoils where it is about none."""
    paths = {collection(kind, "[^/]+"): kind for kind in KINDS_WATCHED}
    return next(
        (kind for path, kind in paths.items() if re.fullmatch(f"GET {path}([?].*)?", request)),
        "Service",
    )


def test_a_fault_met_while_following_hides_no_change(following: Following) -> None:
    one = following
    right = one.settled()
    asked = {way: one.provoke(way) for way in WAYS}
    every = [
        (way, index, kind)
        for way, number in asked.items()
        for index in range(number)
        for kind in KINDS
    ]
    draws = random.Random(f"suivre {os.environ.get('CAHIER_GRAINE', '')}")
    wrong = []
    drawn = draws.sample(every, min(DRAWN, len(every))) if DRAWN else every
    for way, index, kind in drawn:
        for _ in range(TRIES):
            began = datetime.now(UTC).replace(microsecond=0)
            known = len(one.verdicts()) if way != "start" and one.goes_on else 0
            one.provoke(way, index, kind)
            met = one.faults.asked[index] if index < len(one.faults.asked) else "(never asked)"
            why = (
                _amiss(one, known, right)
                or _unseen(one, _kind(met), right)
                or _amiss(one, known, right)
            )
            if not why or not one.has_wavered(began):
                break
        if why:
            wrong.append(f"{kind} at {index} of a {way} ({met}): {why}")
    print(f"suivre: {len(drawn)} faults of {len(every)}, {len(wrong)} wrong ends")
    assert not wrong, f"{len(wrong)} wrong ends of {len(drawn)}:\n" + "\n".join(wrong)


def test_a_watch_says_where_to_go_on_and_that_it_is_too_late(
    admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_api, "_WATCH", 4)
    path = collection("ConfigMap", "kube-system")
    *_, last = admin.watch(path, admin.latest(path))
    assert last["type"] == "BOOKMARK"
    with pytest.raises(Refused) as refused:
        next(admin.watch(path, "1"))
    assert refused.value.status == 410


def test_what_may_be_read_but_not_watched_is_told(following: Following) -> None:
    one = following
    one.stop()
    one.faults.deny(Right("watch", "services"), "e")
    one.begin()
    until = time.monotonic() + SEEN
    while not one.complained and time.monotonic() < until:
        time.sleep(0.1)
    assert re.search(
        "Des changements ne seront pas remarqués : .* ne peut pas suivre des Services",
        one.complained,
    )
    assert one.goes_on


def _amiss(one: Following, known: int, right: Mapping[str, str]) -> str:
    """What is wrong with what was said since so many verdicts, "" for nothing."""
    if "Traceback" in one.complained or "imprévu" in one.complained:
        return one.complained[-400:]
    turned = [
        title
        for verdict in one.verdicts()[known:]
        for title, mark in verdict.items()
        if mark == "✘"
    ]
    turned = [title for title in turned if right[title] == "✔"]
    if turned:
        return f"{turned[0]} becomes false"
    if not one.goes_on and (one.process.returncode != 3 or "✘" not in one.complained):
        return f"exit {one.process.returncode}: {one.complained[-300:]}"
    return ""


def _unseen(one: Following, kind: str, right: Mapping[str, str]) -> str:
    """Why a change that comes right after a fault is not seen, "" when it is, and what is right
    with it."""
    shown = judged = len(one.verdicts())
    one.stir(kind)
    until = time.monotonic() + SEEN
    while one.goes_on and time.monotonic() < until:
        new = one.verdicts()[shown:]
        if new and new[-1] == right:
            return ""
        if len(new) + shown > judged:
            judged = len(new) + shown
            # the first one is looked at again without being asked
            if len(new) > 1 or "!" not in new[-1].values():
                one.stir(kind)
        time.sleep(0.05)
    said = ["".join(verdict.values()) for verdict in one.verdicts()[shown:]]
    if not one.goes_on:
        return ""
    return (
        f"it does not find again what is right: {said}"
        if said
        else f"a change of {kind} is not seen"
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_signal_ends_what_follows_at_any_moment(following: Following) -> None:
    one = following
    one.stop()
    draws = random.Random(f"suivre, signaux {os.environ.get('CAHIER_GRAINE', '')}")
    wrong = []
    number = DRAWN // 2 or 60
    for name, _ in zip(itertools.cycle(("INT", "TERM", "HUP")), range(number), strict=False):
        one.faults.plan(None)
        one.begin(["cahier"])
        moment = draws.uniform(0.5, 5.0)
        time.sleep(moment / 2)
        one.stir("ConfigMap")
        time.sleep(moment / 2)
        why = one.end(name)
        if why:
            wrong.append(f"after {moment:.2f} s: {why}")
    print(f"suivre: {number} signals, {len(wrong)} wrong ends")
    assert not wrong, "\n".join(wrong)
