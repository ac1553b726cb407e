"""Files of ours: written at once or not at all, for their owner's eyes only; what a killed process
left is cleared."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from checks.process import has_ended, mark

if TYPE_CHECKING:
    import tempfile

_HALF_WRITTEN = ".cahier-en-cours"
_SCRATCH = "cahier-"


def write_atomically(path: Path, data: bytes, *, for_others: bool = False) -> None:
    """Write a file at once or not at all, mode 0600, or what is usual where it is not for its owner
    alone; its folder is made when missing. Raises OSError, which names the file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.scandir(path.parent) as those:  # a class writes a thousand files into one folder
        torn = [one.path for one in those if one.name.endswith(_HALF_WRITTEN)]
    for one in torn:
        if has_ended(_marked(Path(one).name.removeprefix("."))):
            Path(one).unlink(missing_ok=True)
    new = path.parent / f".{mark()}-{os.urandom(8).hex()}{_HALF_WRITTEN}"
    mode = 0o666 if for_others else 0o600
    try:
        with open(new, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
        new.replace(path)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = str(path)
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def sweep(folder: Path) -> None:
    """Remove what a killed run was writing below `folder`."""
    for file in folder.rglob(f".*{_HALF_WRITTEN}"):
        file.unlink(missing_ok=True)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for a moment, closed to others; a killed process leaves it to `sweep_scratch`."""
    import tempfile  # late, as below: most commands need none

    return tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{mark()}-", ignore_cleanup_errors=True)


def sweep_scratch() -> None:
    """Remove the folders of processes that were killed."""
    import tempfile

    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        if has_ended(_marked(folder.name.removeprefix(_SCRATCH))):
            shutil.rmtree(folder, ignore_errors=True)


def _marked(name: str) -> str:
    return name.partition("-")[0]
