"""What comes from Debian: programs of the machine, the engine's, and whole trees."""

import platform
import shutil
from collections.abc import Iterable
from functools import cache as once
from pathlib import Path

from engine import cache, paths, processes
from engine.problems import EngineProblem

_NEEDED = {  # program: package
    "ip": "iproute2",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nft": "nftables",
    "skopeo": "skopeo",
    "zstd": "zstd",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
_LIBRARY = "libdevmapper.so.1.02.1"  # dockerd is linked with it
_LIBRARY_PACKAGE = "libdevmapper1.02.1"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Unpacked, not installed: no service starts, no user and no file in /etc appears.
_ENGINE_PACKAGES = ("docker.io", "containerd", "runc", "docker-registry", "busybox-static")
_ENGINE_PROGRAMS = (
    *("usr/bin/docker", "usr/sbin/dockerd", "usr/sbin/docker-proxy", "usr/bin/docker-init"),
    *("usr/bin/tini-static", "usr/bin/containerd", "usr/bin/containerd-shim-runc-v2"),
    *("usr/sbin/runc", "usr/bin/docker-registry", "bin/busybox"),
)

_NEVER_WANTED = (
    *("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"),
    *("/usr/lib/udev/hwdb.d/*", "/usr/lib/gconv/*"),
)
_TREE_REMEDY = (
    "Vérifiez que le miroir Debian de cette machine répond (`apt-get update`), puis recommencez."
)


def missing() -> list[str]:
    """The Debian packages whose programs this machine lacks."""
    found = {
        package
        for program, package in _NEEDED.items()
        if not shutil.which(program, path=_SYSTEM_PATH)
    }
    if not any(any(Path(folder).glob(f"*/{_LIBRARY}")) for folder in ("/lib", "/usr/lib")):
        found.add(_LIBRARY_PACKAGE)
    return sorted(found)


def require() -> None:
    """Says in one sentence all that is missing, and the one command that installs it."""
    lacking = missing()
    if lacking:
        raise EngineProblem(
            f"Il manque à cette machine de quoi fabriquer le moteur privé : {', '.join(lacking)}.",
            "Installez ces paquets Debian, puis recommencez :\n"
            f"  apt-get update && apt-get install -y {' '.join(lacking)}",
        )


@once
def architecture() -> str:
    """As Go, containers and Debian call it, on the two that they have in common."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _release() -> str:
    """The machine's own Debian release: its mirror is where packages come from."""
    try:
        return Path("/etc/os-release").read_text()
    except OSError:
        return ""


def engine_programs_key() -> str:
    """Of the packages, and of the release whose versions they have."""
    return cache.key(*_ENGINE_PACKAGES, *_ENGINE_PROGRAMS, architecture(), _release())


def engine_programs() -> Path:
    """The folder with dockerd, its companions and the registry, as Debian has them."""

    def unpack(new: Path) -> None:
        archives = new / "archives"
        archives.mkdir()
        processes.run(
            [
                *["apt-get", "--quiet", "-o", "APT::Sandbox::User=root", "download"],
                *_ENGINE_PACKAGES,
            ],
            log="packages",
            purpose="Le téléchargement de Docker",
            remedy="Rafraîchissez la liste des paquets (`apt-get update`), puis recommencez.",
            folder=archives,
        )
        for archive in sorted(archives.iterdir()):
            processes.run(
                ["dpkg", "-x", archive, archives / "tree"],
                log="packages",
                purpose="Le déballage de Docker",
            )
        for name in _ENGINE_PROGRAMS:
            program = archives / "tree" / name
            if program.exists() or program.is_symlink():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                program.rename(new / name)
        shutil.rmtree(archives)

    return cache.made("engine-programs", engine_programs_key, unpack)


def tree(target: Path, packages: Iterable[str], variant: str) -> None:
    """Unpacks Debian packages and all that they depend on into a folder.

    Variant `essential` is a working minimal system, `extract` files alone.
    """
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in _NEVER_WANTED]
    processes.run(
        [
            *processes.CONTAINED,
            *("mmdebstrap", "--mode=root", f"--variant={variant}", "--format=directory"),
            f"--include={','.join(packages)}",
            *excluded,
            '--aptopt=APT::Install-Recommends "false"',
            paths.DEBIAN,
            target,
        ],
        log="packages",
        purpose="L'assemblage d'une arborescence Debian",
        remedy=_TREE_REMEDY,
    )
    for pattern in _NEVER_WANTED:  # `extract` knows nothing of path-exclude
        shutil.rmtree(target / pattern.strip("/*"), ignore_errors=True)
