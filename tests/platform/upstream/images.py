"""The images that the pods of Kubernetes' tests run, made from what was compiled and from Debian.

The tests say themselves which images they may ask for, and under which names. A test of the areas
that are played which comes to need another one fails, and says so: the image is to be made too.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from engine import build, cache, lab_images, paths
from engine.lab_images import LabImage
from tests.platform.upstream import programs

_FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELL = ("bash", "coreutils", "dash", "grep", "sed", "findutils", "hostname", "libc-bin", "mawk")
_BASE = (*_SHELL, "base-passwd", "debianutils", "netbase")
_REGISTRY = "registry.k8s.io/"
"""Where the tests find their images; the others are there to be refused."""
_TESTS = f"{_REGISTRY}e2e-test-images"


def push(made: Path) -> None:
    """Puts those that are made here into the registry of the running engine, of all that the tests
    may ask for."""
    recipes = _recipes(made)
    for name in _asked_for(made):
        image = recipes.get(name) or recipes.get(_repository(name))
        if image is not None:
            _push(lab_images.archive(image), name)


def _asked_for(made: Path) -> Sequence[str]:
    said = subprocess.run(
        [made / "e2e.test", "--list-images"], capture_output=True, text=True, check=True
    ).stdout
    return [name for name in said.split() if name.startswith(_REGISTRY)]


def _repository(image: str) -> str:
    return image.partition(":")[0]


def _push(archive: Path, name: str) -> None:
    """Every pull of the nodes ends at that registry, whatever the host of the name."""
    address = f"{paths.network().engine}:{paths.REGISTRY_PORT}"
    subprocess.run(
        [
            *("skopeo", "--insecure-policy", "copy", "--quiet"),
            *("--dest-tls-verify=false", "--dest-compress-format", "zstd"),
            *(f"docker-archive:{archive}", f"docker://{address}/{name.partition('/')[2]}"),
        ],
        check=True,
    )


def _recipes(made: Path) -> Mapping[str, LabImage]:
    """What each image is made from, by its name; without a tag, whatever the tag."""
    busybox = next(one for one in lab_images.IMAGES if "library/busybox:latest" in one.names)
    return {
        f"{_TESTS}/agnhost:{programs.agnhost_version()}": _agnhost(made),
        f"{_TESTS}/busybox": busybox,
        f"{_TESTS}/glibc-dns-testing": LabImage(
            names=("upstream/glibc-dns-testing",),
            packages=(*_BASE, "bind9-dnsutils"),
            configuration={"Cmd": ["bash"], "Env": [_PATH]},
            finish=_nothing,
        ),
        f"{_REGISTRY}pause": replace(
            busybox,
            names=("upstream/pause",),
            configuration={"Entrypoint": ["/bin/busybox", "sleep", "2147483647"], "Env": [_PATH]},
        ),
    }


def _agnhost(made: Path) -> LabImage:
    """As in its Dockerfile, from Debian instead of Alpine, with the CoreDNS of our nodes; without
    the registry that one of its commands serves: that holds images which are not to be had here."""

    def finish(tree: Path) -> None:
        (tree / "bin/nc").symlink_to("nc.openbsd")  # Debian chooses as it installs it
        _applets(tree)
        shutil.copy2(made / "agnhost", tree / "agnhost")
        (tree / "agnhost-2").symlink_to("agnhost")
        shutil.copy2(build.programs() / "node" / "cluster", tree / "coredns")
        (tree / "uploads").mkdir()
        with (tree / "etc/passwd").open("a") as users:
            users.write("user-defined-in-image:x:1000:1000::/:/bin/sh\n")
        with (tree / "etc/group").open("a") as groups:
            groups.write("user-defined-in-image:x:1000:\n")
            groups.write("group-defined-in-image:x:50000:user-defined-in-image\n")

    return LabImage(
        names=("upstream/agnhost",),
        packages=(
            *_BASE,
            *("bind9-dnsutils", "curl", "netcat-openbsd", "iproute2", "iperf", "util-linux"),
            *("socat", "ca-certificates", "busybox", "net-tools", "wget"),
        ),
        configuration={
            "Entrypoint": ["/agnhost"],
            "Cmd": ["pause"],
            "Env": [_PATH],
            "Labels": {"cahier.key": cache.key(programs.key(), build.key(), Path(__file__))},
        },
        finish=finish,
    )


def _applets(tree: Path) -> None:
    """The commands that Alpine has from busybox, where Debian's packages brought none."""
    listed = subprocess.run(
        ["chroot", tree, "busybox", "--list-full"], capture_output=True, text=True, check=True
    ).stdout
    for place in (tree / path for path in listed.split()):
        if shutil.which(place.name, path=":".join(str(tree / one) for one in _FOLDERS)) is None:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to("/bin/busybox")


def _nothing(tree: Path) -> None:
    """Debian's packages are all there is."""
