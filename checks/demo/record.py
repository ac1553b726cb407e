"""Record the demonstration: `python -m checks.demo.record [LAB…]` plays labs on the local cluster,
and keeps them.

A recording is refused where its snapshot would tell another story than the cluster did, or would
tell a secret.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from checks.capabilities import Cluster
from checks.demo import live
from checks.demo.recording import Part, Recording, Typed, write
from checks.demo.replay import replayed
from checks.demo.screen import EXPECTED, Screen
from checks.errors import EXIT_PASSED, CahierError
from checks.lab import Lab, all_labs, find_lab
from checks.render.problem import show
from checks.sources.live_cluster import LiveCluster
from checks.sources.recorder import record
from checks.sources.snapshot import Snapshot
from checks.unforeseen import guarded
from checks.verdict import CheckResult, Diagnostic, Verdict

_AGAIN = "Recommencez : make recordings"
_CERTIFICATE = "kube-root-ca.crt"  # a ConfigMap that Kubernetes puts in every namespace


class Camera(Screen):
    """Shows a lab being played, and keeps it once both its verdicts are the expected ones."""

    def lab(self, lab: Lab) -> None:
        """A lab begins."""
        super().lab(lab)
        self._typed: list[Typed] = []
        self._setup: tuple[Typed, ...] = ()
        self._title = ""
        self._parts: list[Part] = []

    def part(self, title: str) -> None:
        """One of the two parts of a lab begins."""
        super().part(title)
        if not self._parts:
            self._setup = self._take()
        self._title = title

    def command(self, namespace: str, command: str) -> None:
        """The owner of a namespace types a command."""
        super().command(namespace, command)
        self._typed.append(Typed(namespace, command))

    def verdict(
        self,
        lab: Lab,
        cluster: Cluster,
        verdict: Verdict,
        diagnostics: Mapping[str, Diagnostic],
        recorded: Collection[str] = (),
    ) -> None:
        """The verdict of a part: taken with the snapshot of what it was found on. Raises
        CahierError."""
        super().verdict(lab, cluster, verdict, diagnostics, recorded)
        if not isinstance(cluster, LiveCluster):
            raise TypeError("only what is being played can be recorded")
        part = Part(
            title=self._title,
            commands=self._take(),
            verdict=verdict,
            diagnostics=diagnostics,
            snapshot=about_the_lab(record(cluster, [lab])),
        )
        _require_same(lab, part)
        _require_anonymous(lab, part, cluster)
        self._parts.append(part)
        if [(one.title, one.verdict.status) for one in self._parts] == list(EXPECTED.items()):
            write(lab, Recording(setup=self._setup, parts=tuple(self._parts)))
            self.console.print(f"● enregistré : {lab.recording}", style="magenta", soft_wrap=True)

    def _take(self) -> tuple[Typed, ...]:
        taken = tuple(self._typed)
        self._typed.clear()
        return taken


def about_the_lab(snapshot: Snapshot) -> Snapshot:
    """The snapshot without the certificate of its cluster, and without the events of what is no
    longer there."""
    kept = {
        kind: [item for item in items if item["metadata"]["name"] != _CERTIFICATE]
        for kind, items in snapshot.objects.items()
    }
    there = {item["metadata"].get("uid") for items in kept.values() for item in items}
    if "Event" in kept:
        kept["Event"] = [
            event for event in kept["Event"] if event["involvedObject"].get("uid") in there
        ]
    return msgspec.structs.replace(snapshot, objects=kept)


def _require_same(lab: Lab, part: Part) -> None:
    """The snapshot, asked again, gives the verdict of the cluster. Raises CahierError."""
    for then, now in zip(part.verdict.checks, replayed(lab, part).verdict.checks, strict=True):
        if _told(then) != _told(now):
            raise CahierError(
                f"L’instantané dit autre chose que le cluster : {_told(now)} au lieu de "
                f"{_told(then)}"
            )


def _told(result: CheckResult) -> tuple[str, ...]:
    return (result.id, result.status, result.finding, result.cause)


def _require_anonymous(lab: Lab, part: Part, cluster: LiveCluster) -> None:
    """Neither a password of the two people nor a place of this machine is in it. Raises
    CahierError."""
    text = msgspec.json.encode(part).decode()
    if str(Path.home()) in text:
        raise CahierError(
            f"L’enregistrement de {lab.short_name} contient un chemin de cette machine : "
            f"{Path.home()}"
        )
    owners = [cluster.namespace, *([cluster.colleague.namespace] if cluster.has_colleague else [])]
    for secret, key, value in passwords(cluster, owners):
        if value in text:
            raise CahierError(
                f"L’enregistrement de {lab.short_name} contient la clé {key} du Secret {secret}."
            )


def passwords(cluster: LiveCluster, owners: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Secret, key and value of what the owners of these namespaces keep for themselves, each in
    theirs."""
    for who in filter(None, map(cluster.as_owner, owners)):
        for item in who.objects("Secret"):
            name = item["metadata"]["name"]
            for key, value in (who.secret_values(name) or {}).items():
                if value and "pass" in key.lower():
                    yield name, key, value


def main(names: list[str]) -> int:
    """Play the labs of these names, all by default; the exit code of the demonstration."""
    code = live.play([find_lab(name) for name in names] or all_labs(), Camera())
    if code != EXIT_PASSED:
        show(CahierError("Ce qui n’a pas eu le verdict attendu n’a pas été enregistré.", _AGAIN))
    return code


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
