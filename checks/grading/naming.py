"""The namespace of each person, out of the other columns of the roster: `user-{identifiant}`."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checks.errors import UsageError
from checks.grading.columns import plain

OPTION = "--namespace-modele"
EXAMPLE = "user-{identifiant}"


@dataclass(frozen=True)
class NamespaceModel:
    """How a namespace is made of what a line holds; its letters become small ones, as those of an
    account do."""

    text: str

    def __post_init__(self) -> None:
        try:
            fields = [
                (name, layout, conversion)
                for _, name, layout, conversion in string.Formatter().parse(self.text)
                if name is not None
            ]
        except ValueError:
            fields = []
        if not fields or any(
            not name or layout or conversion for name, layout, conversion in fields
        ):
            raise UsageError(
                f"{OPTION} doit nommer une colonne de la liste entre accolades ; « {self.text} » "
                "ne convient pas.",
                f"Par exemple : {OPTION} '{EXAMPLE}'",
            )

    @property
    def columns(self) -> Iterator[str]:
        """The columns that it names, as they are written."""
        return (name for _, name, _, _ in string.Formatter().parse(self.text) if name)

    def namespace(self, cells: Mapping[str, str]) -> str:
        """The namespace of a line, whose cells are by the plain names of their columns; "" where
        one of them is empty."""
        parts = []
        for literal, name, _, _ in string.Formatter().parse(self.text):
            parts.append(literal)
            if name:
                value = cells.get(plain(name), "")
                if not value:
                    return ""
                parts.append(value)
        return "".join(parts).lower()
