"""What the labs' images hold on Docker Hub, and where ours differ: `lab_images_facts.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parents[2] / "engine"
FILE = FOLDER / "lab_images_facts.toml"


class Here(msgspec.Struct, forbid_unknown_fields=True):
    """What ours answers instead, on purpose."""

    answer: str
    because: str
    status: int | None = None


class Sourced(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Something known of an image."""

    source: str
    """A key of the file's sources."""
    notice: str
    """How a lab would see it."""


class Fact(Sourced, kw_only=True):
    """A command in the image, and its answer: a regular expression for both of its outputs."""

    run: str
    answer: str
    status: int = 0
    here: Here | None = None

    def wrong(self, answer: str, status: int, ours: bool) -> str:
        """What is not as expected; "" where all is."""
        answers, wanted = self.answer, self.status
        if ours and self.here:
            answers = self.here.answer
            wanted = self.status if self.here.status is None else self.here.status
        if re.fullmatch(answers, answer) and status == wanted:
            return ""
        return (
            f"$ {self.run}\n  answers {answer!r}, status {status}\n  and not {answers!r}, "
            f"status {wanted}"
        )


class Container(Sourced, kw_only=True):
    """The image as a pod starts it: how it ends, and what its log says."""

    name: str
    ends: int | str
    says: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    environment: Mapping[str, str] = {}
    files: Mapping[str, str] = {}
    """In /docker-entrypoint-initdb.d."""
    user: int | None = None
    signal: str = ""
    """Sent to its first process once it runs."""

    def wrong(self, ended: int | None, log: str) -> str:
        """What is not as expected; "" where all is."""
        found = "runs" if ended is None else ended
        if found == self.ends and re.search(self.says, log):
            return ""
        return (
            f"container {self.name}: {found}, and said {log[-8000:]!r}\n  and not: {self.ends}, "
            f"{self.says!r}"
        )


class Image(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    """All that is known of one image."""

    source: str
    configuration: Mapping[str, object]
    facts: Sequence[Fact]
    containers: Sequence[Container]
    configuration_here: Mapping[str, object] = {}
    commands: str = ""
    """File with the paths of all its commands."""
    lacking: str = ""
    """Those that ours has not."""
    lacking_because: str = ""
    ready: str = "true"
    """Command that succeeds once the containers are ready to be asked."""

    def paths(self, ours: bool) -> set[str]:
        """Those of its commands."""
        listed = (FOLDER / "lab_images_files" / self.commands).read_text(encoding="utf-8").split()
        lacking = {*self.lacking.split()} if ours else set()
        return {path for path in listed if path.rpartition("/")[2] not in lacking}


class Facts(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    sources: Mapping[str, str]
    tags: Mapping[str, str]
    differences: Mapping[str, str]
    images: Mapping[str, Image]


def read() -> Facts:
    """The whole file, and an error where it is not of that form."""
    return msgspec.convert(tomllib.loads(FILE.read_text(encoding="utf-8")), Facts)
