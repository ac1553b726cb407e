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

_FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin")
_DEBIAN = (  # what every image that is made from Debian holds
    *("bash", "coreutils", "dash", "grep", "sed", "findutils", "hostname", "libc-bin"),
    *("base-passwd", "debianutils", "diffutils", "gzip", "ncurses-bin", "tar"),
)
_COMMANDS = ("busybox", "toybox", "netcat-openbsd")
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


def _commands(tree: Path, listed: Path) -> None:
    """The commands of the real image, at the same places, and no other.

    Debian builds busybox without some of them, without `nc -z`, and with a
    `wget -T` that crashes: toybox, netcat and a script stand in.
    """
    aside = tree / "usr/libexec"
    aside.mkdir(exist_ok=True)
    for name in ("toybox", "nc.openbsd"):
        (tree / "bin" / name).rename(aside / name)
    shutil.copyfile(_FILES / "wget.sh", aside / "wget")
    (aside / "wget").chmod(0o755)
    programs = {"nc": "/usr/libexec/nc.openbsd", "wget": "/usr/libexec/wget"}
    for program, *asked in (("/bin/busybox", "--list"), ("/usr/libexec/toybox",)):
        answer = processes.output(["chroot", tree, program, *asked]) or ""
        programs = dict.fromkeys(answer.split(), program) | programs
    wanted = [Path(tree, line.lstrip("/")) for line in listed.read_text().split()]
    for place in {path for folder in _FOLDERS for path in (tree / folder).glob("*")} - {*wanted}:
        place.unlink()
    for place in wanted:
        if place.name in programs and not (place.is_symlink() or place.exists()):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(programs[place.name])


def _busybox(tree: Path) -> None:
    _commands(tree, _FILES / "busybox.commands")
    _accounts(
        tree,
        "root:x:0:0:root:/root:/bin/sh",
        "www-data:x:33:33:www-data:/var/www:/bin/false",
        "nobody:x:65534:65534:nobody:/home:/bin/false",
    )


def _socat(tree: Path) -> None:
    _commands(tree, _FILES / "alpine-socat.commands")
    _accounts(tree, "root:x:0:0:root:/root:/bin/ash", "nobody:x:65534:65534:nobody:/:/sbin/nologin")
    _certificates(tree)
    (tree / "etc/ssl/cert.pem").symlink_to("certs/ca-certificates.crt")


def _accounts(tree: Path, *users: str) -> None:
    """These accounts, each with a group of its own."""
    (tree / "etc/passwd").write_text("\n".join(users) + "\n")
    groups = (user.split(":") for user in users)
    (tree / "etc/group").write_text("".join(f"{name}:x:{gid}:\n" for name, _, _, gid, *_ in groups))


def _certificates(tree: Path) -> None:
    """The authorities that Debian trusts, in one file."""
    found = sorted((tree / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    together = tree / "etc/ssl/certs/ca-certificates.crt"
    together.write_text("".join(path.read_text() for path in found))


def _python(tree: Path) -> None:
    (tree / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3", "python3.11"):
        (tree / "usr/local/bin" / name).symlink_to("/usr/bin/python3.11")
    for name in ("pydoc", "pydoc3"):
        (tree / "usr/local/bin" / name).symlink_to("/usr/bin/pydoc3.11")
    _certificates(tree)
    for path in (tree / "usr/share/ca-certificates/mozilla").glob("*.crt"):
        (tree / "etc/ssl/certs" / f"{path.stem}.pem").symlink_to(f"/{path.relative_to(tree)}")
    _inside(tree, "openssl", "rehash", "/etc/ssl/certs")
    (tree / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()  # the real pip installs there
    wheels = "/usr/share/python-wheels"
    (pip,) = (tree / wheels.lstrip("/")).glob("pip-*.whl")
    _inside(
        tree,
        *("python3", "-B", f"{wheels}/{pip.name}/pip", "install", "--no-index", "--no-compile"),
        *("--find-links", wheels, "--root-user-action", "ignore", "pip", "setuptools"),
    )


def _inside(tree: Path, *command: str) -> None:
    processes.run(
        [*processes.CONTAINED, "chroot", tree, *command],
        log="lab-images",
        purpose="La préparation d'une image des TP",
    )


def _postgres(tree: Path) -> None:
    for wrapper in (tree / "usr/bin").iterdir():  # Debian's are in perl
        if wrapper.is_symlink() and wrapper.readlink().name == "pg_wrapper":
            wrapper.unlink()
            wrapper.symlink_to(f"/{_POSTGRES}/{wrapper.name}")
    _inside(tree, "localedef", "-i", "en_US", "-f", "UTF-8", "en_US.UTF-8")
    # `su`: root needs no password, and nobody has one
    modules = {"auth": "deny", "account": "permit", "session": "permit", "password": "deny"}
    for kind, module in modules.items():
        (tree / f"etc/pam.d/common-{kind}").write_text(f"{kind} required pam_{module}.so\n")
    with (tree / "etc/passwd").open("a") as users:
        users.write("postgres:x:999:999::/var/lib/postgresql:/bin/bash\n")
    with (tree / "etc/group").open("a") as groups:
        groups.write("postgres:x:999:\n")
    # any user may run the server, whoever it is that the cluster chooses
    for folder in ("var/run/postgresql", "var/lib/postgresql", "var/lib/postgresql/data"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
        (tree / folder).chmod(0o3777 if "run" in folder else 0o1777)
        shutil.chown(tree / folder, 999, 999)
    (tree / "docker-entrypoint-initdb.d").mkdir()
    sample = tree / "usr/share/postgresql/15/postgresql.conf.sample"
    sample.write_text(sample.read_text() + "\nlisten_addresses = '*'\n")
    for source, name in (("postgres-entrypoint.sh", "docker-entrypoint.sh"), ("gosu.sh", "gosu")):
        command = tree / "usr/local/bin" / name
        command.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_FILES / source, command)
        command.chmod(0o755)


IMAGES = (
    LabImage(
        names=("library/busybox:latest", "library/busybox:1.36"),
        packages=("libc-bin", *_COMMANDS),
        configuration={"Cmd": ["sh"], "Env": [f"PATH={_PATH}"]},
        finish=_busybox,
    ),
    LabImage(
        names=("alpine/socat:latest", "alpine/socat:1.7.4.4"),
        # netbase: names of ports, as in Alpine's own base
        packages=("socat", "netbase", "ca-certificates", "libc-bin", *_COMMANDS),
        configuration={"Entrypoint": ["socat"], "Env": [f"PATH={_PATH}"]},
        finish=_socat,
        dropped=("usr/share/ssl*", "usr/share/ca-certificates"),
    ),
    LabImage(
        names=("library/python:3.11-slim-bookworm", "library/python:3.11"),
        packages=(
            *("python3", "python-is-python3", "python3-venv", "python3-wheel", "tzdata"),
            *("ca-certificates", "netbase", *_DEBIAN),
        ),
        configuration={
            "Cmd": ["python3"],
            "Env": [f"PATH=/usr/local/bin:{_PATH}", "LANG=C.UTF-8", "PYTHON_VERSION=3.11"],
        },
        finish=_python,
        dropped=("usr/lib/python3.11/test", "usr/lib/python3*/lib2to3"),
    ),
    LabImage(
        names=("library/postgres:15-bookworm", "library/postgres:15"),
        packages=("postgresql-15", "libnss-wrapper", "less", "locales", "util-linux", *_DEBIAN),
        configuration={
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["postgres"],
            "Env": [
                f"PATH={_PATH}:/{_POSTGRES}",
                "LANG=en_US.utf8",
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
        _identity(tree)
        image.finish(tree)
        node_image.drop(tree, (*_DROPPED, *image.dropped))
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
    steps = (image.finish, _identity, _commands, _accounts, _certificates, _inside)
    source = "".join(inspect.getsource(function) for function in steps)
    return (source, *(path for path in _FILES.iterdir() if path.name in source))


def _identity(tree: Path) -> None:
    """The accounts and folders that every image has."""
    (tree / "etc").mkdir(exist_ok=True)
    for name in ("passwd", "group"):
        debian = tree / f"usr/share/base-passwd/{name}.master"
        if debian.exists():
            (tree / "etc" / name).write_text(debian.read_text().replace(":*:", ":x:"))
    for name, program in (("awk", "mawk"), ("which", "which.debianutils")):
        if (tree / "usr/bin" / program).exists():
            (tree / "usr/bin" / name).symlink_to(program)
    (tree / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    for folder in ("tmp", "root", "run", "proc", "sys", "dev", "var/tmp"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (tree / folder).chmod(0o1777)
    if not (tree / "bin/sh").exists():
        shell = "dash" if (tree / "bin/dash").exists() else "busybox"
        (tree / "bin/sh").symlink_to(shell)
