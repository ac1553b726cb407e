"""A cluster that one command makes for itself and removes at the end, beside all the others of this
machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from filelock import FileLock

from engine import build
from tests.support import operated


@dataclass(frozen=True)
class Throwaway:
    """What it takes to speak to it."""

    kubeconfig: Path
    """Its administrator's."""
    programs: Path
    """The folder of the kubectl of its version."""

    @property
    def kubectl(self) -> Path:
        return self.programs / "kubectl"


def require(parser: argparse.ArgumentParser) -> None:
    """End a command where no second cluster can be had: it would have the name of the first, and
    take its place."""
    reason = operated.reason_for_none()
    if reason:
        parser.error(f"no second cluster can be had here: {reason}")


@contextlib.contextmanager
def cluster(
    name: str, network: str, version: str, options: Sequence[str] = ()
) -> Iterator[Throwaway]:
    """One at a time of each name (13 letters at most), of a version of Kubernetes; every command
    started meanwhile speaks to it. `options` are those of `cahier cluster creer`."""
    folder = Path(tempfile.gettempdir()) / name  # short: a socket lies in it
    variables = {
        "CAHIER_KUBERNETES": version,
        "CAHIER_ENGINE_NAME": name,
        "CAHIER_ENGINE_NETWORK": network,
        "XDG_STATE_HOME": f"{folder}/moteur",
        "CAHIER_ETAT": f"{folder}/etat",
    }
    with FileLock(f"{folder}.lock"), mock.patch.dict(os.environ, variables):
        _remove(folder)  # what a run that was killed has left
        try:
            subprocess.run(["cahier", "cluster", "creer", *options], check=True)
            made = Throwaway(folder / "etat/cluster/admin.kubeconfig", folder / "programmes")
            made.programs.mkdir()
            made.kubectl.symlink_to(build.kubernetes())
            yield made
        finally:
            _remove(folder)


def versions(made: Throwaway) -> tuple[str, str]:
    """What the server and kubectl say that they are."""
    said = subprocess.run(
        [made.kubectl, "--kubeconfig", made.kubeconfig, "version", "--output", "json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    told = json.loads(said)
    return told["serverVersion"]["gitVersion"], told["clientVersion"]["gitVersion"]


def _remove(folder: Path) -> None:
    subprocess.run(["cahier", "cluster", "supprimer"], check=False)
    shutil.rmtree(folder, ignore_errors=True)
