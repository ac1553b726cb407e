"""What stands in for MongoDB: FerretDB, which speaks its protocol and comes as a Go module, in an
image of the name that the platform's chart runs."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from engine import archives, cache, compiler, packages, paths, processes
from engine.archives import Entry, Image

NAME = "bitnamilegacy/mongodb:4.4"
MODULE = paths.SOURCES / "mongodb"
_COMPILER = compiler.Compiler(MODULE, "La compilation de FerretDB")
_UID = 1001
"""As in Bitnami's image."""
_IDENTITY: Mapping[str, Entry] = {
    "/etc/passwd": f"mongodb:x:{_UID}:0::/bitnami/mongodb:/sbin/nologin\n".encode(),
    "/etc/group": b"root:x:0:\n",
    "/etc/nsswitch.conf": b"hosts: files dns\n",
}


def key() -> str:
    """Of the program and its image."""
    sources = (Path(__file__), Path(archives.__file__))
    return cache.key(MODULE, *sources, packages.architecture())


def is_built() -> bool:
    """Whether nothing is left to compile."""
    return cache.place("mongodb", key()).is_dir()


def estimate_seconds() -> float:
    """How long it takes to make it."""
    return 60 if compiler.is_warm() else 120


def archive(tell: processes.Tell = lambda said: None) -> Path:
    """The image as `docker save` would write it; `tell` hears how far the compilation is."""
    return cache.made("mongodb", key, partial(_make, tell=tell)) / "image.tar"


def server() -> str:
    """What it is, and its version."""
    found = re.search(r"FerretDB v(\S+)", (MODULE / "go.mod").read_text())
    assert found is not None, "go.mod names it"
    return f"FerretDB {found[1]}"


def _make(new: Path, tell: processes.Tell) -> None:
    program = new / "mongodb"
    _COMPILER.build(".", program, tell=tell)
    layer = archives.layer({"/mongodb": program, **_IDENTITY})
    configuration = {
        "Entrypoint": ["/mongodb"],
        "User": str(_UID),
        "ExposedPorts": {"27017/tcp": {}},
    }
    image = Image([f"docker.io/{NAME}"], [layer], configuration)
    archives.write(new / "image.tar", [image], packages.architecture())
    program.unlink()
