"""The cases of the corpus as they were on a real cluster: one file a lab, which `make snapshots`
writes.

Of each case it holds a snapshot, and what the checks said of it: they are asked again where no
cluster is at hand.
"""

from __future__ import annotations

import contextlib
import lzma
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock

from checks.demo.record import about_the_lab, passwords
from checks.demo.recording import Part
from checks.demo.replay import Replayed, replayed
from checks.errors import ConfigurationRefused, Forbidden, UsageError
from checks.lab import Lab
from checks.places import LEARNERS
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.sources.recorder import record
from checks.sources.snapshot import Snapshot
from checks.stage import Stage
from checks.verdict import CheckResult, Status, Verdict
from tests.support import findings

Family = Literal["erreurs", "variantes"]
_HIDDEN = "(masqué)"
_TRIES, _PAUSE = 12, 2.0  # seconds between two of them


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A case that was played. `kept`: the checks that no snapshot answers; `otherwise`: those that
    it answers alike, in words that are not quite those of the cluster. `verdict` has the words of
    the snapshot where it has an answer.
    """

    verdict: Verdict
    kept: tuple[str, ...]
    otherwise: tuple[str, ...] = ()
    snapshot: Snapshot


Corpus = dict[str, Recorded]
"""The cases of a lab that were recorded, by `FAMILY/NAME`."""


def cases(lab: Lab) -> list[str]:
    """All the cases of a lab."""
    families: tuple[Family, ...] = ("erreurs", "variantes")
    return [f"{family}/{name}" for family in families for name in lab.cases(family)]


def path(lab: Lab) -> Path:
    """Where they are kept."""
    return lab.folder / "corpus.json.xz"


def read(lab: Lab) -> Corpus:
    """The cases of a lab that were recorded, none without a file."""
    file = path(lab)
    return (
        msgspec.json.decode(lzma.decompress(file.read_bytes()), type=Corpus)
        if file.exists()
        else {}
    )


def change(lab: Lab, make: Callable[[Corpus], None]) -> None:
    """Change the file of a lab, which other workers change too; the same cases give the same
    bytes."""
    with FileLock(Path(tempfile.gettempdir()) / f"cahier-{lab.name}.lock"):
        corpus = read(lab)
        make(corpus)
        ordered = {case: corpus[case] for case in cases(lab) if case in corpus}
        path(lab).write_bytes(
            lzma.compress(
                msgspec.json.encode(ordered), preset=lzma.PRESET_DEFAULT | lzma.PRESET_EXTREME
            )
        )


def asked_again(lab: Lab, recorded: Recorded) -> Replayed:
    """What the checks of today say of the snapshot."""
    part = Part(
        title="", commands=(), verdict=recorded.verdict, diagnostics={}, snapshot=recorded.snapshot
    )
    return replayed(lab, part)


def keep(stage: Stage, case: str, verdict: Verdict) -> None:
    """Record what is on the stage, just after its verdict; a recording that tells the same is left
    as it is.

    What comes and goes (a container that restarts) is recorded when it is again as it was judged,
    if it is in a while. A configuration that lets nobody in leaves nothing to record. Raises
    AssertionError where the snapshot has another answer than the cluster.
    """
    with contextlib.suppress(ConfigurationRefused):
        made = _made(stage, verdict)
        assert not _opposed(made, verdict), _opposed(made, verdict)

        def put(corpus: Corpus) -> None:
            before = corpus.get(case)
            if (
                before is None
                or before.kept != made.kept
                or any(differences(before, asked_again(stage.lab, made)))
            ):
                corpus[case] = made

        change(stage.lab, put)


def _made(stage: Stage, verdict: Verdict) -> Recorded:
    cluster = _cluster(stage)
    people = [stage.learner.namespace, *stage.declared]
    secrets = [value for _, _, value in passwords(cluster, people)]
    for left in reversed(range(_TRIES)):
        snapshot = about_the_lab(record(cluster, [stage.lab], local=True))
        made = of(stage.lab, verdict, snapshot, secrets, names(stage), stage.local_port)
        if not left or not (made.otherwise or _opposed(made, verdict)):
            break
        time.sleep(_PAUSE)
        cluster.refresh()
    return made


def _cluster(stage: Stage) -> LiveCluster:
    """The learner's cluster, with their colleagues unless the mistake is to be at the colleague's,
    or nowhere."""
    machine, kubeconfig = LocalMachine(), str(stage.learner.kubeconfig)
    found = LiveCluster(
        machine, kubeconfig_path=kubeconfig, colleague=stage.declared, port=stage.local_port
    )
    try:
        _ = found.colleagues
    except (Forbidden, UsageError):
        return LiveCluster(machine, kubeconfig_path=kubeconfig, port=stage.local_port)
    return found


def names(stage: Stage) -> Mapping[str, str]:
    """The people of the stage, each with their name in the story of the lab."""
    story = stage.lab.about.story
    found = {stage.learner.namespace: story.namespace}
    found |= {person.namespace: told for told, person in stage.team.items()}
    if stage.colleague:
        found[stage.colleague.namespace] = story.colleague
    return {real.removeprefix("user-"): told.removeprefix("user-") for real, told in found.items()}


def of(
    lab: Lab,
    verdict: Verdict,
    snapshot: Snapshot,
    secrets: list[str],
    people: Mapping[str, str],
    port: int | None,
) -> Recorded:
    """The recording, in the names of the lab's story and with its port, without any of these
    secrets."""
    before = _in_the_story(msgspec.json.encode(verdict).decode(), people)
    if port and lab.about.port:
        before = re.sub(rf"\b{port}\b", str(lab.about.port), before)
    seen = _numbered(_in_the_story(msgspec.json.encode(snapshot).decode(), people))
    for secret in secrets:
        seen = seen.replace(secret, _HIDDEN)
    said = without_time(msgspec.json.decode(before, type=Verdict))
    shown = without_passers_by(msgspec.json.decode(seen, type=Snapshot))
    live = Recorded(verdict=said, kept=(), snapshot=shown)
    now = asked_again(lab, live)
    other = [one.id for one in now.verdict.checks if told(one) != told(said.check(one.id))]
    kept, otherwise = tuple(sorted(now.kept)), tuple(sorted(other))
    return msgspec.structs.replace(
        live, verdict=without_time(now.verdict), kept=kept, otherwise=otherwise
    )


def without_passers_by(snapshot: Snapshot) -> Snapshot:
    """The snapshot without the people of other tests, who were on the same cluster that day."""
    if snapshot.local:
        known = {f"user-{name}" for name in LEARNERS}
        snapshot.local.outsiders = [one for one in snapshot.local.outsiders if one in known]
        for seen in filter(None, snapshot.local.views.values()):
            without_passers_by(seen)
    return snapshot


def _opposed(made: Recorded, verdict: Verdict) -> list[str]:
    """What the snapshot answers otherwise than the cluster."""
    return [
        name
        for name, status in made.verdict.statuses.items()
        if status is not verdict.statuses[name]
    ]


def _in_the_story(text: str, people: Mapping[str, str]) -> str:
    for real, told in people.items():
        text = re.sub(rf"(?<![a-z0-9]){real}(?![a-z0-9])", told, text).replace(
            real.upper(), told.upper()
        )
    return text


_UID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def _numbered(text: str) -> str:
    """With a number in the place of each UID: what is drawn at random is a third of a recording."""
    numbers: dict[str, str] = {}
    return _UID.sub(
        lambda found: numbers.setdefault(found[0], f"00000000-0000-4000-8000-{len(numbers):012d}"),
        text,
    )


def without_time(verdict: Verdict) -> Verdict:
    """The verdict without how long each check took."""
    checks = tuple(msgspec.structs.replace(one, duration_ms=0) for one in verdict.checks)
    return msgspec.structs.replace(verdict, checks=checks)


def told(result: CheckResult) -> str:
    """A sentence and what is said of it, as Markdown; what varies from one run to the next is left
    out."""
    if result.status is not Status.FAILED:
        return f"# {result.title}\n\n{result.status} {result.finding}".rstrip() + "\n"
    return findings.lasting(findings.lesson(msgspec.to_builtins(result)))


def differences(before: Recorded, now: Replayed) -> Iterator[str]:
    """What is told otherwise than it was: the sentence by its name, then a diff."""
    recorded = {one.id: one for one in before.verdict.checks}
    for name in recorded.keys() - now.verdict.statuses.keys():
        yield f"{name} : cette phrase n’est plus dans le TP"
    for check in now.verdict.checks:
        if check.id not in recorded:
            yield f"{check.id} : cette phrase n’est pas dans l’enregistrement"
        elif check.id in now.kept and check.id not in before.kept:
            yield f"{check.id} : l’enregistrement ne contient pas ce que cette phrase demande"
        else:
            yield from difference(check.id, told(recorded[check.id]), told(check))


def difference(what: str, before: str, after: str) -> Iterator[str]:
    """The lines that have changed, under the name of what says them; nothing where none has."""
    changed = list(
        unified_diff(before.splitlines(), after.splitlines(), "avant", "après", lineterm="", n=0)
    )
    if changed:
        yield "\n".join((what, *(line for line in changed if not line.startswith("@@"))))
