"""Our reading of a kubeconfig, and the real kubectl's: what one refuses the other refuses, and both
say the same."""

from __future__ import annotations

import base64
import copy
import functools
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from checks.access.kubernetes_api import Api
from checks.errors import CahierError
from tests.support.kubeconfigs import PASSWORD, ROWS, TOKEN, Row, answer
from tests.support.pretend_api import Answers, Pretender, pretend

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")

KUBECTL = str(Path(sys.executable).parent / "kubectl")
_BASIC = "Basic YWxpY2U6bW90LWRlLXBhc3NlLWEtbmUtcGFzLW1vbnRyZXI="


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pretender, bytes]]:
    """A server that knows one token, one password and one certificate; and that certificate with
    its key."""
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
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    return (done.stderr or "?") if done.returncode else "", seen(answers)


def ours(answers: Answers) -> tuple[str, Asked]:
    """The same of our own reading."""
    try:
        Api().request("GET", "/version")
    except CahierError as refusal:
        return f"{refusal.message}\n{refusal.remedy}", seen(answers)
    return "", seen(answers)


@pytest.mark.slow
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


# -- one key or type odd at a time -----------------------------------------------------------------

_ABSENT = object()
_ODD: tuple[object, ...] = (
    None,
    0,
    12,
    1.5,
    True,
    "",
    "x",
    "a\nb",
    "é\x85",
    [],
    ["x"],
    [1],
    [None],
    [[]],
    {},
    {"a": "b"},
    {"a": 1},
    _ABSENT,
)
_COMPARED = int(os.environ.get("CAHIER_EXEMPLES", "40"))
"""With how many of the odd files kubectl is run too."""


class _Anybody:
    """Every identity, but not nobody."""

    def __contains__(self, said: object) -> bool:
        return bool(said)


def _unsigned(**claims: object) -> str:
    """A JSON Web Token of nobody."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({}, claims, {})
    ]
    return ".".join(parts)


def _bases() -> Iterator[dict[str, Any]]:
    """Kubeconfigs that work and hold, between them, every key there is."""
    authority = {
        "certificate-authority-data": "{ca}",
        "insecure-skip-tls-verify": False,
        "tls-server-name": "127.0.0.1",
    }
    extensions = [{"name": "a", "extension": {"b": "c"}}]
    acting = {"as": "oidc-bob", "as-uid": "7", "as-groups": ["a"], "as-user-extra": {"b": ["c"]}}
    config = {"client-id": "a", "idp-issuer-url": "b", "id-token": _unsigned(exp=4e9)}
    program = {
        **{"apiVersion": "client.authentication.k8s.io/v1", "command": "./greffon", "args": ["a"]},
        **{
            "env": [{"name": "A", "value": "b"}],
            "interactiveMode": "Never",
            "provideClusterInfo": True,
        },
        "installHint": "Installez-le",
    }
    for user in (
        {"token": TOKEN, "tokenFile": "jeton", "extensions": extensions, **acting},
        {
            "client-certificate-data": "{cert}",
            "client-key-data": "{key}",
            "username": "alice",
            "password": PASSWORD,
        },
        {"client-certificate": "cert.pem", "client-key": "cle.pem"},
        {"auth-provider": {"name": "oidc", "config": config}},
        {"exec": program},
    ):
        yield {
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {"colors": True, "extensions": extensions},
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": "{server}", **authority, "disable-compression": True},
                }
            ],
            "users": [{"name": "u", "user": user}],
            "contexts": [
                {"name": "k", "context": {"cluster": "c", "user": "u", "namespace": "user-alice"}}
            ],
            "current-context": "k",
            "extensions": extensions,
        }


def _places(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where something may be odd."""
    inside: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for key, one in inside:
        yield (*above, key)
        yield from _places(one, (*above, key))


def _odd_files() -> Iterator[dict[str, Any]]:
    known = set()
    for base in _bases():
        for place in _places(base):
            if place in known:
                continue
            known.add(place)
            for odd in _ODD:
                changed: Any = copy.deepcopy(base)
                holder = functools.reduce(lambda inside, key: inside[key], place[:-1], changed)
                if odd is _ABSENT:
                    del holder[place[-1]]
                else:
                    holder[place[-1]] = odd
                yield changed


_BESIDE = {
    "jeton": TOKEN,
    "cert.pem": "{capem}",
    "cle.pem": "{keypem}",
    "greffon": answer("client.authentication.k8s.io/v1", '{"token": "t"}'),
}


@pytest.mark.slow
def test_odd_files_are_told_in_one_sentence_or_work(
    tmp_path_factory: pytest.TempPathFactory, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every key, absent or of every type; and of some of them, whether kubectl agrees."""
    folder = tmp_path_factory.mktemp("server")
    bases, files = len(list(_bases())), [*_bases(), *_odd_files()]
    compared = {
        *range(bases),
        *random.Random(7).sample(range(len(files)), min(_COMPARED, len(files))),
    }
    disagreements = []
    with pretend(folder, Answers(accepted=_Anybody())) as running:
        pem = (folder / "server.pem").read_bytes()
        for number, content in enumerate(files):
            row = Row(str(number), top=content, files={} if number else _BESIDE)
            monkeypatch.setenv("KUBECONFIG", row.write(elsewhere, running.port, pem)["KUBECONFIG"])
            said, told = ours(running.answers)
            assert TOKEN not in said, said
            assert PASSWORD not in said, said
            if number < bases:
                assert (said, len(told)) == ("", 2), content
            if number in compared:
                complaint, told_by_kubectl = kubectl(running.answers)
                if bool(complaint) is not bool(said) or (not said and told != told_by_kubectl):
                    disagreements.append((said, complaint, told, told_by_kubectl, content))
    assert len(files) > 1000
    assert disagreements == []
