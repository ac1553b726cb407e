"""What is asked of the parts and what they answer: where the teacher's command and the pods
agree."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import msgspec

import checks
from checks.grading.results import Store
from checks.grading.roster import Learner
from checks.lab import Lab, find_lab, labs_folder

FILE = "classe.json"
FOLDER = "/classe"  # where a pod finds the file
PLACE = "CAHIER_RESULTATS"  # its variable: the ConfigMap to write to, or what its name begins with
GRADES = "notes"  # the key of a part's ConfigMap
RUN = "cahier-kubernetes/execution"  # of its annotations: UID of the Job that graded, how far it is
DONE = "cahier-kubernetes/fait"
TOTAL = "cahier-kubernetes/total"
OTHER_CODE = 3  # exit code of a pod whose image is of another version than the teacher's command


class Task(msgspec.Struct, frozen=True):
    """A learner's labs. Names and addresses stay with the teacher: grading needs none."""

    identifier: str
    namespace: str
    colleague: str
    labs: tuple[str, ...]


class Order(msgspec.Struct, frozen=True):
    """A class to grade in `parts` parts, each looking at `workers` labs at a time."""

    parts: int
    workers: int
    code: str
    """Digest of the program that asks: an image of another version might grade otherwise."""
    tasks: tuple[Task, ...]

    def pairs(self, index: int) -> Sequence[tuple[Learner, Lab]]:
        """The learners and labs of a part."""
        return [
            (Learner(task.identifier, "", "", "", task.namespace, task.colleague), find_lab(name))
            for task in self.tasks[index :: self.parts]
            for name in task.labs
        ]

    def part_of(self, learner: Learner, lab: Lab) -> int | None:
        """Which part grades that lab of that learner, None where none does."""
        for number, task in enumerate(self.tasks):
            if task.identifier == learner.identifier and lab.name in task.labs:
                return number % self.parts
        return None


def order_of(pairs: Sequence[tuple[Learner, Lab]], parts: int, workers: int) -> Order:
    """The order to grade `pairs`, which name each learner's labs one after the other."""
    labs: dict[Learner, list[str]] = {}
    for learner, lab in pairs:
        labs.setdefault(learner, []).append(lab.name)
    tasks = tuple(
        Task(learner.identifier, learner.namespace, learner.colleague, tuple(names))
        for learner, names in labs.items()
    )
    return Order(min(parts, len(tasks)), workers, digest(), tasks)


@cache
def digest() -> str:
    """Of all code that grades: ours and the labs', wherever a checkout or a wheel has them."""
    package, labs = Path(checks.__file__).parent, labs_folder()
    code = [(package, file) for file in package.rglob("*.py") if labs not in file.parents]
    code += [(labs, file) for pattern in ("*/*.py", "*/lab.toml") for file in labs.glob(pattern)]
    digested = hashlib.sha256()
    for name, file in sorted((file.relative_to(root).as_posix(), file) for root, file in code):
        digested.update(name.encode() + b"\0" + file.read_bytes())
    return digested.hexdigest()[:16]


class _Entry(msgspec.Struct, frozen=True):
    identifier: str
    lab: str
    kept: msgspec.Raw


def pack(store: Store) -> bytes:
    """All that a store keeps; the same content gives the same bytes."""
    entries = [
        _Entry(identifier, lab, msgspec.Raw(content)) for identifier, lab, content in store.files()
    ]
    return gzip.compress(msgspec.json.encode(entries), mtime=0)


def unpack(packed: bytes) -> Iterator[tuple[str, str, bytes]]:
    """What was packed: a learner's identifier, a lab's name, what is kept of them to the byte."""
    for entry in msgspec.json.decode(gzip.decompress(packed), type=list[_Entry]):
        yield entry.identifier, entry.lab, bytes(entry.kept)
