"""Label selectors, as the API server understands them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    return all(
        labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()
    ) and all(_expression(one, labels) for one in selector.get("matchExpressions") or ())


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def by_key(selector: Mapping[str, Any]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """What a label selector asks, as expressions, by the key of the label."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for key, value in (selector.get("matchLabels") or {}).items():
        found.setdefault(key, []).append({"key": key, "operator": "In", "values": [value]})
    for one in selector.get("matchExpressions") or ():
        found.setdefault(one["key"], []).append(one)
    return found


def values_taken(selector: Mapping[str, Any], key: str) -> frozenset[str] | None:
    """The values that the selector takes for this label; None when it takes any but some, or asks
    nothing of it."""
    asked = by_key(selector).get(key, ())
    listed = [frozenset(one["values"]) for one in asked if one["operator"] == "In"]
    if not listed:
        return None
    return frozenset(
        value
        for value in frozenset.intersection(*listed)
        if all(_expression(one, {key: value}) for one in asked)
    )


def satisfiable(selector: Mapping[str, Any], known: Mapping[str, str]) -> bool:
    """Whether the selector takes some labels among which are the `known` ones."""
    for key, asked in by_key(selector).items():
        mentioned = [value for one in asked for value in one.get("values") or ()]
        another = "".join(mentioned) + "-"  # a value that the selector does not mention
        choices = (
            [{key: known[key]}]
            if key in known
            else [{}, *({key: value} for value in (*mentioned, another))]
        )
        if not any(all(_expression(one, labels) for one in asked) for labels in choices):
            return False
    return True


def written(selector: Mapping[str, Any]) -> str:
    """A label selector as kubectl writes it."""
    words = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, operator, values = one["key"], one["operator"], ", ".join(one.get("values") or ())
        words.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(
                operator, f"!{key}"
            )
        )
    return ",".join(words)
