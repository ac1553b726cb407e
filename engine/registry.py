"""The local registry: a container on the `kind` network, as in kind's own recipe.

The nodes know it as `registry`, and every pull of theirs ends there.
"""

import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from engine import cache, docker, lab_images, packages, paths, processes
from engine.problems import EngineProblem

_CONFIGURATION = paths.SOURCES / "registry" / "config.yml"
_NAME = "registry"


def start() -> None:
    """Runs it with the labs' images, afresh where they have changed."""
    wanted = cache.key(lab_images.key(), Path(__file__))
    state = '{{.State.Running}} {{index .Config.Labels "cahier.key"}}'
    if docker.ask("container", "inspect", "--format", state, _NAME) == f"true {wanted}":
        return
    purpose = "Le démarrage du registre local"
    if docker.ask("container", "inspect", _NAME) is not None:
        docker.do("rm", "-fv", _NAME, purpose=purpose)
    image = _image()
    _make_network()
    docker.do(
        *("run", "--detach", "--restart", "always", "--name", _NAME),
        *("--label", f"cahier.key={wanted}", "--network", "kind"),
        *("--ip", paths.network().registry),
        *("--publish", f"{paths.network().engine}:{paths.REGISTRY_PORT}:{paths.REGISTRY_PORT}"),
        *("--volume", f"{_volume()}:/data", image),
        purpose=purpose,
    )
    _wait()


def _make_network() -> None:
    """kind would make it itself. Made here, its subnet is known: the registry
    has a high address, and a restarted node finds its own again."""
    if docker.ask("network", "inspect", "kind") is None:
        network = paths.network()
        docker.do(
            *("network", "create", "--driver", "bridge"),
            *("--subnet", network.kind_subnet, "--gateway", network.kind_gateway, "kind"),
            purpose="La création du réseau des nœuds",
        )


def _volume() -> str:
    """The labs' images as they were made, under whatever is pushed later."""
    storage = lab_images.storage()
    name = f"registry-{storage.parent.name}"
    above = paths.state() / "registry" / storage.parent.name
    for part in ("upper", "work"):
        (above / part).mkdir(parents=True, exist_ok=True)
    if docker.ask("volume", "inspect", name) is None:
        layers = f"lowerdir={storage},upperdir={above}/upper,workdir={above}/work"
        docker.do(
            *("volume", "create", "--opt", "type=overlay", "--opt", "device=overlay"),
            *("--opt", f"o={layers}", name),
            purpose="La préparation du volume du registre",
        )
    return name


def _image() -> str:
    """Debian's registry with the libraries that it needs, nothing else."""
    program = packages.engine_programs() / "usr/bin/docker-registry"
    name = f"cahier/registry:{cache.key(packages.engine_programs_key(), _CONFIGURATION)}"
    if docker.ask("image", "inspect", name) is not None:
        return name
    with tempfile.TemporaryDirectory(dir=paths.state()) as scratch:
        archive = Path(scratch, "registry.tar")
        with tarfile.open(archive, "w", dereference=True) as tar:
            tar.add(program, "registry")
            tar.add(_CONFIGURATION, "config.yml")
            for library in _libraries(program):
                tar.add(library, library)
        docker.do(
            *("import", "--change", 'ENTRYPOINT ["/registry", "serve", "/config.yml"]'),
            *(archive, name),
            purpose="Le chargement du registre",
        )
    return name


def _libraries(program: Path) -> list[str]:
    words = (processes.output(["ldd", program]) or "").split()
    return [word for word in words if word.startswith("/")]


def _wait() -> None:
    address = f"http://{paths.network().engine}:{paths.REGISTRY_PORT}/v2/"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(100):
        try:
            with direct.open(address, timeout=2):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    said = docker.ask("logs", "--tail", "5", _NAME) or "(rien)"
    raise EngineProblem(
        f"Le registre local ne répond pas à {address}. Il a dit :\n{said}",
        "Arrêtez le moteur (`cahier cluster supprimer`), puis recommencez.",
    )
