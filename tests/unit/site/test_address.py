"""Where the project is published is said once, and an address is never made up."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from mkdocs.config import load_config

from checks.site import address

ROOT = Path(__file__).parents[3]
HERE = "https://git.exemple.fr/equipe/cahier"


def checkout(folder: Path, *, said: str = "", remote: str = "") -> Path:
    (folder / "mkdocs.yml").write_text(
        f"site_name: x\n{said}extra:\n  onyxia: https://onyxia.exemple.fr/ # là\n",
        encoding="utf-8",
    )
    if remote:
        for command in (["init", "-q"], ["remote", "add", "origin", remote]):
            subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        ("https://git.exemple.fr/equipe/cahier.git", HERE),
        ("https://git.exemple.fr/equipe/cahier", HERE),
        ("https://alice:jeton@git.exemple.fr/equipe/cahier.git", HERE),
        ("https://git.exemple.fr:8443/equipe/cahier/", "https://git.exemple.fr:8443/equipe/cahier"),
        ("http://git.exemple.fr/equipe/cahier.git", "http://git.exemple.fr/equipe/cahier"),
        ("git@git.exemple.fr:equipe/cahier.git", HERE),
        ("ssh://git@git.exemple.fr/equipe/cahier.git", HERE),
        ("ssh://git@git.exemple.fr:2222/equipe/cahier.git", HERE),
        (
            "git@git.exemple.fr:groupe/sous-groupe/cahier.git",
            "https://git.exemple.fr/groupe/sous-groupe/cahier",
        ),
        ("/home/alice/cahier", ""),
        ("../cahier", ""),
        ("file:///home/alice/cahier.git", ""),
        ("C:/Users/alice/cahier", ""),
        ("alice@machine", ""),
        ("", ""),
    ],
)
def test_a_remote_is_told_as_anybody_reaches_it(remote: str, told: str) -> None:
    assert address.public(remote) == told


def test_the_setting_comes_first_then_the_remote_then_nothing(tmp_path: Path) -> None:
    assert address.repository(checkout(tmp_path)) == ""
    checkout(tmp_path, remote="git@git.exemple.fr:equipe/cahier.git")
    assert address.repository(tmp_path) == HERE
    checkout(tmp_path, said="repo_url: https://ailleurs.fr/cahier/\n")
    assert address.repository(tmp_path) == "https://ailleurs.fr/cahier"
    checkout(tmp_path, said="# repo_url: https://ailleurs.fr/cahier\n")
    assert address.repository(tmp_path) == HERE


def test_an_archive_unpacked_in_somebody_s_repository_is_not_theirs(tmp_path: Path) -> None:
    checkout(tmp_path, remote="git@git.exemple.fr:alice/devoirs.git")
    inside = tmp_path / "cahier"
    inside.mkdir()
    assert address.repository(checkout(inside)) == ""
    assert address.repository(tmp_path / "nulle-part") == ""


def test_the_settings_are_those_that_the_site_reads(tmp_path: Path) -> None:
    config = load_config(str(ROOT / "mkdocs.yml"))
    assert address.onyxia() == config.extra["onyxia"].rstrip("/")
    assert address.given() == (config.repo_url or "").rstrip("/")
    assert address.onyxia(checkout(tmp_path)) == "https://onyxia.exemple.fr"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("repo_url: https://github.com/Equipe/cahier", "https://equipe.github.io/cahier/"),
        ("repo_url: https://gitlab.com/g/sous/cahier", "https://g.gitlab.io/sous/cahier/"),
        ("repo_url: https://git.exemple.fr/g/cahier", ""),
        ("repo_url: https://github.com/g/c\nsite_url: https://cahier.fr", "https://cahier.fr/"),
        ("", ""),
    ],
)
def test_the_site_is_where_the_forge_publishes_it_or_where_it_is_said(
    tmp_path: Path, said: str, told: str
) -> None:
    assert address.site(checkout(tmp_path, said=f"{said}\n")) == told


@pytest.mark.parametrize(
    ("repository", "told"),
    [
        ("https://github.com/o/r", "https://raw.githubusercontent.com/o/r/HEAD/onyxia/init.sh"),
        (HERE, f"{HERE}/-/raw/HEAD/onyxia/init.sh"),
    ],
)
def test_a_file_has_an_address_without_redirection(repository: str, told: str) -> None:
    assert address.raw(repository, "onyxia/init.sh") == told
