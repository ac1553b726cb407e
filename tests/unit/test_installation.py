"""The wheel is what a learner installs: it is light, it is alone, and what it lacks it says how to
have."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.main import get_command

from checks.cli.application import app
from checks.lab import all_labs
from checks.site import address
from tests.support.pretend_api import Answers, pretend
from tests.support.wheel import ROOT, built, environment, installed, interpreter

_MOST_PACKAGES = 25
_SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return built(tmp_path_factory.mktemp("roue"))


@pytest.fixture(scope="session")
def learner(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment where nothing but the wheel, and what it asks for, is installed."""
    return environment(tmp_path_factory.mktemp("apprenant") / "venv", wheel)


@pytest.fixture
def own(tmp_path: Path) -> Mapping[str, str]:
    """Variables of a person with an empty home, and no program but the system's."""
    return {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "CAHIER_ETAT": str(tmp_path / "etat"),
        "COLUMNS": "500",
        "LANG": "C.UTF-8",
        "KUBECONFIG": str(tmp_path / "config"),
    }


def run(
    learner: Path, words: Sequence[str], own: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [learner / "bin" / "cahier", *words],
        env=own,
        cwd=own["HOME"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_wheel_installs_one_package_that_holds_the_labs(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {re.sub(r"-.*\.dist-info", ".dist-info", name.split("/")[0]) for name in names} == {
        "checks",
        "cahier_kubernetes.dist-info",
    }
    for lab in all_labs():
        assert f"checks/_labs/{lab.name}/lab.toml" in names


def test_a_learner_installs_few_packages(learner: Path) -> None:
    assert 10 < len(installed(learner)) <= _MOST_PACKAGES
    assert "kubernetes" not in installed(learner)


@pytest.mark.parametrize("version", _SUPPORTED)
def test_it_runs_on_every_python_that_it_names(
    version: str, wheel: Path, own: Mapping[str, str], tmp_path: Path
) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    place = environment(tmp_path / "venv", wheel, python)
    assert "tp8" in run(place, ["lister"], own).stdout


def test_the_python_versions_are_those_of_its_metadata() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={_SUPPORTED[0]}"' in project


# -- every command, far from any checkout ----------------------------------------------------------


def _leaves(command: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    children: Mapping[str, object] = getattr(command, "commands", {})
    if not children:
        return [path]
    return [leaf for name, child in children.items() for leaf in _leaves(child, (*path, name))]


_TYPED: Mapping[str, tuple[Sequence[str], Sequence[int], str]] = {
    "lister": ([], [0], "tp8"),
    "commencer": (["tp2"], [0], "Fichiers de départ"),
    "enonce": (["tp5"], [0], "Le TP est réussi quand"),
    "indice": (["tp2"], [0, 3], ""),
    "solution": (["tp5"], [0], "kind: Pod"),
    "verifier": (["tp2"], [1, 3], "TP2"),
    "chemin": (["svc/api:80"], [1, 3], ""),
    "diagnostiquer": ([], [1, 3], "Python"),
    "rattraper": (["tp2"], [0, 1, 3], ""),
    "nettoyer": (["tp2"], [0, 3], ""),
    "demo": (["--enregistrement"], [0], "Tout est juste."),
    "noter": (["classe.csv"], [3], "n’a pas de quoi noter une classe"),
    "classe suivre": (["classe.csv"], [3], "n’a pas de quoi noter une classe"),
    "classe relier": (["classe.csv"], [3], "n’a pas de quoi noter une classe"),
    "classe envoyer": (["classe.csv"], [3], "n’a pas de quoi noter une classe"),
    "droits-enseignant": ([], [0], "ClusterRole"),
    "partager": (["oidc-prof"], [3], ""),
    "instantane": (["-o", "i.json"], [0, 3], ""),
    "cluster creer": ([], [3], "moteur de conteneurs"),
    "cluster etat": ([], [3], "cluster local"),
    "cluster kubeconfig": (["alice"], [3], "cluster local"),
    "cluster connexion": (["alice"], [3], "n’a pas de quoi faire le petit SSPCloud"),
    "cluster peupler": (["3"], [3], "n’a pas de quoi faire le petit SSPCloud"),
    "cluster depeupler": ([], [3], "cluster local"),
    "cluster supprimer": ([], [0], "Il n’y avait pas de cluster local"),
    "catalogue lancer": (["postgresql"], [0, 1, 3], ""),
    "catalogue lister": ([], [0, 3], ""),
    "catalogue arreter": (["postgresql-cnpg-951239"], [0, 2, 3], ""),
    "catalogue ouvrir": (["postgresql-cnpg-951239"], [0, 2, 3], ""),
    "catalogue fermer": (["postgresql-cnpg-951239"], [0, 2, 3], ""),
    "catalogue compte": (["postgresql-cnpg-951239", "lecture"], [0, 2, 3], ""),
}


def test_every_command_is_typed_below() -> None:
    assert {" ".join(path) for path in _leaves(get_command(app))} == set(_TYPED)


def test_every_command_runs_far_from_a_checkout(
    learner: Path, own: Mapping[str, str], tmp_path: Path
) -> None:
    with pretend(tmp_path, Answers()) as server:
        server.kubeconfig(tmp_path / "config")
        for typed, (words, codes, told) in _TYPED.items():
            done = run(learner, [*typed.split(), *words], own)
            said = done.stdout + done.stderr
            assert done.returncode in codes, (typed, said)
            assert told in " ".join(said.split()), (typed, said)
            assert "imprévu" not in said, (typed, said)
            assert "le module Python" not in said, (typed, said)


# -- what an installation lacks --------------------------------------------------------------------


def test_what_grading_needs_is_one_command_away(
    learner: Path, own: Mapping[str, str], wheel: Path, tmp_path: Path
) -> None:
    """The command that is told is typed, and then the class is graded."""
    place = environment(tmp_path / "venv", wheel)
    (tmp_path / "classe.csv").write_text(
        "identifiant,nom,prenom,email,namespace,collegue\na,A,A,a@x.fr,user-alice,\n"
    )
    (tmp_path / "instantanes").mkdir()
    words = ["noter", "classe.csv", "--labs", "tp1", "--depuis", "instantanes"]
    told = run(place, words, own)
    assert told.returncode == 3
    found = re.search(r"Pour l’ajouter : (.+)", told.stderr)
    assert found, told.stderr
    assert str(place) in found[1]
    assert "jinja2" in found[1]
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # uv
    typed = subprocess.run(
        found[1].strip(),
        shell=True,
        env={**os.environ, "PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert typed.returncode == 0, typed.stderr
    graded = run(place, words, own)
    assert graded.returncode == 3, graded.stderr
    assert (tmp_path / "notes-classe" / "rapport.html").is_file(), graded.stderr


def _engine(folder: Path) -> None:
    """A container engine that answers and holds nothing."""
    docker = folder / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" != info ] || echo 27.3.1\n', encoding="utf-8")
    docker.chmod(0o755)
    kind = folder / "kind"
    kind.write_text("#!/bin/sh\necho kind v0.33.0 go1.26.0 linux/amd64\n", encoding="utf-8")
    kind.chmod(0o755)


def test_what_the_local_cluster_needs_is_told_before_it_is_made(
    learner: Path, own: Mapping[str, str], tmp_path: Path
) -> None:
    _engine(tmp_path)
    done = run(learner, ["cluster", "creer"], {**own, "PATH": f"{tmp_path}:{own['PATH']}"})
    assert done.returncode == 3
    assert "il lui manque cryptography, joserfc" in done.stderr


def test_the_demonstration_is_then_the_recorded_one(
    learner: Path, own: Mapping[str, str], tmp_path: Path
) -> None:
    _engine(tmp_path)
    done = run(learner, ["demo"], {**own, "PATH": f"{tmp_path}:{own['PATH']}"})
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()
    assert first[0].startswith("Démonstration enregistrée")
    assert "il lui manque cryptography, joserfc" in first[1]


def test_each_installer_is_told_its_own_command(
    own: Mapping[str, str], wheel: Path, tmp_path: Path
) -> None:
    """As each of them marks the environments that it makes."""
    home = tmp_path / "outils"
    place = environment(home / "venv", wheel)
    source = f'"cahier-kubernetes[enseignant] @ {wheel.as_uri()}"'
    for mark, told in (
        (place / "uv-receipt.toml", f"uv tool install --force {source}"),
        (home / "CACHEDIR.TAG", f"uvx --from {source} cahier …"),
        (
            place / "pipx_metadata.json",
            'pipx inject cahier-kubernetes "jinja2>=3.1" "junitparser<5,>=3.2"',
        ),
    ):
        mark.write_text("")
        done = run(place, ["noter", "classe.csv"], own)
        mark.unlink()
        assert done.returncode == 3
        assert f"Pour l’ajouter : {told}" in done.stderr


def test_a_module_that_is_gone_is_told_with_the_way_back(
    own: Mapping[str, str], wheel: Path, tmp_path: Path
) -> None:
    place = environment(tmp_path / "venv", wheel)
    (folder,) = place.glob("lib/python*/site-packages/msgspec")
    folder.rename(folder.with_name("autre"))
    done = run(place, ["lister"], own)
    assert done.returncode == 3
    assert "le module Python « msgspec »" in done.stderr
    assert f'--force-reinstall "cahier-kubernetes @ {wheel.as_uri()}"' in done.stderr


# -- how the wheel is made -------------------------------------------------------------------------


def _repository(folder: Path, *tags: str) -> Path:
    (folder / "checks").mkdir(parents=True)
    (folder / "checks" / "__init__.py").write_text('"""x"""\n\n__version__ = "0.1.0"\n')
    git = ("git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@x.fr")
    subprocess.run([*git, "init", "--quiet"], check=True)
    for tag in ("", *tags):
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)
        if tag:
            subprocess.run([*git, "tag", tag], check=True)
    return folder


def test_the_version_is_that_of_the_tag_or_else_of_the_code(tmp_path: Path) -> None:
    version = runpy.run_path(str(ROOT / "hatch_build.py"))["version"]
    assert version(_repository(tmp_path / "sans")) == "0.1.0"
    assert version(_repository(tmp_path / "avec", "v0.2.0", "v1.0rc1")) == "1.0rc1"
    assert version(_repository(tmp_path / "autre", "v0.2.0", "essai")) == "0.1.0"
    shutil.rmtree(tmp_path / "avec" / ".git")
    assert version(tmp_path / "avec") == "0.1.0"


def test_the_wheel_says_where_it_comes_from_or_nothing(wheel: Path) -> None:
    (metadata,) = (name for name in ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    said = ZipFile(wheel).read(metadata).decode()
    for name, known in (("Source", address.repository()), ("Documentation", address.site())):
        told = re.findall(rf"^Project-URL: {name}, (.*)$", said, re.MULTILINE)
        assert told == [one for one in [known] if one]


def test_the_same_checkout_makes_the_same_bytes(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epoch in ("1700000000", "1700000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        built(tmp_path / str(len(list(tmp_path.iterdir()))))
    first, second = (one.read_bytes() for one in sorted(tmp_path.glob("*/*.whl")))
    assert first == second
