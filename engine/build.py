"""The Go programs: every component of a node, the shim, the runc wrapper and kind; and the
components of Kubernetes alone, at another version."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engine import cache, compiler, packages, paths, processes

MODULE = paths.SOURCES / "go"
OTHERS = paths.SOURCES / "kubernetes"
_PURPOSE = "La compilation de Kubernetes"
_COMPILER = compiler.Compiler(MODULE, _PURPOSE)
_LINKS = {  # another name of a program: where it is
    "node/containerd": "cluster",
    "node/ctr": "cluster",
    "node/kubeadm": "cluster",
    "spare/kubectl": "../node/cluster",
}


def key() -> str:
    """Of all that the programs are made from."""
    return cache.key(MODULE, paths.KUBERNETES, paths.KIND, packages.architecture())


def versions() -> Sequence[str]:
    """Those of Kubernetes that a node can be made of, ours last."""
    others = (folder.name for folder in OTHERS.iterdir() if folder.is_dir())
    return [*sorted(others), paths.KUBERNETES]


def kubernetes_key() -> str:
    """Of all that the components of Kubernetes are made from, at the nodes' version."""
    version = paths.kubernetes()
    if version == paths.KUBERNETES:
        return key()
    requirements = sorted((OTHERS / version).glob("go.*"))
    return cache.key(OTHERS / "main.go", *requirements, version, packages.architecture())


def is_built() -> bool:
    """Whether nothing is left to compile."""
    return cache.place("programs", key()).is_dir() and (
        paths.kubernetes() == paths.KUBERNETES
        or cache.place("kubernetes", kubernetes_key()).is_dir()
    )


def programs(tell: processes.Tell = lambda said: None) -> Path:
    """The folder with node/ (for the node), bin/ (kind) and spare/ (kubectl); `tell` hears how many
    packages are compiled."""
    return cache.made("programs", key, partial(_build, tell=tell))


def kubernetes(tell: processes.Tell = lambda said: None) -> Path:
    """The program that holds the components of Kubernetes at the nodes' version, chosen by the name
    it is called under: for ours, the one that holds all the others too. `kubeadm` is beside it."""
    version = paths.kubernetes()
    ours = programs(tell) / "node" / "cluster"
    if version == paths.KUBERNETES:
        return ours
    make = partial(_build_other, version=version, tell=tell)
    return cache.made("kubernetes", kubernetes_key, make) / "kubernetes"


def estimate_seconds() -> float:
    """A cold build compiles some four thousand packages; a warm one only links."""
    return 60 if compiler.is_warm() and paths.kubernetes() == paths.KUBERNETES else 15 * 60


def _build(new: Path, tell: processes.Tell) -> None:
    node = new / "node"
    _COMPILER.build("./cmd/cluster", node / "cluster", _version_flags(paths.KUBERNETES), tell)
    for program in ("containerd-shim-runc-v2", "runc-nores"):
        _COMPILER.build(f"./cmd/{program}", node / program)
    _COMPILER.install(f"sigs.k8s.io/kind@{paths.KIND}", new / "bin")
    for name, target in _LINKS.items():
        (new / name).parent.mkdir(exist_ok=True)
        (new / name).symlink_to(target)


def _build_other(new: Path, version: str, tell: processes.Tell) -> None:
    its_compiler = compiler.Compiler(OTHERS, _PURPOSE, OTHERS / version / "go.mod")
    its_compiler.build(".", new / "kubernetes", _version_flags(version), tell)
    (new / "kubeadm").symlink_to("kubernetes")


def _version_flags(version: str) -> str:
    """The version that Kubernetes' own build stamps: without it kubectl and
    kubeadm take themselves for v0.0.0 and refuse to work."""
    minor = version.split(".")[1]
    stamps = {
        "gitVersion": version,
        "gitMajor": "1",
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    return "-s -w " + " ".join(
        f"-X {package}.{name}={value}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in stamps.items()
    )
