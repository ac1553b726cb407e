"""The learner's own files: what kubectl would refuse, what is still to be written, what the cluster
has not seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from checks.capabilities import Cluster
from checks.errors import AccessError, Unverifiable
from checks.facts import LAST_APPLIED
from checks.files import write_atomically
from checks.lab import TO_DO, Lab
from checks.objects.parts import metadata
from checks.shell import one_word


@dataclass(frozen=True)
class Unreadable:
    """A file that is not YAML. `line` counts from 1, 0 when it is not known."""

    path: Path
    line: int

    @property
    def message(self) -> str:
        """One French sentence with the place."""
        where = f", ligne {self.line}" if self.line else ""
        return f"{self.path}{where} : ce n’est pas du YAML, kubectl le refusera."

    @property
    def remedy(self) -> str:
        """The most frequent causes."""
        return (
            "Regardez l’alignement de cette ligne et de la précédente : des espaces, jamais de "
            "tabulation ; une espace après chaque « : » et chaque « - »."
        )


def unreadable(lab: Lab, here: Path) -> Iterator[Unreadable]:
    """The lab's files that are not YAML, in `here` or in the folder that `cahier commencer` makes
    there."""
    for folder in (here, here / lab.name):
        for name in lab.files("depart"):
            path = folder / name
            try:
                list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
            except yaml.MarkedYAMLError as error:
                yield Unreadable(
                    path.relative_to(here), error.problem_mark.line + 1 if error.problem_mark else 0
                )
            except (yaml.YAMLError, UnicodeDecodeError):
                yield Unreadable(path.relative_to(here), 0)
            except OSError:
                continue


@dataclass(frozen=True)
class NextStep:
    """What to do with one's files before anything else: a sentence, and a command or ""."""

    sentence: str
    command: str = ""
    edited: bool = False
    """Whether the cluster has an older text of a file."""


def folder_of(lab: Lab, here: Path, begun: str) -> Path | None:
    """Where the learner's files of a lab are: `here`, or where they were copied (`begun`, "" for
    nowhere known)."""
    folders = [here, here / lab.name, *([Path(begun)] if begun else [])]
    return next(
        (one for one in folders if any((one / name).is_file() for name in lab.files("depart"))),
        None,
    )


def replaced(folder: Path, files: Mapping[str, str]) -> Mapping[Path, Path | None]:
    """Write `files` in the learner's folder; those that were or are now there otherwise, each with
    its former text kept beside it, None where there was none."""
    changed: dict[Path, Path | None] = {}
    for name, text in files.items():
        path = folder / name
        former = path.read_bytes() if path.is_file() else None
        if former == text.encode():
            continue
        changed[path] = None
        if former is not None:
            kept = next(
                one
                for number in count(1)
                if not (one := path.with_name(f"{name}.avant{_nth(number)}")).exists()
            )
            write_atomically(kept, former, for_others=True)
            changed[path] = kept
        write_atomically(path, text.encode(), for_others=True)
    return changed


def _nth(number: int) -> str:
    return f"-{number}" if number > 1 else ""


def next_steps(lab: Lab, cluster: Cluster, here: Path, begun: str) -> Iterator[NextStep]:
    """What the files of a lab that is not passed ask for. `begun`: the folder where they were
    copied, or "".

    Nothing where the learner has no file of the lab.
    """
    wanted = lab.files("depart")
    folder = folder_of(lab, here, begun)
    if folder is None:
        return
    for name, start in wanted.items():
        path = folder / name
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            yield NextStep(f"Il manque {name} dans {folder}.", f"cahier commencer {lab.short_name}")
            continue
        line = _unfinished(text, start)
        if line:
            words = text.splitlines()[line - 1].partition(TO_DO)[2].lstrip(" :")
            yield NextStep(
                f"{shown}, ligne {line} : il reste à écrire {words}. Puis appliquez le fichier."
            )
        else:
            yield from _unapplied(cluster, text, str(shown))


def first_step(lab: Lab) -> NextStep | None:
    """Where the learner has no file of a lab that has some."""
    if not lab.files("depart"):
        return None
    return NextStep(
        "Ce TP n’est pas commencé ici : copiez-en les fichiers.",
        f"cahier commencer {lab.short_name}",
    )


def edited_since(lab: Lab, cluster: Cluster, here: Path, begun: str) -> Iterator[NextStep]:
    """The files of a lab that were changed since they were applied, whatever the verdict."""
    return (one for one in next_steps(lab, cluster, here, begun) if one.edited)


def _unfinished(text: str, start: str) -> int:
    """The first line marked « À FAIRE » that is as it was given, 0 where there is none.

    A comment alone may be left above what it asked for: it counts in a file where nothing was
    changed.
    """
    given = {line.strip() for line in start.splitlines() if TO_DO in line}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() in given and (text == start or not line.strip().startswith("#")):
            return number
    return 0


def _unapplied(cluster: Cluster, text: str, shown: str) -> Iterator[NextStep]:
    """Whether the cluster has what the file says, as kubectl applied it."""
    apply = f"kubectl apply -n {cluster.namespace} -f {one_word(shown)}"
    try:
        documents = [one for one in yaml.safe_load_all(text) if isinstance(one, dict)]
        states = {_state(cluster, one) for one in documents}
    except (
        yaml.YAMLError,
        AccessError,
        Unverifiable,
        KeyError,
        TypeError,
        ValueError,
    ):  # told elsewhere
        return
    if "absent" in states:
        yield NextStep(f"{shown} n’est pas dans le cluster, ou pas en entier.", apply)
    elif "changed" in states:
        yield NextStep(f"{shown} a changé depuis que vous l’avez appliqué.", apply, edited=True)


def _state(cluster: Cluster, document: Mapping[str, Any]) -> str:
    name = document["metadata"]["name"]
    there = next(
        (one for one in cluster.objects(document["kind"]) if one["metadata"]["name"] == name), None
    )
    if there is None:
        return "absent"
    applied = metadata(there).annotations.get(LAST_APPLIED)
    return "same" if applied is None or _bare(json.loads(applied)) == _bare(document) else "changed"


def _bare(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what kubectl adds when it applies."""
    metadata = {
        key: value for key, value in document["metadata"].items() if key != "namespace" and value
    }
    return json.loads(json.dumps({**document, "metadata": metadata}))  # type: ignore[no-any-return]
