"""A lab of the demonstration as it went on a real cluster: one file of its folder, which `make
recordings` writes."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Literal

import msgspec

from checks.errors import CahierError
from checks.lab import Lab
from checks.sources.snapshot import Snapshot
from checks.verdict import Diagnostic, Verdict


class Typed(msgspec.Struct, frozen=True, array_like=True):
    """A command, and the namespace of the person who typed it."""

    namespace: str
    command: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the learner's work: how they came to it, its verdict, and the snapshot taken right
    after.

    `diagnostics`: those of the checks that failed, by their id.
    """

    title: str
    commands: tuple[Typed, ...]
    verdict: Verdict
    diagnostics: Mapping[str, Diagnostic]
    snapshot: Snapshot


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A lab played from its start. `setup`: what comes before its parts."""

    schema: Literal[1] = 1
    setup: tuple[Typed, ...]
    parts: tuple[Part, ...]


def write(lab: Lab, recording: Recording) -> None:
    """Write the lab's file; the same recording gives the same bytes."""
    lab.recording.write_bytes(gzip.compress(msgspec.json.encode(recording), mtime=0))


def read(lab: Lab) -> Recording:
    """The lab's recording. Raises CahierError."""
    again = f"Sur le cluster local : make recordings LABS={lab.short_name}"
    try:
        return msgspec.json.decode(gzip.decompress(lab.recording.read_bytes()), type=Recording)
    except FileNotFoundError:
        raise CahierError(f"Le TP {lab.short_name} n’a pas été enregistré.", again) from None
    except (OSError, EOFError, msgspec.DecodeError) as error:
        raise CahierError(
            f"L’enregistrement de {lab.short_name} ne peut pas être lu : {error}", again
        ) from error
