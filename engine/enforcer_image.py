"""kube-router, which enforces NetworkPolicies in its own way: its image, and what a cluster is
given to have the labs played where it decides in the place of our pod network."""

import re
from pathlib import Path

from engine import cache, compiler, lab_images, paths
from engine.lab_images import LabImage

MODULE = paths.SOURCES / "enforcer"
NAME = "cloudnativelabs/kube-router:latest"
_SOURCE = "github.com/cloudnativelabs/kube-router/v2"
_COMPILER = compiler.Compiler(MODULE, "La compilation de kube-router")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAM = "usr/local/bin/kube-router"


def program() -> str:
    """What it is, and its version."""
    return f"kube-router {_version()}"


def estimate_seconds() -> float:
    """How long it takes to make the image where it was not made."""
    return 60 if compiler.is_warm() else 600


def archive() -> Path:
    """The image as `docker save` would write it."""
    return lab_images.archive(_image())


def manifest() -> str:
    """What a cluster is given once its pod network enforces nothing any more."""
    return (MODULE / "kube-router.yaml").read_text()


def _version() -> str:
    found = re.search(rf"{re.escape(_SOURCE)} (v\S+)", (MODULE / "go.mod").read_text())
    assert found is not None, "go.mod names it"
    return found[1]


def _image() -> LabImage:
    """Made again where the label says that the program is another."""
    return LabImage(
        names=(NAME,),
        packages=("iptables", "ipset", "busybox"),
        configuration={
            "Entrypoint": [f"/{_PROGRAM}"],
            "Env": [f"PATH={_PATH}"],
            "Labels": {"cahier.key": cache.key(MODULE)},
        },
        finish=_finish,
    )


def _finish(tree: Path) -> None:
    for suffix in ("", "-save", "-restore"):  # Debian chooses as it installs them
        (tree / f"usr/sbin/iptables{suffix}").symlink_to("xtables-nft-multi")
    flags = f"-s -w -X {_SOURCE}/pkg/version.Version={_version()}"
    _COMPILER.build(f"{_SOURCE}/cmd/kube-router", tree / _PROGRAM, flags)
