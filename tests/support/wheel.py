"""The project's wheel, and environments where it is installed as a learner would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_UV = (sys.executable, "-m", "uv", "--no-progress")


def built(folder: Path, root: Path = ROOT) -> Path:
    """The wheel of a checkout, made in a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(
        [*command, "--directory", str(folder)], cwd=root, check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(place: Path, wheel: Path, python: str = sys.executable) -> Path:
    """A new environment with the wheel and what it asks for, in the versions of requirements.lock;
    `python` is a program, or a version."""
    _uv("venv", "--quiet", "--python", python, str(place))
    versions = ("--constraint", str(ROOT / "requirements.lock"))
    _uv("pip", "install", "--quiet", "--python", str(place), *versions, str(wheel))
    return place


def installed(place: Path) -> Sequence[str]:
    """Names of the distributions of an environment."""
    return [
        one["name"]
        for one in json.loads(_uv("pip", "list", "--python", str(place), "--format", "json"))
    ]


def interpreter(version: str) -> str | None:
    """The program of a version of Python; None where this machine has none."""
    done = subprocess.run(
        [*_UV, "python", "find", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None


def _uv(*arguments: str) -> str:
    done = subprocess.run([*_UV, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
