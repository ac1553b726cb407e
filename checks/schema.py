"""The JSON Schema of what a command writes."""

from __future__ import annotations

from typing import Any

import msgspec


def published(kind: type, title: str) -> dict[str, object]:
    """The schema of a type, called `title`. A description is one line, as its docstring may not
    be."""
    schema = _on_one_line(msgspec.json.schema(kind))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def _on_one_line(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            name: " ".join(value.split())
            if name == "description" and isinstance(value, str)
            else _on_one_line(value)
            for name, value in part.items()
        }
    return [_on_one_line(one) for one in part] if isinstance(part, list) else part
