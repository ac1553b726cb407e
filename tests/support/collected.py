"""What pytest would play, without playing it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def collected(*words: str) -> str:
    """What it says of a selection, as it does to somebody who types it: the options of the run that
    asks are its own, and so is what a whole run leaves to the operator's cluster."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if name != "CAHIER_PARTAGE" and not name.startswith("PYTEST_")
    }
    options = ["-n", "0", "-q", "--collect-only", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *words],
        cwd=CHECKOUT,
        env=ours,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
