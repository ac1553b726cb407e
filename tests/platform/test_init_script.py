"""onyxia/init.sh under the contract of the platform: `curl URL | bash -s -- ARGUMENTS`, without -L
nor -f, and a service that starts whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks import __version__
from tests.conftest import unused_port
from tests.support.served import served
from tests.support.wheel import ROOT, built

_SCRIPT = ROOT / "onyxia" / "init.sh"
_ONYXIA = (1000, 100)  # user and group of the platform's images
_RUN = 'curl --silent $PERSONAL_INIT_SCRIPT | bash -s -- $PERSONAL_INIT_ARGS; echo "ended $?"'
_TAG = "v97.1.2"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Published:
    """What is published on this machine: the script, the wheel, and the repository."""

    address: str
    folder: Path
    wheel: str

    @property
    def repository(self) -> str:
        return f"{self.address}/equipe/cahier"

    def serve(self, path: str, content: bytes) -> str:
        """Publish a file besides; its address."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return f"{self.address}/{path}"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("publie")
    wheel = built(folder)
    with served(folder) as address:
        found = Published(address, folder, wheel.name)
        found.serve("init.sh", _SCRIPT.read_bytes())
        yield found


@pytest.fixture(scope="module")
def repository(published: Published, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The files of this checkout as a repository of one commit, by plain HTTP."""
    work = tmp_path_factory.mktemp("depot")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        source = ROOT / name
        if source.is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, work / name, follow_symlinks=True)
        elif source.is_symlink():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).symlink_to(source.readlink())
    bare = published.folder / "equipe" / "cahier"
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@x.fr")
    for command in (
        [*git, "init", "--quiet", "--initial-branch=main", "."],
        [*git, "add", "--all"],
        [*git, "commit", "--quiet", "--message=x"],
        [*git, "branch", "essai"],
        [*git, "clone", "--quiet", "--bare", ".", str(bare)],
        ["git", "-C", str(bare), "update-server-info"],
    ):
        subprocess.run(command, cwd=work, check=True, capture_output=True)
    return published.repository


@dataclass(frozen=True)
class Service:
    """A home of the platform's user, in which the script runs as the image runs it."""

    home: Path
    programs: Path

    @property
    def work(self) -> Path:
        return self.home / "work"

    @property
    def log(self) -> str:
        return (self.work / "cahier-installation.log").read_text(encoding="utf-8")

    def environment(self, script: str, arguments: str) -> Mapping[str, str]:
        network = ("PIP_", "SSL_", "REQUESTS_", "UV_", "http", "HTTP", "no_proxy", "NO_PROXY")
        return {
            **{name: value for name, value in os.environ.items() if name.startswith(network)},
            "HOME": str(self.home),
            "WORKSPACE_DIR": str(self.work),
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PERSONAL_INIT_SCRIPT": script,
            "PERSONAL_INIT_ARGS": arguments,
            "UV_CACHE_DIR": str(self.home / "cache"),
            "UV_LINK_MODE": "copy",
        }

    def start(
        self, script: str, arguments: str, *, user: int = _ONYXIA[0], **more: str
    ) -> subprocess.CompletedProcess[str]:
        """What the image's own script runs, as this user."""
        done = subprocess.run(
            [*_as(user), "bash", "-c", _RUN],
            env={**self.environment(script, arguments), **more},
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0
        return done

    def typed(self, *words: str) -> str:
        """What a command answers in the service's own terminal."""
        done = subprocess.run(
            [*_as(_ONYXIA[0]), "bash", "-ic", " ".join(words)],
            env=self.environment("", ""),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file of the home, with when it was written and whose it is."""
        return {
            str(file.relative_to(self.home)): (file.lstat().st_mtime_ns, file.lstat().st_uid)
            for file in self.home.rglob("*")
            if "cache" not in file.parts
        }


def _as(user: int) -> list[str]:
    if user == os.getuid():
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={_ONYXIA[1]}", "--clear-groups", "--"]


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A new home, which this user's own programs cannot be needed for."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can play the platform's user")
    folder = Path("/tmp") / f"onyxia-{unused_port()}"  # the temporary folders of root are closed
    programs = folder / "programs"
    programs.mkdir(parents=True)
    uv = Path(sys.executable).parent / "uv"
    shutil.copy2(uv, programs / "uv")
    found = Service(folder / "home", programs)
    found.work.mkdir(parents=True)
    for path in (found.home, found.work):
        os.chown(path, *_ONYXIA)
    yield found
    shutil.rmtree(folder)


def test_a_lab_is_ready_and_the_second_time_nothing_is_done(
    service: Service, published: Published
) -> None:
    """As the platform's user, who has sudo and does not need it, where VSCode will open."""
    for name in ("sudo", "code-server"):
        program = service.programs / name
        program.write_text(f"#!/bin/sh\necho called >{service.work}/{name}\n")
        program.chmod(0o755)
    arguments = f"tp2 {published.address}/{published.wheel}"
    done = service.start(f"{published.address}/init.sh", arguments)
    assert done.stdout.endswith("ended 0\n"), done.stdout + done.stderr
    assert "✘" not in service.log, service.log
    assert not [name for name in ("sudo", "code-server") if (service.work / name).exists()]
    lab = service.work / "tp2_port_forward"
    opened = service.home / ".local" / "share" / "code-server" / "coder.json"
    assert json.loads(opened.read_text()) == {"query": {"folder": str(lab)}}
    assert (lab / "api.yaml").is_file() or list(lab.glob("*.yaml"))
    assert "Le TP est réussi quand" in (lab / "enonce.txt").read_text(encoding="utf-8")
    for place in (lab, service.work):
        tasks = json.loads((place / ".vscode" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
        assert [one["label"] for one in tasks] == ["Vérifier", "Indice"]
        assert [one["args"] for one in tasks] == [["verifier", "tp2"], ["indice", "tp2"]]
        assert {one["options"]["cwd"] for one in tasks} == {str(lab)}
        assert all(Path(one["command"]).is_file() for one in tasks)
    assert f"cahier {__version__}" in service.typed("cahier", "--version")
    before = service.files()
    assert {owner for _, owner in before.values()} == {_ONYXIA[0]}
    again = service.start(f"{published.address}/init.sh", arguments)
    assert again.stdout == "ended 0\n"
    assert service.files() == before


def test_root_leaves_nothing_of_its_own_in_somebody_s_home(
    service: Service, published: Published
) -> None:
    arguments = f"tp1 {published.address}/{published.wheel}"
    done = service.start(f"{published.address}/init.sh", arguments, user=0)
    assert done.stdout.endswith("ended 0\n"), done.stdout + done.stderr
    assert "✘" not in service.log, service.log
    assert {owner for _, owner in service.files().values()} == {_ONYXIA[0]}
    assert (service.work / "tp1" / "enonce.txt").is_file()
    assert f"cahier {__version__}" in service.typed("cahier", "--version")


def test_without_uv_the_python_of_the_image_does(service: Service, published: Published) -> None:
    (service.programs / "uv").unlink()
    arguments = f"cahier {published.address}/{published.wheel}"
    service.start(f"{published.address}/init.sh", arguments)
    assert "✘" not in service.log, service.log
    assert f"cahier {__version__}" in service.typed("cahier", "--version")


def test_a_branch_of_the_repository_is_installed(
    service: Service, published: Published, repository: str
) -> None:
    service.start(f"{published.address}/init.sh", f"cahier {repository} essai")
    assert "✘" not in service.log, service.log
    assert f"git+{repository}@essai" in service.log
    assert f"cahier {__version__}" in service.typed("cahier", "--version")


def test_the_newest_release_is_installed_with_the_version_of_its_tag(
    service: Service, published: Published, repository: str
) -> None:
    bare = published.folder / "equipe" / "cahier"
    for command in (["tag", "v9.1.0"], ["tag", _TAG], ["update-server-info"]):
        subprocess.run(["git", "-C", str(bare), *command], check=True)
    service.start(f"{published.address}/init.sh", f"cahier {repository}")
    assert "✘" not in service.log, service.log
    assert f"git+{repository}@{_TAG}" in service.log, "there is no wheel: it is made of the tag"
    assert f"cahier {_TAG[1:]}" in service.typed("cahier", "--version")
    released = (
        f"equipe/cahier/-/releases/{_TAG}/downloads/cahier_kubernetes-{_TAG[1:]}-py3-none-any.whl"
    )
    asked = published.serve(released, b"")
    service.start(f"{published.address}/init.sh", f"tp1 {repository}")
    assert f"Installation du cahier ({asked})" in service.log
    assert "✘" in service.log, "this wheel is empty"


# -- what goes wrong -------------------------------------------------------------------------------


def test_without_a_network_the_service_starts_and_the_log_says_what_to_do(
    service: Service, published: Published
) -> None:
    nowhere = f"http://127.0.0.1:{unused_port()}/equipe/cahier"
    done = service.start(f"{published.address}/init.sh", f"tp2 {nowhere}")
    assert done.stdout.endswith("ended 0\n")
    assert f"✘ Installation du cahier (git+{nowhere})" in service.log
    assert f'    uv tool install "git+{nowhere}"' in service.log
    assert not (service.home / ".bashrc").exists()
    assert not list(service.work.glob("tp2*"))


def test_an_error_page_instead_of_the_script_does_nothing(
    service: Service, published: Published
) -> None:
    done = service.start(f"{published.address}/nulle-part.sh", f"tp2 {published.repository}")
    assert "ended" in done.stdout
    assert set(service.files()) == {"work"}


def test_an_error_page_instead_of_the_wheel_is_told(service: Service, published: Published) -> None:
    page = published.serve("faux/cahier_kubernetes-1.0-py3-none-any.whl", b"<html>503</html>")
    done = service.start(f"{published.address}/init.sh", f"tp2 {page}")
    assert done.stdout.endswith("ended 0\n")
    assert f"✘ Installation du cahier ({page})" in service.log
    assert not list(service.work.glob("tp2*"))


@pytest.mark.parametrize(
    "arguments",
    ["", "tp2", "../tp2 https://x.fr/a", "tp2;id https://x.fr/a", "tp2 ftp://x.fr/a", "tp2 --help"],
)
def test_arguments_that_are_none_do_nothing(
    service: Service, published: Published, arguments: str
) -> None:
    done = service.start(f"{published.address}/init.sh", arguments)
    assert done.stdout.endswith("ended 0\n")
    assert "rien n’est fait" in service.log
    assert set(service.files()) == {"work", "work/cahier-installation.log"}


def test_a_script_that_is_cut_does_nothing(service: Service, published: Published) -> None:
    whole = _SCRIPT.read_bytes()
    last = whole.rindex(b"{\n  cahier_as_owner")
    for length in (100, len(whole) // 3, len(whole) // 2, last, last + 10, last + 40):
        cut = published.serve("coupe.sh", whole[:length])
        service.start(cut, f"tp2 {published.address}/{published.wheel}")
        assert set(service.files()) == {"work"}, length


def test_a_folder_that_cannot_be_written_keeps_nothing_from_starting(
    service: Service, published: Published
) -> None:
    os.chown(service.work, 0, 0)
    os.chown(service.home, 0, 0)
    done = service.start(
        f"{published.address}/init.sh", f"tp2 {published.address}/{published.wheel}"
    )
    assert done.stdout.endswith("ended 0\n")
    assert "ne peut pas être écrit" in done.stdout


def test_what_was_interrupted_is_done_the_next_time(service: Service, published: Published) -> None:
    script, arguments = f"{published.address}/init.sh", f"tp2 {published.address}/{published.wheel}"
    begun = subprocess.Popen(
        [*_as(_ONYXIA[0]), "bash", "-c", _RUN],
        env=service.environment(script, arguments),
        cwd=service.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (service.home / ".local").exists() and not (service.home / "cache").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    done = service.start(script, arguments)
    assert done.stdout.endswith("ended 0\n")
    assert "✘" not in service.log, service.log
    assert (service.work / "tp2_port_forward" / "enonce.txt").is_file()
    assert f"cahier {__version__}" in service.typed("cahier", "--version")
