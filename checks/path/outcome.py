"""What became of a path, in the shape of its JSON (schema 1)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from checks.capabilities import Cluster
from checks.errors import EXIT_FAILED, EXIT_PASSED, EXIT_UNVERIFIED, CahierError
from checks.lesson import Wrong, told
from checks.schema import published
from checks.verdict import Said, Status


class Kind(StrEnum):
    """What a hop is about."""

    BROWSER = "browser"
    LOCAL_PORT = "local_port"
    TUNNEL = "tunnel"
    RIGHT = "right"
    NAME = "name"
    SERVICE = "service"
    POD = "pod"
    EGRESS = "egress"
    INGRESS = "ingress"
    PROGRAM = "program"
    RELAY = "relay"
    SERVER = "server"
    PROTOCOL = "protocol"


class Proof(StrEnum):
    """How a hop is known: something went through it, or its objects were read, or neither."""

    TRIED = "tried"
    READ = "read"
    NONE = "none"


class Hop(Said, frozen=True, kw_only=True):
    """One hop. `place` names it, `found` is what was seen there; the lesson follows where it is
    broken. Texts are French."""

    id: Kind
    place: str
    status: Status
    proof: Proof
    found: str = ""
    finding: str = ""
    cause: str = ""
    fix: str = ""
    fix_lines: tuple[str, ...] = ()
    fix_commands: tuple[str, ...] = ()
    look_commands: tuple[str, ...] = ()


class Path(Said, frozen=True, kw_only=True):
    """A path. `status` is failed when something is known to stop it, unverified when nothing shows
    whether it arrives."""

    schema: Literal[1] = 1
    source: str
    destination: str
    namespace: str
    user: str
    status: Status
    hops: tuple[Hop, ...]

    @property
    def exit_code(self) -> int:
        """0 it arrives, 1 it does not, 3 it could not be decided."""
        return {Status.PASSED: EXIT_PASSED, Status.FAILED: EXIT_FAILED}.get(
            self.status, EXIT_UNVERIFIED
        )

    @property
    def broken(self) -> Hop | None:
        """The hop that stops it; None where none is known to."""
        return next((one for one in self.hops if one.status is Status.FAILED), None)


def passed(kind: Kind, place: str, found: str = "", proof: Proof = Proof.TRIED) -> Hop:
    """A hop that holds."""
    return Hop(id=kind, place=place, status=Status.PASSED, proof=proof, found=found)


def broken(kind: Kind, place: str, wrong: Wrong, view: Cluster, proof: Proof = Proof.TRIED) -> Hop:
    """A hop that does not; `view` is where what is wrong is. What may settle by itself is not
    decided."""
    diagnostic = told(wrong, view)
    assert diagnostic is not None
    return Hop(
        id=kind,
        place=place,
        status=Status.UNVERIFIED if diagnostic.transient else Status.FAILED,
        proof=proof,
        finding=diagnostic.finding,
        cause=diagnostic.cause,
        fix=diagnostic.fix,
        fix_lines=tuple(diagnostic.lines),
        fix_commands=tuple(diagnostic.commands),
        look_commands=tuple(diagnostic.look),
    )


def unknown(kind: Kind, place: str, wrong: Wrong, view: Cluster) -> Hop:
    """A hop that nothing proves, and what would."""
    hop = broken(kind, place, wrong, view, Proof.NONE)
    return msgspec.structs.replace(hop, status=Status.UNVERIFIED)


def undecided(kind: Kind, place: str, trouble: CahierError, status: Status) -> Hop:
    """A hop that could not be looked at."""
    return Hop(
        id=kind,
        place=place,
        status=status,
        proof=Proof.NONE,
        finding=trouble.message,
        fix=trouble.remedy,
    )


def overall(hops: Sequence[Hop]) -> Status:
    """Status of a path of these hops."""
    for status in (Status.FAILED, Status.ERROR, Status.UNVERIFIED):
        if any(one.status is status for one in hops):
            return status
    return Status.PASSED


def to_json(path: Path) -> str:
    """JSON of the contract, indented, without escapes for French letters."""
    return msgspec.json.format(msgspec.json.encode(path), indent=2).decode()


def json_schema() -> dict[str, object]:
    """JSON Schema of `chemin --json`."""
    return published(Path, "cahier chemin --json")
