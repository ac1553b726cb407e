"""The list of what the wheel brings (CycloneDX), and under which licence each part is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from checks.installation import DISTRIBUTION

CHECKOUT = Path(__file__).parents[1]
_UV = (sys.executable, "-m", "uv", "--quiet", "--no-progress")
_MAKER = "cyclonedx-bom==7.5.0"  # the reference implementation for Python, run apart: 25 packages
_EXTRAS = "enseignant,local"
_CLASSIFIER = "License :: OSI Approved :: "


def bill(wheel: Path, place: Path, target: Path) -> None:
    """Write the CycloneDX list of the wheel, its extras included, in the versions of
    requirements.lock; `place` is where an environment may be made. Raises CalledProcessError."""
    lock = str(CHECKOUT / "requirements.lock")
    wanted = f"{DISTRIBUTION}[{_EXTRAS}] @ {wheel.resolve().as_uri()}"
    _run("venv", "--python", sys.executable, str(place))
    _run("pip", "install", "--python", str(place), "--constraint", lock, wanted)
    project = ("--pyproject", str(CHECKOUT / "pyproject.toml"), "--mc-type", "application")
    written = ("--output-reproducible", "--output-format", "JSON", "--output-file", str(target))
    maker = ("tool", "run", "--from", _MAKER, "cyclonedx-py", "environment")
    _run(*maker, *project, *written, str(place))


def licences(listed: Mapping[str, Any]) -> str:
    """The licences of a CycloneDX list, as a Markdown table."""
    rows = sorted(
        (part["name"], part["version"], ", ".join(_licences(part))) for part in _parts(listed)
    )
    return "\n".join(
        [
            "# Licences de ce que le cahier installe",
            "",
            "Le cahier lui-même est sous licence MIT. D’après `cahier-kubernetes.cdx.json` :",
            "",
            "| paquet | version | licence |",
            "|---|---|---|",
            *(f"| {name} | {version} | {licence} |" for name, version, licence in rows),
            "",
        ]
    )


def _parts(listed: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (part for part in listed["components"] if part["name"] != DISTRIBUTION)


def _licences(part: Mapping[str, Any]) -> Sequence[str]:
    """What a package says of its licence; a classifier only where it says nothing more exact."""
    exact, vague = [], []
    for said in part.get("licenses") or ():
        licence = said.get("license") or {}
        if "expression" in said or "id" in licence:
            exact.append(said.get("expression") or licence["id"])
        else:
            vague.append(licence.get("name", "").partition("\n")[0].removeprefix(_CLASSIFIER))
    return list(dict.fromkeys(exact or filter(None, vague))) or ["non dite"]


def _run(*arguments: str) -> None:
    environment = {**os.environ, "VIRTUAL_ENV": ""}
    subprocess.run([*_UV, *arguments], cwd=CHECKOUT, env=environment, check=True)
