"""Our reading of a kubeconfig, and the real kubectl's: what one refuses the other refuses, and both say the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from checks.access.kubernetes_api import Api
from checks.errors import CahierError
from tests.kubeconfigs import PASSWORD, ROWS, TOKEN, Row
from tests.pretend_api import Answers, Pretender, pretend

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")

KUBECTL = str(Path(sys.executable).parent / "kubectl")
_BASIC = "Basic YWxpY2U6bW90LWRlLXBhc3NlLWEtbmUtcGFzLW1vbnRyZXI="


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pretender, bytes]]:
    """A server that knows one token, one password and one certificate; and that certificate with its key."""
    folder = tmp_path_factory.mktemp("server")
    known = (f"Bearer {TOKEN}", _BASIC, "certificate", f"Bearer {TOKEN} certificate")
    with pretend(folder, Answers(accepted=known)) as running:
        yield running, (folder / "server.pem").read_bytes()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A terminal that is not where the configuration is, with a home of its own and no proxy."""
    for name in list(os.environ):
        if name.startswith("KUBE") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("ici", "home", "ailleurs"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "ailleurs")
    return tmp_path / "ici"


Asked = list[object]


def seen(answers: Answers) -> Asked:
    """What the server was told in one go: who asks, and for whom."""
    told: Asked = [*answers.authorizations, *answers.impersonations]
    answers.authorizations.clear()
    answers.impersonations.clear()
    return told


def kubectl(answers: Answers) -> tuple[str, Asked]:
    """What kubectl complains of, "" when it gets in; and what the server was told."""
    command = [KUBECTL, "get", "--raw", "/version", "--request-timeout=5s"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return (done.stderr or "?") if done.returncode else "", seen(answers)


def ours(answers: Answers) -> tuple[str, Asked]:
    """The same of our own reading."""
    try:
        Api().request("GET", "/version")
    except CahierError as refusal:
        return f"{refusal.message}\n{refusal.remedy}", seen(answers)
    return "", seen(answers)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_kubectl_refuses_is_refused(
    row: Row, api: tuple[Pretender, bytes], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, pem = api
    variables: Mapping[str, str] = row.write(elsewhere, running.port, pem)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    complaint, told = kubectl(running.answers)
    assert bool(complaint) is bool(row.says), complaint
    assert re.search(row.says, complaint), complaint
    said, told_by_us = ours(running.answers)
    assert bool(said) is bool(complaint), (said, complaint)
    assert (TOKEN in said or PASSWORD in said) is False, said
    if not said:
        assert told_by_us == told


def test_the_table_is_a_table() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 60
