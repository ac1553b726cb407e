"""`cahier diagnostiquer`: each thing that can be wrong has its line, and its remedy."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import jsonschema
import psutil
import pytest
import yaml
from typer.testing import CliRunner

from checks.access import kubeconfig
from checks.cli.application import app
from checks.doctor import examination, machine, tools
from checks.doctor.lines import Answer, Line, Outcome, State, ask, json_schema, outcome, passed
from checks.errors import CahierError
from checks.lab import all_labs, find_lab
from checks.local_sspcloud.engine import Engine
from checks.local_sspcloud.messages import Trouble, silent_engine
from checks.stage import Person, Stage
from tests.support.pretend_api import NAME, Answers, Pretender, pretend, proxy

CAHIER = str(Path(sys.executable).parent / "cahier")
SCHEMA = Path(__file__).parents[3] / "docs" / "doctor.schema.json"
FAR_TOO_LONG = 60  # seconds
POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX modes and scripts")


@dataclass(frozen=True)
class Said:
    """What the command said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> dict[str, dict[str, Any]]:
        found = json.loads(self.out)
        jsonschema.validate(found, json_schema())
        return {line["id"]: line for line in found["lines"]}

    def statuses(self, *identifiers: str) -> list[str]:
        return [self.lines[identifier]["status"] for identifier in identifiers]


@dataclass
class Terminal:
    """A learner's terminal, with a home of its own and no proxy."""

    root: Path
    environment: dict[str, str]

    def run(self, *arguments: str, kubeconfig: Path | None = None) -> Said:
        """Run `cahier` as a person does."""
        done = subprocess.run(
            [CAHIER, *arguments],
            env={**self.environment, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})},
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FAR_TOO_LONG,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def diagnose(self, *options: str, kubeconfig: Path | None = None, **variables: str) -> Said:
        """Run `cahier diagnostiquer --json` in this very process: much faster, many times over."""
        given = {
            **self.environment,
            **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
            **variables,
        }
        with mock.patch.dict(os.environ, given, clear=True):
            done = CliRunner().invoke(app, ["diagnostiquer", "--json", *options])
        assert isinstance(done.exception, SystemExit | None), done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    def program(self, name: str, script: str) -> None:
        """Put a shell script first on the PATH."""
        folder = self.root / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        self.environment["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    left_out = ("KUBE", "CAHIER_", "COLUMNS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(left_out) and not name.lower().endswith("_proxy")
    }
    home = tmp_path / "home"
    home.mkdir()
    return Terminal(tmp_path, {**kept, "HOME": str(home), "CAHIER_ETAT": str(tmp_path / "etat")})


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Pretender]:
    with pretend(tmp_path, Answers()) as running:
        yield running


@pytest.fixture
def own(api: Pretender, tmp_path: Path) -> Path:
    return api.kubeconfig(tmp_path / "kubeconfig")


def test_the_published_schema_is_the_current_one() -> None:
    current = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == current, f"write it again: {SCHEMA}"


def test_every_line_of_a_good_access_is_in_order(terminal: Terminal, own: Path) -> None:
    said = terminal.run("diagnostiquer", "--json", kubeconfig=own)
    lines = said.lines
    way = ("kubeconfig", "context", "proxy", "dns", "tcp", "tls", "clock")
    inside = ("kubectl", "skew", "identity", "namespace", "rights", "quota")
    assert said.statuses(*way, *inside) == ["passed"] * 13, said.out
    assert lines["policies"]["status"] == "skipped"
    assert "Non essayé" in lines["policies"]["found"]
    assert lines["policies"]["commands"] == ["cahier diagnostiquer --reseau"]
    assert "oidc-alice" in lines["identity"]["found"]
    assert said.err == "", "nothing is shown of what is done at once"


# -- kubectl's configuration -----------------------------------------------------------------------


def test_no_configuration(terminal: Terminal) -> None:
    said = terminal.diagnose()
    assert said.code == 1
    assert "home/.kube/config n’existe pas" in said.lines["kubeconfig"]["found"].replace(
        "~", "home"
    )
    assert "Connexion à Kubernetes" in said.lines["kubeconfig"]["remedy"]
    assert said.statuses("kubeconfig", "context", "tcp", "identity", "skew") == [
        "failed",
        *["skipped"] * 4,
    ]
    assert "« Fichier »" in said.lines["identity"]["found"]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("users: [token: secret-a-ne-pas-montrer", "kubeconfig", "n’est pas du YAML, ligne 1"),
        (
            "contexts: [{name: a, context: texte}]\ncurrent-context: a\n",
            "kubeconfig",
            "n’est pas un kubeconfig",
        ),
        (
            "contexts: [{name: [a], context: {}}]\ncurrent-context: a\n",
            "kubeconfig",
            "n’est pas un kubeconfig",
        ),
        ("current-context: absent\n", "context", "« absent » n’est pas décrit"),
        ("contexts: [{name: a, context: {}}]\n", "context", "ne désigne aucun contexte courant"),
        (
            "contexts: [{name: a, context: {cluster: c}}]\ncurrent-context: a\n",
            "context",
            "n’a pas d’adresse",
        ),
    ],
)
def test_a_broken_configuration(
    terminal: Terminal, tmp_path: Path, content: str, line: str, words: str
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    file.chmod(0o600)
    said = terminal.diagnose(kubeconfig=file)
    assert said.code == 1
    assert said.lines[line]["status"] == "failed"
    assert words in said.lines[line]["found"]
    assert said.lines[line]["remedy"]
    assert said.statuses("tcp", "identity") == ["skipped", "skipped"]
    assert "secret-a-ne-pas-montrer" not in said.out + said.err


def test_a_configuration_that_kubectl_refuses(terminal: Terminal, own: Path) -> None:
    written = yaml.safe_load(own.read_text())
    written["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    own.write_text(yaml.safe_dump(written))
    said = terminal.diagnose(kubeconfig=own)
    assert said.statuses("kubeconfig", "context", "tcp", "identity") == [
        "passed",
        "failed",
        "skipped",
        "skipped",
    ]
    assert "insecure-skip-tls-verify" in said.lines["context"]["found"]
    assert said.lines["context"]["commands"] == [
        "kubectl config unset clusters.c.insecure-skip-tls-verify"
    ]


_LONG = ["sleep", "60.25"]  # as nothing else sleeps, in a pod of another test either


@POSIX
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", "n’est pas installé"),
        (f"{' '.join(_LONG)} & wait", "n’a pas répondu en 4 secondes"),
        ("echo 'session close' >&2; exit 3", "Il a dit : « session close »"),
    ],
)
def test_a_program_that_gives_no_credentials(
    terminal: Terminal, api: Pretender, tmp_path: Path, script: str, words: str
) -> None:
    file = api.kubeconfig(tmp_path / "k")
    written = yaml.safe_load(file.read_text())
    plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "./portail"}
    written["users"][0]["user"] = {"exec": plugin}
    file.write_text(yaml.safe_dump(written))
    if script:
        (tmp_path / "portail").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "portail").chmod(0o755)
    said = terminal.diagnose(kubeconfig=file)
    assert said.statuses("tcp", "tls", "identity", "rights") == [
        "passed",
        "passed",
        "failed",
        "skipped",
    ], said.out
    assert "portail" in said.lines["identity"]["found"]
    assert words in said.lines["identity"]["found"]
    assert not [one for one in psutil.process_iter() if _words(one) == _LONG], "it is ended with us"


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@POSIX
def test_a_configuration_that_everybody_can_read(terminal: Terminal, own: Path) -> None:
    own.chmod(0o644)
    said = terminal.diagnose(kubeconfig=own)
    assert said.code == 1
    assert said.lines["kubeconfig"]["status"] == "failed"
    assert said.lines["identity"]["status"] == "passed", "the rest is examined all the same"
    subprocess.run(said.lines["kubeconfig"]["commands"][0], shell=True, check=True)
    assert terminal.diagnose(kubeconfig=own).lines["kubeconfig"]["status"] == "passed"


def _token(left: timedelta) -> str:
    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    now = datetime.now(UTC)
    claims = {
        "iat": int((now - timedelta(hours=8)).timestamp()),
        "exp": int((now + left).timestamp()),
    }
    return f"{part({'alg': 'none'})}.{part(claims)}.{part('signature')}"


@pytest.mark.parametrize(
    ("left", "status", "words"),
    [
        (timedelta(hours=-1), "failed", "a expiré le"),
        (timedelta(minutes=5, seconds=30), "failed", "Il reste 5 minutes"),
        (timedelta(hours=3), "passed", "encore 3 h"),
    ],
)
def test_how_long_a_token_lasts(
    terminal: Terminal, api: Pretender, tmp_path: Path, left: timedelta, status: str, words: str
) -> None:
    line = terminal.diagnose(kubeconfig=api.kubeconfig(tmp_path / "k", token=_token(left))).lines[
        "lifetime"
    ]
    assert (line["status"], words in line["found"]) == (status, True), line
    assert ("copiez de nouveau" in line["remedy"]) is (status == "failed")


def test_a_token_that_has_ended_is_one_problem(
    terminal: Terminal, api: Pretender, tmp_path: Path
) -> None:
    api.answers.status = 401
    said = terminal.diagnose(
        kubeconfig=api.kubeconfig(tmp_path / "k", token=_token(timedelta(hours=-1)))
    )
    about_access = [name for name in said.lines if name not in ("engine", "kind", "disk")]
    assert [name for name in about_access if said.lines[name]["status"] == "failed"] == ["lifetime"]
    assert said.lines["identity"]["found"] == "Dépend de « Durée de validité »."


# -- the way to the cluster ------------------------------------------------------------------------


def test_a_name_that_nobody_knows(terminal: Terminal, api: Pretender, tmp_path: Path) -> None:
    said = terminal.diagnose(
        kubeconfig=api.kubeconfig(tmp_path / "k", server=f"https://{NAME}:6443")
    )
    assert said.code == 1
    assert said.statuses("dns", "tcp", "tls", "clock", "identity") == ["failed", *["skipped"] * 4]
    assert "VPN" in said.lines["dns"]["remedy"]


def test_nobody_listens(terminal: Terminal, api: Pretender, tmp_path: Path, free_port: int) -> None:
    said = terminal.diagnose(
        kubeconfig=api.kubeconfig(tmp_path / "k", server=f"https://127.0.0.1:{free_port}")
    )
    assert said.statuses("dns", "tcp", "tls", "identity") == [
        "passed",
        "failed",
        "skipped",
        "skipped",
    ]
    assert "Connexion refusée" in said.lines["tcp"]["found"]
    assert said.lines["tcp"]["commands"] == ["cahier cluster creer"]


@pytest.mark.slow
def test_a_server_that_says_nothing_does_not_hold_us_back(
    terminal: Terminal, api: Pretender, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = api.kubeconfig(tmp_path / "k", server=f"https://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        said = terminal.run("diagnostiquer", "--json", kubeconfig=file)
    assert time.monotonic() - began < 15
    assert said.statuses("tcp", "tls", "identity") == ["passed", "failed", "skipped"]
    assert "5 secondes" in said.lines["tls"]["found"]
    assert "Diagnostic" in said.err, "what lasts is shown"


def test_a_server_without_encryption(terminal: Terminal, tmp_path: Path) -> None:
    with pretend(tmp_path, Answers(), encrypted=False) as plain:
        said = terminal.diagnose(kubeconfig=plain.kubeconfig(tmp_path / "k"))
    assert said.statuses("tcp", "tls", "identity") == ["passed", "failed", "skipped"]
    assert "ne parle pas TLS" in said.lines["tls"]["found"]


def test_a_certificate_of_another_authority(
    terminal: Terminal, api: Pretender, tmp_path: Path
) -> None:
    folder = tmp_path / "autre"
    folder.mkdir()
    with pretend(folder, Answers()) as other:
        file = other.kubeconfig(tmp_path / "k", server=f"https://127.0.0.1:{api.port}")
    said = terminal.diagnose(kubeconfig=file)
    assert said.statuses("tcp", "tls", "clock", "identity") == [
        "passed",
        "failed",
        "passed",
        "skipped",
    ]
    assert "n’est pas signé par l’autorité" in said.lines["tls"]["found"]
    assert "Pare-feu de l’université" in said.lines["tls"]["found"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"ends": timedelta(days=-1)}, "a expiré, d’après l’heure de votre poste"),
        ({"ends": timedelta(days=60)}, "n’est pas encore valable"),
        ({"names": (NAME,)}, "n’est pas au nom de « 127.0.0.1 »"),
    ],
)
def test_a_certificate_that_does_not_hold(
    terminal: Terminal, tmp_path: Path, how: dict[str, Any], words: str
) -> None:
    with pretend(tmp_path, Answers(), **how) as server:
        said = terminal.diagnose(kubeconfig=server.kubeconfig(tmp_path / "k"))
    assert said.lines["tls"]["status"] == "failed"
    assert words in said.lines["tls"]["found"]
    assert said.lines["clock"]["status"] == "passed", "the clock is asked all the same"


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        (600, "failed", "retarde de 10 min"),
        (-7500, "failed", "avance de 2 h"),
        (3, "passed", "d’accord"),
    ],
)
def test_the_clock(
    terminal: Terminal, api: Pretender, own: Path, ahead: int, status: str, words: str
) -> None:
    api.answers.ahead = timedelta(seconds=ahead)
    line = terminal.diagnose(kubeconfig=own).lines["clock"]
    assert (line["status"], words in line["found"]) == (status, True), line


def test_an_identity_that_is_refused(terminal: Terminal, api: Pretender, own: Path) -> None:
    api.answers.status = 401
    said = terminal.diagnose(kubeconfig=own)
    assert said.code == 1
    assert said.statuses("tls", "clock", "identity", "rights") == [
        "passed",
        "passed",
        "failed",
        "skipped",
    ]
    assert "Unauthorized" in said.lines["identity"]["found"]
    assert "copiez de nouveau le script" in said.lines["identity"]["remedy"]
    assert "diagnostiquer" not in said.lines["identity"]["remedy"], (
        "it does not send back to itself"
    )


def test_what_cannot_reach_the_cluster_points_to_the_diagnosis(
    terminal: Terminal, api: Pretender, tmp_path: Path, free_port: int
) -> None:
    file = api.kubeconfig(tmp_path / "k", server=f"https://127.0.0.1:{free_port}")
    said = terminal.run("verifier", "tp2", kubeconfig=file)
    assert "cahier diagnostiquer" in " ".join((said.out + said.err).split())


# -- proxies ---------------------------------------------------------------------------------------


@pytest.fixture
def far(api: Pretender, tmp_path: Path) -> Path:
    """A configuration for a cluster that only a proxy leads to."""
    return api.kubeconfig(tmp_path / "far", server=f"https://{NAME}:6443")


def test_through_a_proxy_with_its_password(terminal: Terminal, api: Pretender, far: Path) -> None:
    with proxy(api.port) as (port, asked):
        said = terminal.diagnose(
            kubeconfig=far, HTTPS_PROXY=f"http://alice:mot-de-passe@127.0.0.1:{port}"
        )
    assert (
        said.statuses("proxy", "dns", "tcp", "tls", "clock", "identity", "rights") == ["passed"] * 7
    ), said.out
    assert (
        f"https://{NAME}:6443 est joint par http://127.0.0.1:{port} (NO_PROXY est vide)"
        in said.lines["proxy"]["found"]
    )
    assert "mot-de-passe" not in said.out + said.err
    word = "Basic " + base64.b64encode(b"alice:mot-de-passe").decode()
    assert set(asked) == {(f"{NAME}:6443", word)}


def test_a_proxy_without_scheme_is_an_http_proxy(
    terminal: Terminal, api: Pretender, far: Path
) -> None:
    with proxy(api.port) as (port, _asked):
        said = terminal.diagnose(kubeconfig=far, HTTPS_PROXY=f"127.0.0.1:{port}")
    assert said.statuses("tls", "identity") == ["passed", "passed"], said.out


def test_excluded_from_the_proxy(terminal: Terminal, api: Pretender, far: Path) -> None:
    with proxy(api.port) as (port, asked):
        through = f"http://127.0.0.1:{port}"
        said = terminal.diagnose(
            kubeconfig=far, HTTPS_PROXY=through, NO_PROXY="localhost,.exemple.invalid"
        )
    assert asked == []
    assert "NO_PROXY contient « .exemple.invalid »" in said.lines["proxy"]["found"]
    assert said.statuses("dns", "tcp") == ["failed", "skipped"]
    assert "retirez cette exclusion de NO_PROXY" in said.lines["dns"]["remedy"]


def test_a_proxy_that_does_not_let_through(terminal: Terminal, api: Pretender, far: Path) -> None:
    with proxy(api.port, refuses=True) as (port, _asked):
        said = terminal.diagnose(
            kubeconfig=far, HTTPS_PROXY=f"http://127.0.0.1:{port}", NO_PROXY="ailleurs.fr"
        )
    assert said.statuses("proxy", "dns", "tcp", "tls") == ["passed", "passed", "failed", "skipped"]
    assert "« ailleurs.fr », ne l’exclut pas" in said.lines["proxy"]["found"]
    assert "refuse d’ouvrir un passage" in said.lines["tcp"]["found"]
    assert "403" in said.lines["tcp"]["found"]
    (command,) = said.lines["tcp"]["commands"]
    shell = ["sh", "-c", f'{command}; printf %s "$NO_PROXY"']
    done = subprocess.run(
        shell, env={"NO_PROXY": "ailleurs.fr"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"ailleurs.fr,{NAME}"


def test_a_dead_proxy(terminal: Terminal, far: Path, free_port: int) -> None:
    said = terminal.diagnose(kubeconfig=far, https_proxy=f"http://127.0.0.1:{free_port}")
    assert said.lines["tcp"]["status"] == "failed"
    assert "aucun proxy n’écoute" in said.lines["tcp"]["found"]


def test_this_machine_is_never_reached_through_a_proxy(
    terminal: Terminal, own: Path, free_port: int
) -> None:
    said = terminal.diagnose(kubeconfig=own, HTTPS_PROXY=f"http://127.0.0.1:{free_port}")
    assert said.statuses("proxy", "tcp", "tls", "identity") == ["passed"] * 4, said.out
    assert "pas pour ce poste" in said.lines["proxy"]["found"]


# -- inside the cluster ----------------------------------------------------------------------------

_EDIT_LACKS = (
    "create roles",
    "create rolebindings",
    "create localsubjectaccessreviews",
    "list rolebindings",
)


def test_edit_is_not_enough(terminal: Terminal, api: Pretender, own: Path) -> None:
    api.answers.denied = _EDIT_LACKS
    line = terminal.diagnose(kubeconfig=own).lines["rights"]
    assert line["status"] == "failed"
    assert "pas tout y faire" in line["found"]
    assert "les TP 3, 6 et 8" in line["cause"]
    assert "rôle « admin »" in line["remedy"]


def test_a_service_account_is_told_so(terminal: Terminal, api: Pretender, own: Path) -> None:
    api.answers.user = "system:serviceaccount:user-alice:vscode-python-1"
    said = terminal.diagnose(kubeconfig=own)
    assert said.statuses("identity", "namespace", "rights") == ["passed"] * 3
    assert "ServiceAccount « vscode-python-1 »" in said.lines["identity"]["found"]
    assert "service VSCode" in said.lines["identity"]["found"]


def test_inside_a_pod(
    terminal: Terminal, api: Pretender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "token").write_text(_token(timedelta(minutes=5)))
    (account / "namespace").write_text("user-alice")
    (account / "ca.crt").write_bytes(api.authority)
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", account)
    api.answers.user = "system:serviceaccount:user-alice:vscode-python-1"
    said = terminal.diagnose(
        KUBERNETES_SERVICE_HOST="127.0.0.1", KUBERNETES_SERVICE_PORT=str(api.port)
    )
    assert said.statuses("kubeconfig", "context", "tls", "identity", "rights") == ["passed"] * 5, (
        said.out
    )
    assert "celle de ce pod" in said.lines["kubeconfig"]["found"]
    assert said.lines["lifetime"]["status"] == "passed", "the cluster renews it"


def test_a_namespace_that_is_not_ours(terminal: Terminal, own: Path) -> None:
    said = terminal.diagnose("--namespace", "user-bob", kubeconfig=own)
    assert said.code == 1
    assert said.statuses("identity", "namespace", "rights", "quota") == [
        "passed",
        "failed",
        "skipped",
        "skipped",
    ]
    assert "aucun droit dans le namespace « user-bob »" in said.lines["namespace"]["found"]


@pytest.mark.parametrize(
    ("used", "hard", "status", "words"),
    [
        ({"pods": "3"}, {"pods": "10"}, "passed", "encore 7 pods"),
        ({"pods": "10"}, {"pods": "10"}, "failed", "pods : 10 sur 10"),
        (
            {"requests.memory": "1Gi"},
            {"requests.memory": "1024Mi"},
            "failed",
            "requests.memory : 1Gi sur 1024Mi",
        ),
        ({"services": "5"}, {"services": "5"}, "failed", "services : 5 sur 5"),
        (
            {"services.nodeports": "0"},
            {"services.nodeports": "0"},
            "passed",
            "aucune limite au nombre de pods",
        ),
        (
            {"requests.nvidia.com/gpu": "1"},
            {"requests.nvidia.com/gpu": "1"},
            "passed",
            "aucune limite",
        ),
        (
            {"requests.cpu": "500m"},
            {"requests.cpu": "1"},
            "passed",
            "doit y déclarer ses ressources",
        ),
    ],
)
def test_quotas(
    terminal: Terminal,
    api: Pretender,
    own: Path,
    used: dict[str, str],
    hard: dict[str, str],
    status: str,
    words: str,
) -> None:
    api.answers.objects = {
        "resourcequotas": [{"metadata": {"name": "q"}, "status": {"used": used, "hard": hard}}]
    }
    line = terminal.diagnose(kubeconfig=own).lines["quota"]
    assert (line["status"], words in line["found"]) == (status, True), line


def test_a_quota_of_storage_asks_nothing_of_pods(
    terminal: Terminal, api: Pretender, own: Path
) -> None:
    status = {"used": {"pods": "3"}, "hard": {"pods": "10", "requests.storage": "50Gi"}}
    api.answers.objects = {"resourcequotas": [{"metadata": {"name": "q"}, "status": status}]}
    assert terminal.diagnose(kubeconfig=own).lines["quota"]["found"] == "q : encore 7 pods."


# -- this machine ----------------------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ('echo \'{"clientVersion": {"major": "1", "minor": "20+"}}\'', "failed", "kubectl 1.20"),
        ("exit 1", "failed", "ne s’exécute pas"),
        ('echo \'{"clientVersion": {"major": "1", "minor": "32"}}\'', "passed", "kubectl 1.32"),
    ],
)
def test_another_kubectl(
    terminal: Terminal, own: Path, script: str, status: str, words: str
) -> None:
    terminal.program("kubectl", script)
    said = terminal.diagnose(kubeconfig=own)
    line = said.lines["kubectl"]
    assert (line["status"], words in line["found"]) == (status, True), line
    if status == "passed":
        assert "ne garantit pas un tel écart" in said.lines["skew"]["found"]
    else:
        assert "install-kubectl" in line["remedy"]
        assert said.lines["skew"]["status"] == "skipped"


def test_no_kubectl(terminal: Terminal, own: Path) -> None:
    said = terminal.diagnose(kubeconfig=own, PATH=str(terminal.root))
    assert said.statuses("kubectl", "skew", "identity") == ["failed", "skipped", "passed"]
    assert "Aucun programme « kubectl »" in said.lines["kubectl"]["found"]


def test_a_port_of_the_labs_that_is_taken(terminal: Terminal, own_ports: None) -> None:
    with socket.create_server(("127.0.0.1", 1500)):
        line = terminal.diagnose().lines["ports"]
    assert line["status"] == "failed"
    assert "Le port 1500 (tp2)" in line["found"]
    assert f"processus {os.getpid()}" in line["found"]
    assert "--port" in line["remedy"]
    assert line["commands"] == [f"kill {os.getpid()}"]


def test_the_variables_that_psql_obeys_are_told_without_the_password() -> None:
    assert machine.psql_variables({"PATH": "/bin"}).found.startswith("Aucune")
    host = {"PGHOST": "postgresql-cnpg-1-rw", "PGUSER": "user-alice"}
    without = machine.psql_variables(host)
    assert without.found == "PGHOST et PGUSER : posées pour « postgresql-cnpg-1-rw »."
    assert without.remedy == ""
    answer = machine.psql_variables({**host, "PGPASSWORD": "tres-secret"})
    assert answer.status is State.PASSED
    assert "PGHOST, PGUSER et PGPASSWORD" in answer.found
    assert "-W" in answer.remedy
    assert "tres-secret" not in answer.found + answer.remedy


def test_the_ports_are_those_of_the_labs() -> None:
    ports = machine.lab_ports()
    assert (ports[1500], ports[5432]) == (["tp2"], ["tp3", "tp5"])
    with_one = {lab.short_name for lab in all_labs() if lab.about.port}
    assert {lab for those in ports.values() for lab in those} == with_one


def test_a_state_folder_that_cannot_be_one(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "fichier").write_text("")
    line = terminal.diagnose(CAHIER_ETAT=str(tmp_path / "fichier" / "etat")).lines["disk"]
    assert line["status"] == "failed"
    assert "CAHIER_ETAT" in line["commands"][0]


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path))
    free = 1e9
    monkeypatch.setattr(psutil, "disk_usage", lambda path: type("Usage", (), {"free": free}))
    assert machine.disk(local_sspcloud=False).status is State.PASSED
    assert machine.disk(local_sspcloud=True).status is State.FAILED
    free = 1e8
    assert machine.disk(local_sspcloud=False).status is State.FAILED


@POSIX
def test_an_engine_that_answers_is_named_with_its_version(terminal: Terminal) -> None:
    terminal.program("docker", "echo 28.3.1")
    assert "Docker 28.3.1 répond" in terminal.diagnose().lines["engine"]["found"]


def test_an_engine_matters_only_to_the_local_sspcloud() -> None:
    refused = silent_engine("docker", "permission denied while trying to connect to the docker API")
    wrong = machine.engines([refused], needed=True)
    assert wrong.status is State.FAILED
    assert "refuse votre compte" in wrong.found
    assert "usermod" in wrong.remedy or sys.platform != "linux"
    assert machine.engines([refused], needed=False).status is State.SKIPPED
    assert (
        machine.engines([Engine("docker", "docker", {}), refused], needed=True).status
        is State.PASSED
    )
    assert machine.engines([], needed=False).status is State.SKIPPED
    assert machine.kind([Trouble("arrêté", "démarrez")], needed=True).status is State.SKIPPED


def test_kind_missing_or_too_old(tmp_path: Path) -> None:
    bare = Engine("docker", "docker", {"PATH": str(tmp_path)})
    assert machine.kind([bare], needed=True).status is State.FAILED
    assert machine.kind([bare], needed=False).status is State.SKIPPED
    old = tmp_path / "kind"
    old.write_text("#!/bin/sh\necho kind v0.20.0 go1.20 linux/amd64\n")
    old.chmod(0o755)
    assert "trop ancien" in machine.kind([bare], needed=True).found


# -- the command itself ----------------------------------------------------------------------------


def test_what_breaks_is_told_and_what_is_slow_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    monkeypatch.setattr(examination, "_PATIENCE", 1.0)

    def breaks() -> Answer:
        raise ZeroDivisionError("oups")

    def lasts(_machine: object) -> Answer:
        time.sleep(5)
        return passed("trop tard")

    monkeypatch.setattr(tools, "python", breaks)
    monkeypatch.setattr(machine, "ports", lasts)
    began = time.monotonic()
    found = examination.Examination(None, None, with_policies=False).run()
    assert time.monotonic() - began < 4
    assert found.line("python").status is State.UNVERIFIED
    assert "ZeroDivisionError" in found.line("python").found
    assert found.line("ports").status is State.UNVERIFIED
    assert "Pas de réponse à temps" in found.line("ports").found


def _with(*states: State) -> Outcome:
    whole = outcome([]).lines
    lines = [
        Line(
            id=line.id,
            title=line.title,
            status=states[index] if index < len(states) else State.PASSED,
            found="",
        )
        for index, line in enumerate(whole)
    ]
    return outcome(lines)


def test_exit_codes() -> None:
    assert _with(State.SKIPPED).exit_code == 0
    assert _with(State.UNVERIFIED, State.FAILED).exit_code == 1
    assert _with(State.UNVERIFIED, State.SKIPPED).exit_code == 3
    assert outcome([]).exit_code == 3, "no line at all is no proof"


def test_a_trouble_is_not_decided() -> None:
    def question() -> Answer:
        raise CahierError("constat", "remède")

    line = ask("kind", question)
    assert (line.status, line.found, line.remedy) == (State.UNVERIFIED, "constat", "remède")


def test_piped_output_is_plain_and_80_columns_wide(
    terminal: Terminal, api: Pretender, own: Path
) -> None:
    api.answers.denied = _EDIT_LACKS
    own.chmod(0o644)
    said = terminal.run("diagnostiquer", kubeconfig=own)
    assert said.code == 1
    assert "\x1b" not in said.out + said.err
    commands = ("cahier ", "kubectl ", "export ")
    prose = [line for line in said.out.splitlines() if not line.strip().startswith(commands)]
    long = [line for line in prose if len(line) > 80 and max(map(len, line.split())) < 50]
    assert long == [], "a path may be longer than the line"
    words = " ".join(said.out.split())
    assert "✘ Droits" in words
    assert "✔ Identité" in words
    assert "· NetworkPolicy" in words
    assert "à corriger" in words


def test_a_namespace_that_cannot_be_one_is_wrong_use(terminal: Terminal, own: Path) -> None:
    said = terminal.run("diagnostiquer", "--namespace", "MAJUSCULE", kubeconfig=own)
    assert said.code == 2
    assert said.out == ""


# -- on a real cluster -----------------------------------------------------------------------------


@pytest.mark.cluster
def test_a_healthy_learner(terminal: Terminal, new_person: Callable[..., Person]) -> None:
    person = new_person("d")
    said = terminal.run("diagnostiquer", "--json", "--reseau", kubeconfig=person.kubeconfig)
    assert said.code in (0, 3), said.out
    assert (
        said.statuses("skew", "tls", "clock", "identity", "namespace", "rights", "quota")
        == ["passed"] * 7
    )
    assert person.namespace.replace("user-", "oidc-") in said.lines["identity"]["found"]
    assert said.lines["policies"]["status"] == "passed", said.lines["policies"]
    left = subprocess.run(
        ["kubectl", "get", "pods,networkpolicies", "-o", "name"],
        env=dict(person.environment),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cahier-sonde" not in left.stdout


@pytest.mark.cluster
def test_a_service_that_may_only_view(
    terminal: Terminal, new_person: Callable[..., Person], tmp_path: Path
) -> None:
    person = new_person("d")
    lab, copy = find_lab("tp1"), Person(person.namespace, tmp_path / "view.kubeconfig")
    shutil.copyfile(person.kubeconfig, copy.kubeconfig)
    copy.kubeconfig.chmod(0o600)
    Stage(lab, copy).run(lab.cases("erreurs")["service_lance_en_view"].commands or ())
    said = terminal.diagnose(kubeconfig=copy.kubeconfig)
    assert said.code == 1
    assert "ServiceAccount" in said.lines["identity"]["found"]
    line = said.lines["rights"]
    assert line["status"] == "failed"
    assert "« view »" in line["found"]
    assert "Relancez un service VSCode" in line["remedy"]
    assert "« admin »" in line["remedy"]
    assert yaml.safe_load(copy.kubeconfig.read_text())["contexts"], "nothing is written"
