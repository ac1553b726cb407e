"""One cluster per run, a fresh person (user and namespace) per test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

import checks.stage
from checks import redaction
from checks.access.kubernetes_api import Api
from checks.stage import Person
from tests.support.typed import without_a_shell

# started in the background: children would inherit it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROGRAMS = Path(sys.executable).parent  # `cahier` and the wheel's kubectl
_KUBECTL = os.environ.get("CAHIER_TEST_KUBECTL", "")  # the folder of another one
os.environ["PATH"] = os.pathsep.join(
    one for one in (_KUBECTL, str(PROGRAMS), os.environ["PATH"]) if one
)

# a busy machine stretches an example; what is timed is timed by the benchmarks
settings.register_profile("cahier", deadline=None)
settings.load_profile("cahier")

_SLOW_FIXTURES = {"page", "browser", "site", "wheel", "wheel_programs"}


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what opens a browser, builds the site or a wheel, before pytest leaves out what `-m`
    does not want: `make fast` leaves it to `make test`. What is marked `first` begins before the
    rest, once pytest itself has put them in order."""
    for item in items:
        if isinstance(item, pytest.Function) and not _SLOW_FIXTURES.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    yield
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


@pytest.fixture(scope="session")
def admin_kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The local cluster's administrator; the cluster is created when it is missing."""
    given = os.environ.get("CAHIER_TEST_KUBECONFIG")
    if given:
        return Path(given)
    done = subprocess.run(
        ["cahier", "cluster", "creer"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip()
        if os.environ.get("CI"):
            pytest.fail(f"the local cluster is needed in CI: {reason}")
        pytest.skip(f"NO LOCAL CLUSTER, cluster tests skipped: {reason}")
    answer = subprocess.run(
        ["cahier", "cluster", "kubeconfig", "admin"], capture_output=True, text=True, check=True
    )
    return Path(answer.stdout.strip())


@pytest.fixture(scope="session")
def admin(admin_kubeconfig: Path) -> Api:
    """Requests as the cluster's administrator."""
    return Api(str(admin_kubeconfig))


@pytest.fixture(scope="session")
def image(admin_kubeconfig: Path) -> str:
    """The workbook's own image, in the local cluster."""
    with FileLock(Path(tempfile.gettempdir()) / "cahier-image.lock"):
        command = [sys.executable, "-m", "checks.cli.image"]
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", check=False
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _people(
    admin: Api, admin_kubeconfig: Path, folders: pytest.TempPathFactory
) -> Iterator[Callable[..., Person]]:
    """Makes people with a namespace of their own, who go together: the node has no room for those
    of a whole run."""
    from checks.local_sspcloud.people import create_person, remove_person

    made: list[str] = []

    def make(prefix: str = "e") -> Person:
        name = f"{prefix}{uuid.uuid4().hex[:6]}"
        made.append(name)
        kubeconfig = create_person(admin, admin_kubeconfig, name)
        own = folders.mktemp(name) / "kubeconfig"  # a copy: what the person does to it stays theirs
        shutil.copyfile(kubeconfig, own)
        own.chmod(0o600)
        return Person(namespace=f"user-{name}", kubeconfig=own)

    try:
        yield make
    finally:
        for name in made:
            remove_person(admin, name)


people = contextlib.contextmanager(_people)
"""The same as a context, for a fixture of its own."""


@pytest.fixture
def new_person(
    admin: Api, admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Person]]:
    """Makes people for one test."""
    yield from _people(admin, admin_kubeconfig, tmp_path_factory)


@pytest.fixture(scope="module")
def new_resident(
    admin: Api, admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Person]]:
    """Makes people who stay for all tests of a file."""
    yield from _people(admin, admin_kubeconfig, tmp_path_factory)


@pytest.fixture(autouse=True)
def nothing_known_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of ours only knows the secrets that it has read; a worker plays some thousand."""
    monkeypatch.setattr(redaction, "_known", redaction._Known())


@pytest.fixture(scope="session", autouse=True)
def ours_in_this_process() -> Iterator[None]:
    """Commands of ours that a lab runs do not start Python each time; tests of pages and of `demo`
    type them in a shell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks.stage, "run_in_shell", without_a_shell)
        yield


@pytest.fixture
def cast(new_person: Callable[..., Person]) -> Mapping[str, Person]:
    """New people who play alice, bob and chloe."""
    return {name: new_person(name[0]) for name in ("alice", "bob", "chloe")}


@pytest.fixture
def own_ports() -> Iterator[None]:
    """The pages all forward to the same local ports: one page at a time on this machine."""
    with FileLock(Path(tempfile.gettempdir()) / "cahier-pages.lock"):
        yield


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder of the site, built as `make site` builds it, once for all workers of the run."""
    alone = worker_id == "master"
    folder = (
        tmp_path_factory.mktemp("site") if alone else tmp_path_factory.getbasetemp().parent
    ) / "built"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            done = subprocess.run(
                ["make", "--no-print-directory", "site", f"SITE={folder}"],
                cwd=Path(__file__).parent.parent,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def oracle_programs(request: pytest.FixtureRequest) -> Path:
    """Folder of the programs of `tests.platform.oracles`: half a minute where the cluster's own
    programs were compiled."""
    from engine import build
    from tests.platform import oracles

    if not build.is_built():
        request.getfixturevalue("admin_kubeconfig")  # the private engine compiles what they share
    if not (build.is_built() or {"CI", "CAHIER_EXHAUSTIF"} & {*os.environ}):
        pytest.skip(
            "NO COMPARISON WITH KUBERNETES’ OWN CODE: `make oracles` compiles it, in many minutes"
        )
    with FileLock(Path(tempfile.gettempdir()) / "cahier-oracles.lock"):
        return oracles.made()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's Chromium; root needs --no-sandbox."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        reason = "no Chromium on this machine: apt-get install -y chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(f"BROWSER TESTS SKIPPED: {reason}")
    return {"executable_path": chromium, "args": ["--no-sandbox"]}


def unused_port() -> int:
    """A local port that nobody holds."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    """A local port that nobody holds."""
    return unused_port()
