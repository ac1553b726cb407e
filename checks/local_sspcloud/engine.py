"""Which container engine holds the local cluster, and where `kind` is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.access import kubeconfig
from checks.errors import CahierError
from checks.local_sspcloud import messages
from checks.local_sspcloud.messages import Trouble
from checks.local_sspcloud.progress import Progress
from checks.places import CLUSTER_NAME

if TYPE_CHECKING:
    from types import ModuleType

PRIVATE = "moteur privé"
KIND_NEEDED = (0, 33)
_CANDIDATES = ("docker", "nerdctl", "finch", "podman")  # in the order in which kind looks for them
_PROBE_SECONDS = 10.0
_COMMAND_SECONDS = 120.0
_CHOICE = "KIND_EXPERIMENTAL_PROVIDER"


@dataclass(frozen=True)
class Node:
    """A container that is a node of the cluster."""

    name: str
    running: bool


@dataclass(frozen=True)
class Engine:
    """A container engine that answers.

    `program` is its command line; `environment` is complete, for it and for kind; `node_image` None
    means kind's default; `networking` is for the part of that name of kind's configuration.
    """

    name: str
    program: str
    environment: Mapping[str, str]
    node_image: str | None = None
    networking: Mapping[str, object] = field(default_factory=dict)
    known_kind: Path | None = None
    version: str = ""

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        return messages.title(self.name)

    def kind(self) -> Path:
        """The kind command, recent enough. Raises CahierError."""
        return self.known_kind or _find_kind(self.environment)

    def run_kind(
        self, *arguments: str, seconds: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What a kind command says, and its exit code. Raises CahierError, OSError and
        TimeoutExpired."""
        return _call([str(self.kind()), *arguments], seconds, self.environment)

    def nodes(self) -> Sequence[Node]:
        """Containers of the local cluster, running or not."""
        label = f"label=io.x-k8s.kind.cluster={CLUSTER_NAME}"
        listed = self.run("ps", "--all", "--filter", label, "--format", "{{.Names}}\t{{.Status}}")
        split = [line.split("\t") for line in listed.splitlines() if line.strip()]
        return [
            Node(name, status.startswith("Up") and "Paused" not in status) for name, status in split
        ]

    def run(self, *arguments: str, seconds: float = _COMMAND_SECONDS) -> str:
        """What the engine's command prints. Raises CahierError when it fails, or takes longer."""
        try:
            done = _call([self._path(), *arguments], seconds, self.environment)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CahierError(
                f"{self.title} ne répond plus ({error}).", "Redémarrez-le, puis recommencez."
            ) from error
        if done.returncode:
            said = messages.last_line(done.stderr)
            raise CahierError(f"{self.title} refuse « {self.program} {arguments[0]} » : {said}")
        return done.stdout

    def _path(self) -> str:
        return shutil.which(self.program, path=self.environment.get("PATH")) or self.program


def _call(
    command: Sequence[str], seconds: float | None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What a command says, with nobody at its keyboard. Raises OSError and TimeoutExpired."""
    return subprocess.run(
        command,
        env=dict(environment) if environment is not None else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


class NoEngine(CahierError):
    """No engine is installed, and the private one cannot be had: there can be no cluster here."""


def choose(progress: Progress, preferred: str = "") -> Engine:
    """The engine that answers, `preferred` first, else the private one, started. Raises NoEngine
    and CahierError."""
    running = private_running() if preferred == PRIVATE else None
    if running is not None:
        return running
    troubles: list[Trouble] = []
    for name in _candidates(preferred):
        found = probe(name)
        if isinstance(found, Engine):
            return found
        if found is not None:
            troubles.append(found)
    forced = os.environ.get(_CHOICE)
    if forced:
        trouble = (
            troubles[0]
            if troubles
            else Trouble(f"{forced} n’est pas installé.", messages.INSTALL_ENGINE)
        )
        raise CahierError(f"{_CHOICE} demande {forced}. {trouble.message}", trouble.remedy)
    reason = private_unsupported()
    if reason is None:
        return start_private(progress)
    raise _none_answers(troubles, reason)


def answering() -> Sequence[Engine]:
    """Every engine that answers now; none is started."""
    found = [probe(name) for name in _candidates("")]
    engines = [engine for engine in found if isinstance(engine, Engine)]
    private = private_running()
    return [*engines, private] if private else engines


def installed() -> Sequence[Engine | Trouble]:
    """Every engine of this machine, asked at the same time: those that answer, and why the others
    do not."""
    names = _candidates("")
    with ThreadPoolExecutor(len(names)) as pool:
        found = [one for one in pool.map(probe, names) if one is not None]
    private = private_running()
    return [*found, private] if private else found


def probe(name: str) -> Engine | Trouble | None:
    """The engine `name` if it answers, why it does not, or None where it is not installed."""
    program = name.partition(".")[0]  # nerdctl.lima is a program of its own
    path = shutil.which(name) or shutil.which(program)
    if path is None:
        return None
    form = "{{.Version.Version}}" if name == "podman" else "{{.ServerVersion}}"
    try:
        done = _call([path, "info", "--format", form], _PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        title = messages.title(name)
        return Trouble(
            f"{title} est installé mais n’a rien répondu en {_PROBE_SECONDS:.0f} secondes.",
            f"Redémarrez {title}, puis recommencez.",
        )
    except OSError as error:
        return Trouble(f"{path} ne peut pas être exécuté ({error}).", messages.INSTALL_ENGINE)
    if done.returncode == 0 and done.stdout.strip():
        version = done.stdout.strip()
        return Engine(name, Path(path).name, {**os.environ, _CHOICE: name}, version=version)
    address = os.environ.get(
        {"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}.get(name, ""), ""
    )
    return messages.silent_engine(name, f"{done.stdout}\n{done.stderr}", address)


def _candidates(preferred: str) -> Sequence[str]:
    forced = os.environ.get(_CHOICE)
    if forced:
        return [forced]
    return sorted(_CANDIDATES, key=lambda name: name != preferred)


def _none_answers(troubles: Sequence[Trouble], private_reason: str) -> CahierError:
    if troubles:
        return CahierError(" ".join(trouble.message for trouble in troubles), troubles[0].remedy)
    if kubeconfig.in_pod():
        told = messages.none_here()
        return NoEngine(told.message, told.remedy)
    return NoEngine(
        f"{messages.NO_ENGINE}, et {private_reason.replace(chr(39), '’')}.",
        messages.INSTALL_ENGINE,
    )


# -- the private engine ----------------------------------------------------------------------------


def private_unsupported() -> str | None:
    """Why the private engine cannot be had here, in French; None where it can."""
    module = _private_module()
    if module is None:
        return "le moteur privé n’existe que dans une copie du dépôt (git clone)"
    reason: str | None = module.unsupported()
    return reason


def private_running() -> Engine | None:
    """The private engine if it runs."""
    module = _private_module()
    if module is None or module.unsupported() is not None:
        return None
    described = module.running()
    return None if described is None else _private(described)


def first_start_seconds() -> float:
    """How long what the private engine has to compile may take, 0 where another engine answers or
    nothing is left to compile."""
    module = _private_module()
    if module is None or module.unsupported() is not None or answering():
        return 0
    seconds: float = module.first_start_seconds()
    return seconds


def start_private(progress: Progress) -> Engine:
    """The private engine, started when it was not. Raises CahierError."""
    module = _private_module()
    if module is None:
        raise _none_answers([], private_unsupported() or "")
    try:
        return _private(module.start(progress))
    except module.EngineProblem as problem:
        raise CahierError(problem.message, problem.remedy) from problem


def stop_private() -> None:
    """End the private engine and all that it holds. Raises CahierError."""
    module = _private_module()
    if module is None or module.unsupported() is not None:
        return
    try:
        module.stop()
    except module.EngineProblem as problem:
        raise CahierError(problem.message, problem.remedy) from problem


def node_image_key(engine: str, image: str) -> str:
    """What the private engine makes its node image from, in a few letters; "" for an image that is
    not its own."""
    module = _private_module()
    if module is None or engine != PRIVATE:
        return ""
    key: str = module.node_image_key(image)
    return key


def fetch_private_image(name: str) -> None:
    """Give the private engine an image of its own registry, to build on. Raises CahierError."""
    module = _private_module()
    assert module is not None
    try:
        module.fetch_image(name)
    except module.EngineProblem as problem:
        raise CahierError(problem.message, problem.remedy) from problem


def operator_manifests(engine: Engine, progress: Progress, published: str) -> tuple[str, str]:
    """What a cluster of this engine is given for its storage ("" where it has kind's own) and for
    the database operator: `published`, but in the private engine, where nothing can be pulled and
    its images are made. Raises CahierError."""
    module = _private_module()
    if module is None or engine.name != PRIVATE:
        return "", published
    try:
        made = module.supply_operator(progress)
    except module.EngineProblem as problem:
        raise CahierError(problem.message, problem.remedy) from problem
    return made.storage, made.operator


def stand_in(engine: Engine, name: str, progress: Progress) -> tuple[str, Path, str] | None:
    """What the private engine makes instead of an image that it cannot pull: what that really
    holds, its archive, and what it was made from in a few letters. None for an image that its
    registry has, and for another engine. Raises CahierError."""
    module = _private_module()
    if module is None or engine.name != PRIVATE:
        return None
    try:
        made: tuple[str, Path, str] | None = module.stand_in(name, progress)
    except module.EngineProblem as problem:
        raise CahierError(problem.message, problem.remedy) from problem
    return made


def _private(described: Any) -> Engine:
    return Engine(
        PRIVATE,
        "docker",
        {**described.environment, _CHOICE: "docker"},
        described.node_image,
        described.networking,
        described.kind,
    )


def _private_module() -> ModuleType | None:
    """`engine.private_engine`, None outside a checkout."""
    try:
        from engine import private_engine
    except ImportError:
        return None
    return private_engine


# -- kind ------------------------------------------------------------------------------------------


def _find_kind(environment: Mapping[str, str]) -> Path:
    found = shutil.which("kind", path=environment.get("PATH"))
    if found is None:
        raise CahierError(
            "La commande « kind », qui fabrique le cluster, n’est pas installée.",
            messages.INSTALL_KIND,
        )
    version = kind_version(Path(found))
    if version is not None and version < KIND_NEEDED:
        have, need = (".".join(map(str, pair)) for pair in (version, KIND_NEEDED))
        raise CahierError(
            f"kind est trop ancien : {found} est en version {have}, il faut {need}.",
            messages.INSTALL_KIND,
        )
    return Path(found)


def kind_version(path: Path) -> tuple[int, int] | None:
    """Major and minor version, None where it does not say (a build of one's own)."""
    try:
        done = _call([str(path), "version"], _PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CahierError(
            f"{path} ne peut pas être exécuté ({error}).", messages.INSTALL_KIND
        ) from error
    found = re.search(r"v(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else None
