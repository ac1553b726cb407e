"""Plays a state of a lab for real: applies its files and runs its commands as the person.

Used by `demo`, `rattraper` and the tests; everything it starts is ended by `close`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import psutil

from checks.errors import CahierError
from checks.facts import OLDER_RELEASE
from checks.files import scratch
from checks.interruption import shielded
from checks.lab import Lab, Story
from checks.process import VARIABLE, mark
from checks.waiting import Deadline

_FORWARD_SECONDS = 30.0
_LISTEN_SECONDS = 1.0  # between the port that opens and what the command says of it
_COMMAND_SECONDS = 180.0


@dataclass(frozen=True)
class Person:
    """Somebody who types commands: a kubeconfig file whose context carries the namespace."""

    namespace: str
    kubeconfig: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment of this person's terminal."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}


@dataclass
class Stage:
    """A learner, a colleague, and the terminals they have open."""

    lab: Lab
    learner: Person
    colleague: Person | None = None
    local_port: int | None = None
    database: str | None = None
    colleague_user: str | None = None
    team: Mapping[str, Person] = field(default_factory=dict)
    """Further colleagues who are declared, by the names that the story gives their namespaces."""
    folder: Path = field(default_factory=Path.cwd)
    """Where commands are typed."""
    on_command: Callable[[str, str], None] = lambda who, command: None
    _open: list[subprocess.Popen[str]] = field(default_factory=list)

    def translate(self, text: str) -> str:
        """The lab's text with its story's names replaced by the real ones."""
        story, own, colleague = (
            self.lab.about.story,
            self.learner.namespace,
            self._colleague_namespace,
        )
        team = {name: person.namespace for name, person in self.team.items()}
        return rename(text, story, own, colleague, self.database, self.colleague_user, team)

    @property
    def declared(self) -> Sequence[str]:
        """The namespaces of those who are declared as colleagues, in that order."""
        those = [self.colleague, *self.team.values()] if self.colleague else []
        return [person.namespace for person in those]

    @property
    def _colleague_namespace(self) -> str | None:
        return self.colleague.namespace if self.colleague else None

    def apply(self, files: Mapping[str, str], person: Person | None = None) -> None:
        """`kubectl apply` of the files, in the order of their names. Raises CahierError."""
        if not files:
            return
        who = person or self.learner
        with scratch() as folder:
            for name, text in files.items():
                path = Path(folder) / name
                path.write_text(self.translate(text), encoding="utf-8")
            command = " ".join(("kubectl apply", *(f"-f {name}" for name in sorted(files))))
            self.on_command(who.namespace, command)
            run_in_shell(command, who, Path(folder))

    def run(self, commands: Sequence[str], person: Person | None = None) -> None:
        """Run commands in order; one that ends with ` &` stays open. Raises CahierError."""
        who = person or self.learner
        for command in commands:
            real = self._port(self.translate(command))
            self.on_command(who.namespace, real)
            if real.rstrip().endswith(" &"):
                self._open.append(_open(real.rstrip().removesuffix("&").strip(), who))
            else:
                run_in_shell(real, who, self.folder)

    def _port(self, command: str) -> str:
        default = self.lab.about.port
        if self.local_port is None or default is None:
            return command
        # The local port of LOCAL:REMOTE, or a word by itself; not the port of an object
        # (`--port=5432`).
        return re.sub(rf"(?<![\d:=]){default}(?=:\w|\b(?!:))", str(self.local_port), command)

    def close(self) -> None:
        """End every terminal still open."""
        for process in self._open:
            end(process)
        self._open.clear()


def rename(
    text: str,
    story: Story,
    namespace: str,
    colleague: str | None,
    database: str | None,
    colleague_user: str | None = None,
    team: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """`text` with the story's namespaces, users and release replaced; all at once, so that names
    may cross.

    `colleague_user` None: the user whose namespace `colleague` is on the platform. `team`: further
    colleagues, the story's name of each to the real one.
    """
    names = {story.namespace: namespace, **team}
    if colleague:
        names[story.colleague] = colleague
    names |= {
        old.replace("user-", "oidc-", 1): new.replace("user-", "oidc-", 1)
        for old, new in names.items()
        if old.startswith("user-")
    }
    if colleague_user:
        names[story.colleague.replace("user-", "oidc-", 1)] = colleague_user
    if database:
        names |= _release_names(story.database, database)
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])({pattern})(?![\w])", lambda found: names[found[1]], text)


def _release_names(old: str, new: str) -> Mapping[str, str]:
    """What is called after a release of the catalogue. The older chart names and labels its objects
    otherwise."""
    if not OLDER_RELEASE.fullmatch(new):
        return {old: new}
    return {
        old: new,
        f"{old}-rw": new,
        f"{old}-1": f"{new}-0",
        "cnpg.io/cluster": "app.kubernetes.io/instance",
    }


def end(process: subprocess.Popen[str]) -> None:
    """End a command and what it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid)
        for member in [*family.children(recursive=True), family]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def shell() -> str:
    """The shell that runs a lab's commands. Raises CahierError where there is none (bare
    Windows)."""
    found = shutil.which("bash") or shutil.which("sh")
    if found is None:
        raise CahierError(
            "Aucun shell n’a été trouvé pour jouer les commandes de ce TP.",
            "Sous Windows, lancez cette commande depuis WSL2 ou Git Bash.",
        )
    return found


def run_in_shell(command: str, person: Person, folder: Path) -> None:
    """A command as the person types it there. Raises CahierError where it fails."""
    try:
        done = subprocess.run(
            [shell(), "-c", command],
            env=person.environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CahierError(
            f"« {command} » n’a pas fini en {_COMMAND_SECONDS:.0f} secondes."
        ) from None
    if done.returncode:
        raise CahierError(f"« {command} » a échoué : {(done.stderr or done.stdout).strip()[-800:]}")


def _open(command: str, person: Person) -> subprocess.Popen[str]:
    """Start a command that stays open; return once it says that it forwards, or has ended, or time
    is up.

    Another server than kubectl says nothing of the kind: it is given a moment once it listens.
    """
    process = None
    with scratch() as folder:
        path = Path(folder, "log")
        try:
            with shielded(), path.open("w") as log:
                process = subprocess.Popen(
                    [shell(), "-c", f"exec {command}"],
                    env={**person.environment, VARIABLE: mark()},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                )
            _wait(process, path)
        except BaseException:
            if process is not None:
                end(process)
            raise
    return process


def _wait(process: subprocess.Popen[str], log: Path) -> None:
    deadline = Deadline(_FORWARD_SECONDS)
    listens = False
    while process.poll() is None and not deadline.passed:
        if "Forwarding from" in log.read_text(errors="replace"):
            return
        if not listens and _listens(process.pid):
            listens, deadline = True, Deadline(_LISTEN_SECONDS)
        time.sleep(0.05)


def _listens(pid: int) -> bool:
    """Whether the process, or one that it started, listens on a TCP port."""
    try:
        started = psutil.Process(pid)
        family = [started, *started.children(recursive=True)]
        sockets = [item for member in family for item in member.net_connections(kind="tcp")]
    except psutil.Error:
        return False
    return any(item.status == psutil.CONN_LISTEN for item in sockets)
