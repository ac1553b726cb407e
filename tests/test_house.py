"""The map that contributors read is the one that is enforced."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent


def test_the_rooms_of_the_map_are_those_of_the_law() -> None:
    """From the screen down to the errors, in the same order."""
    law = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [sorted(re.findall(r"\w+", layer)) for layer in law[0]["layers"]]
    rows = re.findall(r"^\| (`.*?) \|", (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    rooms = [re.findall(r"`(\w+)(?:/|\.py)`", row) for row in rows]
    assert [name for layer in layers for name in layer] == [name for row in rooms for name in _sorted(row, layers)]


def _sorted(row: list[str], layers: list[list[str]]) -> list[str]:
    """A row may hold several layers, in their order."""
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    numbers = [depth[name] for name in row]
    assert numbers == sorted(numbers), row
    return sorted(row, key=lambda name: (depth[name], name))
