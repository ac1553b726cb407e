"""Label selectors, as the API server understands them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        _expression(one, labels) for one in selector.get("matchExpressions") or ()
    )


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


def required(selector: Mapping[str, Any], key: str) -> Sequence[str] | None:
    """The values that a label selector takes for `key`, None where it says nothing that names them."""
    value = (selector.get("matchLabels") or {}).get(key)
    if value is not None:
        return [value]
    for one in selector.get("matchExpressions") or ():
        if one["key"] == key and one["operator"] == "In":
            return list(one["values"])
    return None


def written(selector: Mapping[str, Any]) -> str:
    """A label selector as kubectl writes it."""
    words = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, operator, values = one["key"], one["operator"], ", ".join(one.get("values") or ())
        words.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(operator, f"!{key}")
        )
    return ",".join(words)
