"""The public face: a container engine that needs no other one, for real `kind`.

with whatever progress display:
    engine = private_engine.start(progress)
subprocess.run([engine.kind, "create", "cluster", …], env=engine.environment)
private_engine.stop()
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engine import (
    build,
    cache,
    carried,
    daemon,
    docker,
    enforcer_image,
    lab_images,
    linux,
    mongodb_image,
    node_image,
    operator_images,
    packages,
    paths,
    processes,
    registry,
)
from engine.operator_images import Manifests
from engine.problems import EngineProblem
from engine.processes import Tell

__all__ = [
    "Engine",
    "EngineProblem",
    "Manifests",
    "Progress",
    "Tell",
    "carry",
    "fetch_image",
    "first_start_seconds",
    "node_image_key",
    "running",
    "stand_in",
    "start",
    "stop",
    "supply_enforcer",
    "supply_operator",
    "unsupported",
]


class Progress(Protocol):
    """How long steps are shown: a French name, and how long it may take."""

    def __call__(self, step: str, estimate_seconds: float, /) -> AbstractContextManager[Tell]:
        """Entered when the step begins, left when it ends; what it gives may be told how far the
        step is."""
        ...


@dataclass(frozen=True)
class Engine:
    """A running engine, and what it takes to use it."""

    environment: Mapping[str, str]
    """Complete, for kind, docker and kubectl."""
    node_image: str
    kind: Path
    networking: Mapping[str, object]
    """For the part of that name of kind's configuration."""
    kubelet: Mapping[str, object] = field(default_factory=dict)
    """Nothing: the node's own drop-in has all that the kubelet needs."""


def unsupported() -> str | None:
    """Why the private engine cannot be had here, in French; None where it can."""
    if not linux.is_here():
        return "le moteur privé n'existe que sous Linux"
    if not (paths.SOURCES / "go" / "go.mod").is_file():
        return "le moteur privé se fabrique à partir d'une copie du dépôt (`git clone`)"
    if not linux.is_root():
        return "le moteur privé a besoin des droits de root"
    if packages.architecture() not in ("amd64", "arm64"):
        return f"le moteur privé ne sait rien faire d'un processeur {packages.architecture()}"
    if not Path("/usr/bin/apt-get").exists():
        return "le moteur privé a besoin de Debian ou d'une distribution qui en dérive (apt-get)"
    lacking = linux.missing_capabilities()
    if lacking:
        return f"ce conteneur n'a pas les droits qu'il faut ({', '.join(lacking)})"
    return None


def first_start_seconds() -> float:
    """How long what is still to compile may take, 0 when nothing is."""
    with contextlib.suppress(EngineProblem):  # told at the start itself
        if build.is_built() or carried.found() is not None:
            return 0
    return build.estimate_seconds()


def running() -> Engine | None:
    """The engine if it is up: a few milliseconds."""
    mark = _read_ready_mark()
    return None if mark is None or not daemon.is_up() else _described(mark)


def node_image_key(image: str) -> str:
    """What an image of a node is made from, as the files are now; "" for one that is not made
    here."""
    return node_image.key() if image == paths.node_image() else ""


def start(progress: Progress) -> Engine:
    """Makes what is missing, starts what is not running; twice is harmless."""
    _require_supported()
    mark = _read_ready_mark()
    if mark is None or not _is_current(mark) or not daemon.is_up():
        with _alone(paths.cache() / "lock", progress):
            mark = _bring_up(progress)
    return _described(mark)


def _require_supported() -> None:
    reason = unsupported()
    if reason is not None:
        raise EngineProblem(
            f"Impossible de démarrer : {reason}.",
            "Installez un moteur de conteneurs (Docker, Podman), puis recommencez.",
        )
    if paths.kubernetes() not in build.versions():
        raise EngineProblem(
            f"Le moteur privé ne sait pas fabriquer Kubernetes {paths.kubernetes()}, que demande "
            "CAHIER_KUBERNETES.",
            f"Donnez-lui l'une de ces versions : {', '.join(build.versions())}.",
        )


def _is_current(mark: Mapping[str, str]) -> bool:
    """Whether what runs was made from the files as they are now."""
    return mark["node image"] == node_image.key() and mark["lab images"] == lab_images.key()


def _bring_up(progress: Progress) -> Mapping[str, str]:
    mark = _read_ready_mark()
    if mark is not None and _is_current(mark) and daemon.is_up():
        return mark  # by the process that we have waited for
    _prepare(progress)
    with _alone(paths.state() / "lock", progress):
        _ready_mark().unlink(missing_ok=True)
        if not daemon.is_up():
            with progress("Démarrage du moteur de conteneurs privé", 3):
                daemon.start(build.programs() / "node" / "runc-nores")
        with progress("Démarrage du registre local", 3):
            registry.start()
        if docker.image_key(paths.node_image()) != node_image.key():
            with progress("Chargement de l'image du nœud", 10):
                _load_node_image()
        return _write_ready_mark()


def fetch_image(name: str) -> None:
    """Gives dockerd an image of the registry, which there and here has the full name of one of
    Docker Hub."""
    address = f"{paths.network().engine}:{paths.REGISTRY_PORT}"
    path = name.removeprefix("docker.io/")
    host = f"unix://{docker.socket_path()}"
    with tempfile.TemporaryDirectory(
        dir=paths.state()
    ) as unpacked:  # this dockerd knows nothing of zstd
        for words in (
            (
                "--src-tls-verify=false",
                "--dest-decompress",
                f"docker://{address}/{path}",
                f"dir:{unpacked}",
            ),
            ("--dest-daemon-host", host, f"dir:{unpacked}", f"docker-daemon:{name}"),
        ):
            processes.run(
                ["skopeo", "--insecure-policy", "copy", "--quiet", *words],
                log="docker",
                purpose=f"La reprise de l'image {name} dans le registre local",
                environment=processes.without_proxies(os.environ),
            )


def supply_operator(progress: Progress) -> Manifests:
    """Gives the registry the images of the database operator and of kind's storage, made where they
    were not; what the cluster is to be given."""
    with _alone(paths.cache() / "lock", progress):
        _take(progress, "operator", carried.OPERATOR_MANIFESTS)
        if not operator_images.is_built():
            packages.require()
            daemon.require_room(3)
            estimate = operator_images.estimate_seconds()
            with progress("Compilation de l'opérateur de bases", estimate) as tell:
                operator_images.archives_of_images(tell)
    with progress("Dépôt de ses images dans le registre local", 8):
        for name, archive in operator_images.archives_of_images().items():
            _push(archive, name)
    return _operator_manifests()


def _operator_manifests() -> Manifests:
    """Kept, and carried, with the images: reading them from the sources needs Go and its proxy."""

    def make(new: Path) -> None:
        for name, text in vars(operator_images.manifests()).items():
            (new / f"{name}.yaml").write_text(text)

    made = cache.made(carried.OPERATOR_MANIFESTS, operator_images.key, make)
    return Manifests(
        storage=(made / "storage.yaml").read_text(),
        operator=(made / "operator.yaml").read_text(),
    )


def supply_enforcer(progress: Progress) -> str:
    """Gives the registry the image of kube-router, made where it was not; what the cluster is to be
    given."""
    with _alone(paths.cache() / "lock", progress):
        packages.require()
        daemon.require_room(3)
        with progress("Fabrication de kube-router", enforcer_image.estimate_seconds()):
            archive = enforcer_image.archive()
    _push(archive, enforcer_image.NAME)
    return enforcer_image.manifest()


def stand_in(name: str, progress: Progress) -> tuple[str, Path, str] | None:
    """What is made instead of an image of Docker Hub once it is wanted: what that really holds, its
    archive, and what it was made from. None for an image that the registry has."""
    if name != mongodb_image.NAME:
        return None
    server = mongodb_image.server()
    with _alone(paths.cache() / "lock", progress):
        _take(progress, "mongodb")
        if not mongodb_image.is_built():
            packages.require()
            daemon.require_room(2)
            estimate = mongodb_image.estimate_seconds()
            with progress(f"Compilation de {server}, une seule fois", estimate) as tell:
                mongodb_image.archive(tell)
    archive = mongodb_image.archive()
    return server, archive, archive.parent.name


def _push(archive: Path, name: str) -> None:
    address = f"{paths.network().engine}:{paths.REGISTRY_PORT}"
    words = ("--dest-tls-verify=false", "--dest-compress-format", "zstd")
    processes.run(
        [
            *("skopeo", "--insecure-policy", "copy", "--quiet", *words),
            *(f"docker-archive:{archive}", f"docker://{address}/{name}"),
        ],
        log="docker",
        purpose=f"Le dépôt de l'image {name} dans le registre local",
        environment=processes.without_proxies(os.environ),
    )


def stop() -> None:
    """Ends everything, whatever its state; what is long to make stays made."""
    if not linux.is_root():
        return
    with linux.lock(paths.state() / "lock") as take:
        take(wait=True)
        _ready_mark().unlink(missing_ok=True)
        daemon.stop()


def carry(folder: Path, progress: Progress) -> Path:
    """Writes the archive that another machine of the same kind starts from, with all that is made
    here; what is missing for a start is made first."""
    _require_supported()
    with _alone(paths.cache() / "lock", progress):
        _prepare(progress)
        if operator_images.is_built():
            _operator_manifests()
        with progress("Écriture de l’archive du moteur", 10) as tell:
            return carried.write(folder, tell)


def _take(progress: Progress, *kinds: str) -> None:
    """From the archive, if there is one, where a part of these kinds is not there."""
    archive = carried.found() if carried.lacks(*kinds) else None
    if archive is not None:
        packages.require()
        step = f"Reprise du moteur, de l’archive {archive.name}"
        with progress(step, carried.estimate_seconds(archive)) as tell:
            carried.take(archive, tell)


def _prepare(progress: Progress) -> None:
    packages.require()
    carried.discard_unfinished()
    _take(progress)
    # the objects of a first compilation, kept by Go, are the largest part
    daemon.require_room(3 if build.is_built() else 8)
    steps: list[tuple[bool, str, float, Callable[[Tell], object]]] = [
        (
            cache.place("engine-programs", packages.engine_programs_key()).is_dir(),
            "Téléchargement de Docker depuis Debian",
            10,
            lambda _: packages.engine_programs(),
        ),
        (
            build.is_built(),
            "Compilation de Kubernetes",
            build.estimate_seconds(),
            build.kubernetes,
        ),
        (
            node_image.is_built() or cache.place("node-base", node_image.base_key()).is_dir(),
            "Assemblage du système du nœud",
            25,
            lambda _: node_image.base_tree(),
        ),
        (
            node_image.is_built(),
            "Fabrication de l'image du nœud",
            15,
            lambda _: node_image.archive(),
        ),
        (
            lab_images.is_built(),
            "Fabrication des images des TP",
            60,
            lambda _: lab_images.storage(),
        ),
    ]
    for done, name, estimate, make in steps:
        if not done:
            with progress(name, estimate) as tell:
                make(tell)


def _node_archive() -> Path:
    """Where it was carried here, not all that it is made from was."""
    made = cache.place("node-image", node_image.key())
    if not made.is_dir():
        return node_image.archive()
    os.utime(made)  # asked for, as `cache.made` would say
    return made / "node.tar.zst"


def _load_node_image() -> None:
    archive = _node_archive()
    docker.do(
        *("import", "--change", 'ENTRYPOINT ["/usr/local/bin/entrypoint"]'),
        *(
            "--change",
            "ENV container=docker",
            "--change",
            f"LABEL cahier.key={archive.parent.name}",
        ),
        *("-", paths.node_image()),
        purpose="Le chargement de l'image du nœud",
        packed=archive,
    )
    docker.ask("image", "prune", "--force")  # the one that it replaces


def _ready_mark() -> Path:
    """Written when all is up: what it was made from, where its programs are."""
    return paths.state() / "ready.json"


def _write_ready_mark() -> Mapping[str, str]:
    mark = {
        "node image": docker.image_key(paths.node_image()) or "",
        "lab images": lab_images.storage().parent.name,
        "programs": str(build.programs()),
        "engine programs": str(packages.engine_programs()),
    }
    _ready_mark().write_text(json.dumps(mark))
    return mark


def _read_ready_mark() -> Mapping[str, str] | None:
    try:
        mark: Mapping[str, str] = json.loads(_ready_mark().read_text())
    except (OSError, ValueError):
        return None
    return mark if Path(mark["programs"]).is_dir() else None


@contextlib.contextmanager
def _alone(path: Path, progress: Progress) -> Iterator[None]:
    """One process at a time: another one waits, and says so."""
    with linux.lock(path) as take:
        if not take(wait=False):
            with progress("Un autre processus prépare déjà le moteur : attente", 60):
                take(wait=True)
        yield


def _described(mark: Mapping[str, str]) -> Engine:
    network = paths.network()
    programs = Path(mark["programs"])
    return Engine(
        environment=docker.environment(programs, Path(mark["engine programs"])),
        node_image=paths.node_image(),
        kind=programs / "bin" / "kind",
        networking={
            "apiServerAddress": network.engine,
            "apiServerPort": paths.API_SERVER_PORT,
            "kubeProxyMode": "nftables",
        },
    )
