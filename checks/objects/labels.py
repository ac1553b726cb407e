"""Label selectors, as the API server understands them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checks.objects.parts import Part


class Requirement(Part, frozen=True):
    """What is asked of one label; `operator`: In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels are as it asks."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels

    def __str__(self) -> str:
        values = ", ".join(self.values)
        words = {
            "In": f"{self.key} in ({values})",
            "NotIn": f"{self.key} notin ({values})",
            "Exists": self.key,
        }
        return words.get(self.operator, f"!{self.key}")


class LabelSelector(Part, frozen=True):
    """A choice by labels; one that asks nothing takes everything."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()

    @property
    def requirements(self) -> Sequence[Requirement]:
        """All that it asks."""
        labels = (Requirement(key, "In", (value,)) for key, value in self.match_labels.items())
        return [*labels, *self.match_expressions]

    @property
    def keys(self) -> Sequence[str]:
        """The labels of which it asks something."""
        return list(self.by_key())

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it takes these labels."""
        return all(one.takes(labels) for one in self.requirements)

    def by_key(self) -> Mapping[str, Sequence[Requirement]]:
        """What it asks, by the key of the label."""
        found: dict[str, list[Requirement]] = {}
        for one in self.requirements:
            found.setdefault(one.key, []).append(one)
        return found

    def values_taken(self, key: str) -> frozenset[str] | None:
        """The values that it takes for this label; None when it takes any but some, or asks nothing
        of it."""
        asked = self.by_key().get(key, ())
        listed = [frozenset(one.values) for one in asked if one.operator == "In"]
        if not listed:
            return None
        return frozenset(
            value
            for value in frozenset.intersection(*listed)
            if all(one.takes({key: value}) for one in asked)
        )

    def is_satisfiable(self, known: Mapping[str, str] | None = None) -> bool:
        """Whether it takes some labels among which are the `known` ones."""
        return all(
            any(all(one.takes(labels) for one in asked) for labels in _choices(key, asked, known))
            for key, asked in self.by_key().items()
        )

    def __str__(self) -> str:
        """As kubectl writes it."""
        labels = (f"{key}={value}" for key, value in self.match_labels.items())
        return ",".join((*labels, *map(str, self.match_expressions)))


EVERYTHING = LabelSelector()


def _choices(
    key: str, asked: Sequence[Requirement], known: Mapping[str, str] | None
) -> Sequence[Mapping[str, str]]:
    """The labels of that key that are worth trying: the known one, or one of each sort."""
    if known and key in known:
        return [{key: known[key]}]
    mentioned = [value for one in asked for value in one.values]
    another = "".join(mentioned) + "-"  # a value that is not mentioned
    return [{}, *({key: value} for value in (*mentioned, another))]
