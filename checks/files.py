"""Files of ours: written at once or not at all, for their owner's eyes only."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

_HALF_WRITTEN = ".cahier-en-cours"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file at once or not at all, mode 0600; its folder is made when missing. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, new = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_HALF_WRITTEN)  # mkstemp: mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(new).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(new).unlink()
        raise


def sweep(folder: Path) -> None:
    """Remove what a killed run was writing below `folder`."""
    for file in folder.rglob(f".*{_HALF_WRITTEN}"):
        file.unlink(missing_ok=True)
