"""The map that contributors read is the one that is enforced, and each room holds what is its
own."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path

import pytest

from tests.support.collected import collected

CHECKOUT = Path(__file__).parents[2]


def test_the_rooms_of_the_map_are_those_of_the_law() -> None:
    """From the screen down to the errors, in the same order."""
    law = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    layers = [sorted(re.findall(r"\w+", layer)) for layer in law[0]["layers"]]
    rows = re.findall(
        r"^\| (`.*?) \|", (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    rooms = [re.findall(r"`(\w+)(?:/|\.py)`", row) for row in rows]
    assert [name for layer in layers for name in layer] == [
        name for row in rooms for name in _sorted(row, layers)
    ]


def _sorted(row: list[str], layers: list[list[str]]) -> list[str]:
    """A row may hold several layers, in their order."""
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    numbers = [depth[name] for name in row]
    assert numbers == sorted(numbers), row
    return sorted(row, key=lambda name: (depth[name], name))


def test_the_shared_diagnosis_is_what_two_users_need() -> None:
    """What one lab alone needs stays in its folder."""
    importers = _importers()
    files = (CHECKOUT / "checks" / "diagnosis").glob("*/*.py")
    shared = [_name(file) for file in files if file.name != "__init__.py"]
    alone = {name: users for name in shared if len(users := _users(name, importers)) < 2}
    assert len(shared) > 20
    assert alone == {}


def test_nothing_knows_a_lab_by_its_name() -> None:
    for imported, importers in _importers().items():
        if imported.startswith("labs."):
            own = ".".join(imported.split(".")[:2])
            assert [one for one in importers if not one.startswith(f"{own}.")] == []


def test_no_test_file_is_another_s_helper() -> None:
    """What two of them use is in a module of its own."""
    tests = sorted((CHECKOUT / "tests").rglob("*.py"))
    taken = {
        (file.name, name)
        for file in tests
        for name in _imported(file, _name(file))
        if ".test_" in name
    }
    assert taken == set()


@pytest.mark.slow
def test_the_minute_s_tests_open_no_browser_and_build_no_site() -> None:
    chosen = collected("-m", "not cluster and not slow", "tests/site")
    assert "tests/site/" in chosen
    assert "[chromium" not in chosen
    assert "test_french.py" not in chosen  # the grammar of the built site


def _users(name: str, importers: Mapping[str, Set[str]], met: Set[str] = frozenset()) -> set[str]:
    """Labs, and modules of other rooms, that need a module of the shared diagnosis, even through
    another one of it."""
    users = set()
    for importer in importers[name] - met:
        if importer.startswith("checks.diagnosis."):
            users |= _users(importer, importers, met | {name})
        else:
            users.add(importer.rpartition(".")[0] if importer.startswith("labs.") else importer)
    return users


@cache
def _importers() -> Mapping[str, Set[str]]:
    """Which modules import each module, or a name of it."""
    found: dict[str, set[str]] = defaultdict(set)
    for room in ("checks", "labs"):
        for file in (CHECKOUT / room).rglob("*.py"):
            for imported in _imported(file, _name(file)):
                found[imported].add(_name(file))
    return found


def _name(file: Path) -> str:
    return ".".join(file.relative_to(CHECKOUT).with_suffix("").parts)


def _imported(file: Path, importer: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = ".".join(importer.split(".")[: -node.level]) if node.level else ""
            module = ".".join(filter(None, [above, node.module or ""]))
            yield module
            for name in node.names:
                yield f"{module}.{name.name}"


def test_the_files_that_contributors_are_sent_to_exist() -> None:
    """`TP` stands for any lab, `NOM` for any of its cases."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:checks|labs|tests|docs)/[\w./*-]+)`", text)
    assert len(named) > 10
    for name in named:
        assert list(CHECKOUT.glob(name.replace("TP", "tp*").replace("NOM", "*").rstrip("/"))), name
