"""Things made once and kept, each under a key of what it was made from."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine import paths
from engine.problems import EngineProblem

_ATTEMPTS = 3
_KEPT_SECONDS = 24 * 3600.0
_NOT_SOURCES = {"__pycache__"}


def key(*parts: str | Path) -> str:
    """One short name for words, files and whole folders: any change gives another."""
    digest = hashlib.sha256()
    for part in parts:
        for name, content in _pieces(part):
            digest.update(f"{len(name)} {len(content)}\n".encode() + name.encode() + content)
    return digest.hexdigest()[:16]


def _pieces(part: str | Path) -> list[tuple[str, bytes]]:
    if isinstance(part, str):
        return [("", part.encode())]
    if part.is_dir():
        return [
            piece
            for below in sorted(part.iterdir())
            if below.name not in _NOT_SOURCES and not below.name.endswith("_test.go")
            for piece in _pieces(below)
        ]
    return [(f"{part.name} {os.access(part, os.X_OK)}", part.read_bytes())]


def place(kind: str, name: str) -> Path:
    """Where a thing is, if it has been made."""
    return paths.cache() / kind / name


def made(kind: str, current_key: Callable[[], str], make: Callable[[Path], None]) -> Path:
    """The folder of that kind and key, filled by `make` if it is not there yet.

    It is filled under another name and renamed when complete, so what is
    there is whole. The kind's other folders are versions of the past, or of another copy of the
    repository whose engine may be running on them: they go once nothing has asked for them in a
    while.
    """
    for _ in range(_ATTEMPTS):
        found = place(kind, current_key())
        if found.is_dir() or _make(found, make, current_key):
            os.utime(found)
            return found
    raise EngineProblem(
        "Les fichiers dont le moteur est fait changent pendant qu'il se fabrique.",
        "Recommencez quand personne ne les modifie.",
    )


def _make(found: Path, make: Callable[[Path], None], current_key: Callable[[], str]) -> bool:
    """False where what it was made from has changed meanwhile: it is not kept."""
    found.parent.mkdir(parents=True, exist_ok=True)
    for unfinished in found.parent.glob(".new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=found.parent))
    try:
        make(new)
        if current_key() != found.name:
            return False
        new.rename(found)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    for other in found.parent.iterdir():
        if other != found and other.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    return True
