"""The Go programs: every component of a node, the shim, the runc wrapper and kind."""

from functools import partial
from pathlib import Path

from engine import cache, compiler, packages, paths, processes

MODULE = paths.SOURCES / "go"
_COMPILER = compiler.Compiler(MODULE, "La compilation de Kubernetes")
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
    return 60 if compiler.is_warm() else 15 * 60


def _build(new: Path, tell: processes.Tell) -> None:
    node = new / "node"
    _COMPILER.build("./cmd/cluster", node / "cluster", _version_flags(), tell)
    for program in ("containerd-shim-runc-v2", "runc-nores"):
        _COMPILER.build(f"./cmd/{program}", node / program)
    _COMPILER.install(f"sigs.k8s.io/kind@{paths.KIND}", new / "bin")
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
