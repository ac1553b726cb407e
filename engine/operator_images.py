"""The CloudNativePG operator and the storage that kind comes with: programs, images, manifests.

The operator is a Go module of its own: it needs older libraries of Kubernetes than a node does.
What is not compiled (the manifests) is read from the sources, at the versions that go.mod names.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine import archives, cache, compiler, lab_images, packages, paths, processes
from engine.archives import Entry, Image, Link
from engine.lab_images import LabImage

MODULE = paths.SOURCES / "operator"
_COMPILER = compiler.Compiler(MODULE, "La compilation de l'opérateur de bases")
_OPERATOR = "github.com/cloudnative-pg/cloudnative-pg"
_STORAGE = "github.com/rancher/local-path-provisioner"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_IDENTITY: Mapping[str, Entry] = {
    "/etc/passwd": b"root:x:0:0:root:/root:/sbin/nologin\n"
    b"nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
    "/etc/group": b"root:x:0:\nnonroot:x:65532:\n",
    "/etc/nsswitch.conf": b"hosts: files dns\n",
}
_UID = 26
"""Of `postgres` in the operator's own images: it runs every instance under it.
https://github.com/cloudnative-pg/postgres-containers/blob/main/Dockerfile"""

OPERAND = "cloudnative-pg/postgresql:15-minimal-trixie"
"""The image of an instance, under a name that the real registry has: its tag begins with the major
version, where the operator reads it. The server is the labs', Debian's."""


@dataclass(frozen=True)
class Manifests:
    """What a cluster is given, as their projects publish it: YAML of several documents."""

    storage: str
    operator: str


def key() -> str:
    """Of the programs and images together."""
    sources = (Path(__file__), Path(lab_images.__file__), Path(archives.__file__))
    return cache.key(MODULE, *sources, packages.engine_programs_key(), paths.KIND, paths.DEBIAN)


def is_built() -> bool:
    """Whether only the pushing is left."""
    return cache.place("operator", key()).is_dir()


def estimate_seconds() -> float:
    """How long it takes to make them."""
    return 200 if compiler.is_warm() else 300


def archives_of_images(tell: processes.Tell = lambda said: None) -> Mapping[str, Path]:
    """Name in the registry of each image, and its archive as `docker save` would write it; `tell`
    hears how far the compilation is."""
    made = cache.made("operator", key, partial(_make, tell=tell))
    return {line: made / f"{number}.tar" for number, line in enumerate(_names(made))}


def manifests() -> Manifests:
    """Those of the operator, and of kind's default storage."""
    operator = _COMPILER.sources(_OPERATOR)
    version = re.search(rf"{re.escape(_OPERATOR)} v(\S+)", (MODULE / "go.mod").read_text())
    assert version is not None, "go.mod names the operator"
    kind = _COMPILER.sources(f"sigs.k8s.io/kind@{paths.KIND}")
    return Manifests(
        storage=_storage_manifest(kind),
        operator=(operator / f"releases/cnpg-{version[1]}.yaml").read_text(),
    )


def _storage_manifest(kind: Path) -> str:
    """kind keeps it in a constant of its own, with the names of two images."""
    text = (kind / "pkg/build/nodeimage/const_storage.go").read_text()
    images = dict(re.findall(r'const (\w+) = "([^"]+)"', text))
    manifest = text.split("const defaultStorageManifest = `", 1)[1].rsplit("`", 1)[0]
    return re.sub(r"` \+ (\w+) \+ `", lambda found: images[found[1]], manifest)


def _make(new: Path, tell: processes.Tell) -> None:
    manager, provisioner = new / "manager", new / "local-path-provisioner"
    _COMPILER.build(f"{_OPERATOR}/cmd/manager", manager, tell=tell)
    _COMPILER.build(_STORAGE, provisioner)
    tell("images")
    written = manifests()
    storage = _image_names(written.storage)
    helper = next(name for name in storage if "helper" in name)
    images = {
        **{name: _operator(manager) for name in _image_names(written.operator)},
        **{name: _storage(provisioner) for name in storage if name != helper},
        helper: _helper(),
    }
    for number, image in enumerate(images.values()):
        archives.write(new / f"{number}.tar", [image], packages.architecture())
    shutil.copyfile(lab_images.archive(_operand()), new / f"{len(images)}.tar")
    (new / "names").write_text("\n".join([*images, OPERAND]) + "\n")
    manager.unlink()
    provisioner.unlink()


def _names(made: Path) -> Sequence[str]:
    return (made / "names").read_text().split()


def _image_names(manifest: str) -> Sequence[str]:
    """The images that a manifest runs, without their registry's host: every pull of the nodes ends
    at ours."""
    found = re.findall(r"""image: ["']?((?:[\w.-]+\.[\w.-]+/)?[\w./-]+:[\w.-]+)""", manifest)
    return sorted({re.sub(r"^[^/]*\.[^/]*/", "", name) for name in found})


def _static(files: Mapping[str, Entry], configuration: Mapping[str, object]) -> Image:
    layer = archives.layer({**files, **_IDENTITY})
    return Image(["image:latest"], [layer], {"Env": [_PATH], **configuration})


def _operator(manager: Path) -> Image:
    """It looks for its own program of each architecture, and refuses to work without."""
    program = f"operator/manager_{packages.architecture()}"
    files: dict[str, Entry] = {f"/{program}": manager, "/manager": Link(program)}
    return _static(files, {"Entrypoint": ["/manager"], "User": "65532:65532"})


def _storage(provisioner: Path) -> Image:
    program = "/usr/local/bin/local-path-provisioner"
    return _static({program: provisioner}, {"Entrypoint": [program]})


def _helper() -> Image:
    """Makes and removes the folder of a volume."""
    applets = {f"/bin/{name}": Link("busybox") for name in ("sh", "rm", "mkdir")}
    return _static({"/bin/busybox": packages.engine_programs() / "bin/busybox", **applets}, {})


def _operand() -> LabImage:
    """The labs' server, as the operator wants to find one: no entry point, its own uid."""
    labs = next(one for one in lab_images.IMAGES if "library/postgres:15" in one.names)
    return replace(
        labs,
        names=(OPERAND,),
        configuration={
            "User": str(_UID),
            "Cmd": ["bash"],
            "Env": [
                _PATH.replace("PATH=", "PATH=/usr/lib/postgresql/15/bin:"),
                "LANG=C.UTF-8",
                "PGDATA=/var/lib/postgresql/data/pgdata",
            ],
        },
        finish=_instance,
    )


def _instance(tree: Path) -> None:
    with (tree / "etc/passwd").open("a") as users:
        users.write(f"postgres:x:{_UID}:{_UID}::/var/lib/postgresql:/bin/bash\n")
    with (tree / "etc/group").open("a") as groups:
        groups.write(f"postgres:x:{_UID}:\n")
    for folder in ("var/lib/postgresql", "var/run/postgresql"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
        shutil.chown(tree / folder, _UID, _UID)
