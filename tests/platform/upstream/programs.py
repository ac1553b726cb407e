"""What is compiled of Kubernetes, at the version of our local cluster: its end-to-end tests, what
runs in their pods, and what plays several of them at once.

The Go module's requirements are those of `engine/go`, so most packages are compiled already.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from engine import cache, compiler, packages, paths

MODULE = Path(__file__).parent / "go"
_SOURCES = "k8s.io/kubernetes/test"
_COMPILER = compiler.Compiler(MODULE, "La compilation des tests de Kubernetes")
_STAMPS = dict(
    zip(("gitMajor", "gitMinor"), paths.KUBERNETES.removeprefix("v").split("."), strict=False),
    gitVersion=paths.KUBERNETES,
)
"""As Kubernetes' own build has them: some tests ask which version they are of."""


def key() -> str:
    """Of all that they are made from."""
    return cache.key(MODULE, Path(__file__), paths.KUBERNETES, packages.architecture())


def agnhost_version() -> str:
    """The tag of the image whose program those sources are."""
    kubernetes = _COMPILER.sources("k8s.io/kubernetes")
    return (kubernetes / "test/images/agnhost/VERSION").read_text().strip()


def made() -> Path:
    """The folder with `e2e.test`, `agnhost` and `ginkgo`."""
    return cache.made("upstream", key, _make)


def _make(new: Path) -> None:
    _COMPILER.build(f"{_SOURCES}/images/agnhost", new / "agnhost")
    _COMPILER.build("github.com/onsi/ginkgo/v2/ginkgo", new / "ginkgo")
    stamps = (f"-X k8s.io/component-base/version.{name}={word}" for name, word in _STAMPS.items())
    flags = ("-vet=off", "-trimpath", "-ldflags", " ".join(["-s -w", *stamps]))
    subprocess.run(
        [compiler.go(), "test", "-c", *flags, "-o", new / "e2e.test", f"{_SOURCES}/e2e"],
        cwd=MODULE,
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
    )
