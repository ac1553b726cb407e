"""The labs' images, made from Debian packages under the names they have on Docker Hub.

So a manifest is the same here and on any other cluster. They are pushed once
into a registry's storage, which is kept.
"""

import inspect
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import archives, cache, node_image, packages, paths, processes

_FILES = paths.SOURCES / "lab_images_files"
_FILL = paths.SOURCES / "registry" / "fill.sh"
_CONFIGURATION = paths.SOURCES / "registry" / "config.yml"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POSTGRES = "usr/lib/postgresql/15/bin"

_SHELL = ("bash", "coreutils", "dash", "grep", "sed", "findutils", "hostname", "libc-bin")
_CLIENTS = ("libc-bin", "netcat-openbsd", "wget")
_DROPPED = (  # needed by nothing that runs in these images
    *("usr/share/doc*", "usr/share/man", "usr/share/locale", "usr/share/bug", "usr/share/lintian"),
    *("usr/share/perl*", "usr/lib/*/perl*", "usr/lib/*/gconv", "usr/share/common-licenses"),
    *("usr/share/bash-completion", "usr/share/i18n", "usr/share/debconf", "usr/lib/systemd"),
    *("lib/systemd", "var/cache/*", "var/lib/apt", "var/lib/dpkg", "var/log/*", "boot", "media"),
)


@dataclass(frozen=True)
class LabImage:
    """What one image is made from."""

    names: Sequence[str]
    packages: Sequence[str]
    configuration: dict[str, object]
    finish: Callable[[Path], None]
    """What the packages' installation scripts would have done, as far as it matters."""
    dropped: Sequence[str] = ()


def _applets(tree: Path) -> None:
    """A link for every command of busybox that is not there as a program.

    Debian builds busybox without `nc -z`, and its `wget -T` crashes: netcat
    and wget are the real ones, whose options include those of Alpine's.
    """
    (tree / "bin/nc").symlink_to("nc.openbsd")
    (tree / "etc/wgetrc").write_text("tries = 1\n")  # as busybox: no second attempt
    busybox = tree / "bin/busybox"
    for name in (processes.output(["chroot", tree, "/bin/busybox", "--list"]) or "").split():
        if not any((tree / folder / name).exists() for folder in ("bin", "sbin", "usr/bin")):
            (busybox.parent / name).symlink_to("busybox")


def _python(tree: Path) -> None:
    (tree / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        (tree / "usr/local/bin" / name).symlink_to("/usr/bin/python3.11")


def _postgres(tree: Path) -> None:
    with (tree / "etc/passwd").open("a") as users:
        users.write("postgres:x:999:999::/var/lib/postgresql:/bin/bash\n")
    with (tree / "etc/group").open("a") as groups:
        groups.write("postgres:x:999:\n")
    # any user may run the server, whoever it is that the cluster chooses
    for folder in ("var/run/postgresql", "var/lib/postgresql/data"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
        (tree / folder).chmod(0o1777)
        shutil.chown(tree / folder, 999, 999)
    shutil.chown(tree / "var/lib/postgresql", 999, 999)
    (tree / "docker-entrypoint-initdb.d").mkdir()
    sample = tree / "usr/share/postgresql/15/postgresql.conf.sample"
    sample.write_text(sample.read_text() + "\nlisten_addresses = '*'\n")
    entry = tree / "usr/local/bin/docker-entrypoint.sh"
    entry.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_FILES / "postgres-entrypoint.sh", entry)
    entry.chmod(0o755)


IMAGES = (
    LabImage(
        names=("library/busybox:latest", "library/busybox:1.36"),
        packages=("busybox", *_CLIENTS),
        configuration={"Cmd": ["sh"], "Env": [f"PATH={_PATH}"]},
        finish=_applets,
    ),
    LabImage(
        names=("alpine/socat:latest", "alpine/socat:1.7.4.4"),
        # netbase: names of ports, as in Alpine's own base
        packages=(
            "socat",
            "busybox",
            "netbase",
            *_CLIENTS,
        ),
        configuration={"Entrypoint": ["socat"], "Env": [f"PATH={_PATH}"]},
        finish=_applets,
        dropped=("usr/share/ssl*",),
    ),
    LabImage(
        names=("library/python:3.11-slim-bookworm", "library/python:3.11"),
        packages=("python3", "python-is-python3", "ca-certificates", "netbase", *_SHELL),
        configuration={
            "Cmd": ["python3"],
            "Env": [f"PATH={_PATH}", "LANG=C.UTF-8", "PYTHON_VERSION=3.11"],
        },
        finish=_python,
        dropped=("usr/lib/python3.11/test", "usr/lib/python3.11/lib2to3"),
    ),
    LabImage(
        names=("library/postgres:15-bookworm", "library/postgres:15"),
        packages=("postgresql-15", "libnss-wrapper", "util-linux", *_SHELL),
        configuration={
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["postgres"],
            "Env": [
                f"PATH=/{_POSTGRES}:{_PATH}",  # before Debian's wrappers, which are in perl
                "LANG=C.UTF-8",
                "PG_MAJOR=15",
                "PGDATA=/var/lib/postgresql/data",
            ],
            "ExposedPorts": {"5432/tcp": {}},
            "Volumes": {"/var/lib/postgresql/data": {}},
            "StopSignal": "SIGINT",  # a fast shutdown: no waiting for clients to leave
        },
        finish=_postgres,
        dropped=(
            *("usr/lib/postgresql/15/lib/bitcode", "usr/lib/postgresql/15/lib/llvmjit*"),
            *("usr/lib/*/libLLVM*", "usr/lib/*/libz3*", "usr/lib/llvm*", "usr/bin/perl*"),
            *("usr/share/postgresql/15/man", "usr/lib/postgresql/15/lib/pgxs"),
        ),
    ),
)


def key() -> str:
    """Of all the images together."""
    sources = (Path(__file__), _FILES, _FILL, _CONFIGURATION, Path(archives.__file__))
    return cache.key(*sources, packages.engine_programs_key(), paths.DEBIAN)


def is_built() -> bool:
    """Whether the registry's storage is there."""
    return cache.place("lab-images", key()).is_dir()


def storage() -> Path:
    """A registry's storage that holds them all."""
    registry = packages.engine_programs() / "usr/bin/docker-registry"

    def make(new: Path) -> None:
        pushes = [f"{archive(image)} {name}" for image in IMAGES for name in image.names]
        (new / "list").write_text("\n".join(pushes) + "\n")
        processes.run(
            [
                *(*processes.CONTAINED, "unshare", "--net"),
                *(_FILL, registry, _CONFIGURATION, new / "storage", new / "list"),
            ],
            log="lab-images",
            purpose="Le dépôt des images des TP dans le registre",
        )

    return cache.made("lab-images", key, make) / "storage"


def archive(image: LabImage) -> Path:
    """One image as `docker save` would write it, kept: they rarely change together."""
    name = image.names[0].partition(":")[0].replace("/", "-")

    def make(new: Path) -> None:
        tree = new / "tree"
        packages.tree(tree, image.packages, "extract")
        node_image.drop(tree, (*_DROPPED, *image.dropped))
        _identity(tree)
        image.finish(tree)
        layer = new / "layer.tar"
        processes.run(
            ["tar", "--numeric-owner", "--mtime=@0", "-C", tree, "-cf", layer, "."],
            log="lab-images",
            purpose="L'archivage d'une image des TP",
        )
        layers = [archives.packed(layer.read_bytes())]
        whole = archives.Image(["image:latest"], layers, image.configuration)
        archives.write(new / "image.tar", [whole], packages.architecture())
        layer.unlink()
        shutil.rmtree(tree)

    def current_key() -> str:
        described = (*image.names, *image.packages, *image.dropped, *_DROPPED, *_finishing(image))
        return cache.key(*described, str(image.configuration), packages.architecture())

    return cache.made(f"lab-image-{name}", current_key, make) / "image.tar"


def _finishing(image: LabImage) -> tuple[str | Path, ...]:
    """The code that an image goes through besides Debian's."""
    source = "".join(inspect.getsource(function) for function in (image.finish, _identity))
    return (source, *(path for path in _FILES.iterdir() if path.name in source))


def _identity(tree: Path) -> None:
    """The accounts and folders that every image has."""
    (tree / "etc").mkdir(exist_ok=True)
    (tree / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    (tree / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (tree / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    for folder in ("tmp", "root", "run", "proc", "sys", "dev", "var/tmp"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (tree / folder).chmod(0o1777)
    if not (tree / "bin/sh").exists():
        shell = "dash" if (tree / "bin/dash").exists() else "busybox"
        (tree / "bin/sh").symlink_to(shell)
