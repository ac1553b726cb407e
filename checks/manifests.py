"""The learner's own files, looked at for what kubectl would refuse before the cluster sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from checks.lab import Lab


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
            "Regardez l’alignement de cette ligne et de la précédente : des espaces, jamais de tabulation ; une espace "
            "après chaque « : » et chaque « - »."
        )


def unreadable(lab: Lab, here: Path) -> Iterator[Unreadable]:
    """The lab's files that are not YAML, in `here` or in the folder that `cahier commencer` makes there."""
    for folder in (here, here / lab.name):
        for name in lab.files("depart"):
            path = folder / name
            try:
                list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
            except yaml.MarkedYAMLError as error:
                yield Unreadable(path.relative_to(here), error.problem_mark.line + 1 if error.problem_mark else 0)
            except (yaml.YAMLError, UnicodeDecodeError):
                yield Unreadable(path.relative_to(here), 0)
            except OSError:
                continue
