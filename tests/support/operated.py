"""A second cluster of this machine, where the CloudNativePG operator makes the databases."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from checks.lab import Family, Lab, find_lab
from checks.stage import Person, Stage
from tests.support.verdicts import run

LABS = [find_lab(f"tp{number}") for number in range(3, 9)]
"""The labs with a database."""
_SHARE = 3
_FOLDER = Path(tempfile.gettempdir()) / "cahier-operateur"  # short: a socket lies in it
_PAUSE_SECONDS = 2.0
_NOBODY = Person("default", Path(os.devnull))
_LAUNCH = re.compile(r"cahier catalogue lancer postgresql --nom (?P<name>\S+)(?P<open> --ouvert)?")


@contextlib.contextmanager
def cluster() -> Iterator[Path]:
    """Its administrator's kubeconfig; every command of this process speaks to that cluster
    meanwhile. All workers of a run share it, the last removes it; what a run that was killed has
    left serves the next."""
    skip_where_there_can_be_none()
    users = _FOLDER / "users"
    variables = {
        "CAHIER_ENGINE_NAME": "cahier-oper",
        "CAHIER_ENGINE_NETWORK": "198.18.110",
        "XDG_STATE_HOME": f"{_FOLDER}/moteur",
        "CAHIER_ETAT": f"{_FOLDER}/etat",
    }
    own = users / str(os.getpid())
    with _set(variables):
        with FileLock(f"{_FOLDER}.lock"):
            users.mkdir(parents=True, exist_ok=True)
            own.touch()
            run(_NOBODY, "cahier", "cluster", "creer", "--operateur")
        try:
            yield Path(variables["CAHIER_ETAT"]) / "cluster" / "admin.kubeconfig"
        finally:
            with FileLock(f"{_FOLDER}.lock"):
                own.unlink()
                if not _in_use():
                    run(_NOBODY, "cahier", "cluster", "supprimer")
                    shutil.rmtree(_FOLDER)


@contextlib.contextmanager
def without_it() -> Iterator[None]:
    """Once no worker uses that cluster any more, and none does meanwhile: a machine has no room
    (128 inotify instances) for it beside another second cluster."""
    while True:
        with FileLock(f"{_FOLDER}.lock"):
            if not _in_use():
                yield
                return
        time.sleep(_PAUSE_SECONDS)


def _in_use() -> bool:
    users = _FOLDER / "users"
    return users.is_dir() and any(psutil.pid_exists(int(one.name)) for one in users.iterdir())


def drawn(lab: Lab, family: Family) -> Sequence[str]:
    """The cases of a lab that are played there: a third, or all of them (CAHIER_OPERATEUR=0)."""
    names = sorted(lab.cases(family)) if lab in LABS else []
    if os.environ.get("CAHIER_OPERATEUR") == "0":
        return names
    seed = f"{lab.name} {family} {os.environ.get('CAHIER_GRAINE', '')}"
    return sorted(random.Random(seed).sample(names, -(-len(names) // _SHARE)))


def left_to_it(lab: Lab, family: Family) -> Sequence[str]:
    """The cases that a whole run (`make test`) plays there and not on the first cluster too: those
    that come out the same on both."""
    if "CAHIER_PARTAGE" not in os.environ or reason_for_none():
        return ()
    cases = lab.cases(family)
    return [name for name in drawn(lab, family) if cases[name].operated is None]


def skip_where_there_can_be_none() -> None:
    """Skip the test, and say why."""
    reason = reason_for_none()
    if reason:
        pytest.skip(f"NO PRIVATE ENGINE HERE, no second cluster: {reason}")


@cache
def reason_for_none() -> str:
    """Why there can be no second cluster, "" where there can: with another engine than ours, kind
    would make it under the name of the cluster of the other tests."""
    from checks.local_sspcloud import engine as engines
    from engine import private_engine

    reason = private_engine.unsupported()
    others = [one.title for one in engines.answering() if one.name != engines.PRIVATE]
    return reason or (f"{others[0]} answers" if others else "")


@contextlib.contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        yield


class OperatedStage(Stage):
    """A stage whose bases are really closed where the form was told so: the chart's policy selects
    none of their pods, and the page says how to close them."""

    def run(self, commands: Sequence[str], person: Person | None = None) -> None:
        for command in commands:
            super().run([command], person)
            launched = _LAUNCH.fullmatch(command)
            if launched is not None and not launched["open"]:
                super().run([f"cahier catalogue fermer {launched['name']}"], person)
