"""Bad input, on the real command line: each refusal is one French message with its remedy, the exit
code of the contract, no traceback, and nothing left behind."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from checks.access.kubernetes_api import Api
from checks.lab import find_lab
from checks.stage import Person, Stage
from tests.support.typed import typed

CAHIER = str(Path(sys.executable).parent / "cahier")
FAR_TOO_LONG = 90  # seconds: nothing here may wait for ever
Config = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def verdict(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out)
        return answer

    def check(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            item for item in self.verdict["checks"] if item["id"] == identifier
        )
        return found


@dataclass(frozen=True)
class Terminal:
    """A learner's terminal: home, working, temporary and state folders of its own."""

    root: Path
    path: str = field(default_factory=lambda: os.environ["PATH"])

    def folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder

    def environment(self, kubeconfig: Path | str | None) -> Mapping[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KUBE", "CAHIER_", "COLUMNS"))
        }
        moved = {
            "HOME": str(self.folder("home")),
            "TMPDIR": str(self.folder("tmp")),
            "CAHIER_ETAT": str(self.folder("state")),
            "PATH": self.path,
        }
        return {**kept, **moved, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}

    def start(self, *arguments: str, kubeconfig: Path | str | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [CAHIER, *arguments],
            env=self.environment(kubeconfig),
            cwd=self.folder("work"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, kubeconfig: Path | str | None = None) -> Answer:
        return self.finish(self.start(*arguments, kubeconfig=kubeconfig))

    def run_here(self, *arguments: str, kubeconfig: Path | str | None = None) -> Answer:
        """The same in this very process: Python's start is most of what a refusal costs."""
        folder, environment = self.folder("work"), self.environment(kubeconfig)
        done = typed(arguments, None, environment=environment, folder=folder)
        assert "Traceback" not in done.said + done.complained
        self.assert_clean()
        return Answer(done.code, done.said, done.complained)

    def finish(self, process: subprocess.Popen[str]) -> Answer:
        with process:
            try:
                out, err = (text or "" for text in process.communicate(timeout=FAR_TOO_LONG))
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert "Traceback" not in out + err
        self.assert_clean()
        return Answer(process.returncode, out, err)

    def assert_clean(self) -> None:
        left = [
            path
            for name in ("work", "tmp", "home")
            for path in self.folder(name).rglob("*")
            if path.is_file()
        ]
        assert left == []
        assert {path.name for path in self.folder("state").iterdir()} <= {"progression.json"}


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture(scope="module")
def person(new_resident: Callable[..., Person]) -> Person:
    return new_resident("b")


@pytest.fixture
def changed(
    person: Person, tmp_path: Path
) -> Callable[[Callable[[Config, Config, Config], object]], Path]:
    """Makes a kubeconfig out of the person's own: given what changes its cluster, user and
    context."""

    def make(change: Callable[[Config, Config, Config], object]) -> Path:
        config: Config = yaml.safe_load(person.kubeconfig.read_text())
        change(
            config["clusters"][0]["cluster"],
            config["users"][0]["user"],
            config["contexts"][0]["context"],
        )
        path = tmp_path / "changed.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    return make


def french(text: str) -> bool:
    return not re.search(r"\b(Error|Usage:|Invalid|Missing|No such|Aborted|Try)\b", text)


# -- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("verifier tp99", "« tp99 » n’est pas un TP"),
        ("commencer ../tp1", "n’est pas un TP"),
        ("indice tp0", "n’est pas un TP"),
        ("verifier", "Il manque TP"),
        ("verifie tp1", "La commande « verifie » n’existe pas"),
        ("verifier tp1 --aidez", "L’option --aidez n’existe pas"),
        ("verifier tp1 tp2", "« tp2 » est de trop"),
        (
            "verifier tp1 --port abc",
            "La valeur donnée à --port ne convient pas : il faut un nombre entier",
        ),
        ("verifier tp1 --port 0", "La valeur donnée à --port ne convient pas : il faut au moins 1"),
        (
            "verifier tp1 --port 65536",
            "La valeur donnée à --port ne convient pas : il faut au plus 65535",
        ),
        ("verifier tp1 --port", "L’option --port est mal employée"),
        ("verifier tp1 --delai bientôt", "« bientôt » n’est pas une durée"),
        ("verifier tp1 --delai -5s", "« -5s » n’est pas une durée"),
        ("verifier tp1 --delai 1e9", "« 1e9 » n’est pas une durée"),
        ("verifier tp1 --suivre --json", "--suivre et --json ne vont pas ensemble"),
    ],
)
def test_wrong_use_is_said_in_french_and_exits_2(
    terminal: Terminal, command: str, words: str
) -> None:
    answer = terminal.run_here(*command.split())
    assert answer.code == 2, answer
    assert words in answer.err
    assert "→ " in answer.err
    assert answer.out == ""
    assert french(answer.err)


@pytest.mark.cluster
def test_a_missing_colleague_exits_2(terminal: Terminal, person: Person) -> None:
    answer = terminal.run("verifier", "tp5", kubeconfig=person.kubeconfig)
    assert (answer.code, answer.out) == (2, "")
    assert "il manque le namespace de votre collègue" in answer.err
    assert "--collegue" in answer.err


@pytest.mark.cluster
def test_oneself_as_colleague_exits_2(terminal: Terminal, person: Person) -> None:
    answer = terminal.run(
        "verifier", "tp5", "--collegue", person.namespace, kubeconfig=person.kubeconfig
    )
    assert (answer.code, answer.out) == (2, "")
    assert f"--collegue {person.namespace} désigne votre propre namespace" in answer.err


# -- configurations that cannot be used ------------------------------------------------------------


def test_no_kubeconfig_exits_3_and_says_how_to_get_one(terminal: Terminal) -> None:
    answer = terminal.run("verifier", "tp1")
    assert (answer.code, answer.out) == (3, "")
    assert "Aucune configuration Kubernetes" in answer.err
    assert "Connexion à Kubernetes" in answer.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "ne désigne aucun contexte courant"),
        (b"users: [token: secret-a-ne-pas-montrer", "n’est pas du YAML, ligne 1"),
        (b"\tbonjour", "n’est pas du YAML"),
        (b"\xff\xfe\x00\x01", "n’est pas un kubeconfig"),
        (b"\xe9t\xe9: \x00\x01", "n’est pas un fichier texte YAML"),
        (b"- une\n- liste\n", "n’est pas un kubeconfig"),
        (b"<html>page de connexion</html>", "n’est pas un kubeconfig"),
        (
            b"contexts: [a, b]\ncurrent-context: a\n",
            "« contexts[0] » doit être un groupe de clés, et non un texte",
        ),
        (b"current-context: absent\n", "Le contexte courant « absent » n’est pas décrit"),
        (b"contexts: [{name: a, context: {}}]\n", "kubectl config use-context NOM"),
        (
            b"contexts: [{name: a, context: {cluster: c}}]\ncurrent-context: a\n",
            "n’a pas d’adresse",
        ),
    ],
)
def test_a_broken_kubeconfig_exits_3(
    terminal: Terminal, tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(content)
    answer = terminal.run_here("verifier", "tp1", kubeconfig=file)
    assert (answer.code, answer.out) == (3, "")
    assert words in answer.err
    assert "→ " in answer.err
    assert "secret-a-ne-pas-montrer" not in answer.err


def test_a_kubeconfig_that_is_a_folder_exits_3(terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal.run("verifier", "tp1", kubeconfig=tmp_path)
    assert (answer.code, answer.out) == (3, "")


# -- a cluster that does not answer, or not to us --------------------------------------------------


def _token(expires: datetime, issued: datetime) -> str:
    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    claims = {"iat": int(issued.timestamp()), "exp": int(expires.timestamp())}
    return f"{part({'alg': 'none'})}.{part(claims)}.{part('signature')}"


def _expired(cluster: Config, user: Config, context: Config) -> None:
    user.clear()
    user["token"] = _token(
        datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) - timedelta(hours=9)
    )


def _refused(cluster: Config, user: Config, context: Config) -> None:
    user.clear()
    user["token"] = "opaque"


def _anonymous(cluster: Config, user: Config, context: Config) -> None:
    user.clear()


def _other_authority(cluster: Config, user: Config, context: Config) -> None:
    cluster["certificate-authority-data"] = user["client-certificate-data"]


def _unreadable_authority(cluster: Config, user: Config, context: Config) -> None:
    cluster["certificate-authority-data"] = base64.b64encode(b"rien").decode()


def _nobody_there(cluster: Config, user: Config, context: Config) -> None:
    cluster["server"] = "https://127.0.0.1:9"


def _unknown_name(cluster: Config, user: Config, context: Config) -> None:
    cluster["server"] = "https://nulle-part.invalid:6443"


def _program_missing(cluster: Config, user: Config, context: Config) -> None:
    user.clear()
    user["exec"] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "kubelogin-absent",
    }


def _without_tls(cluster: Config, user: Config, context: Config) -> None:
    cluster["server"] = cluster["server"].replace("https://", "http://")


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("change", "finding", "remedy"),
    [
        (_expired, "jeton a expiré", "copiez de nouveau le script"),
        (_refused, "ne reconnaît plus votre identité", "copiez de nouveau le script"),
        (_anonymous, "ne donne aucune identité", "copiez de nouveau le script"),
        (_other_authority, "n’est pas signé par l’autorité", "copiez de nouveau le script"),
        (
            _unreadable_authority,
            "un certificat ou une clé de votre configuration est illisible",
            "copiez de nouveau",
        ),
        (_nobody_there, "refuse la connexion", "cahier cluster creer"),
        (_unknown_name, "est inconnu de votre réseau", "Vérifiez votre connexion"),
        (_program_missing, "« kubelogin-absent »", "Installez-le"),
        (_without_tls, "doit commencer par https://", "copiez de nouveau le script"),
    ],
)
def test_a_cluster_that_does_not_know_us_is_never_a_failure(
    terminal: Terminal,
    changed: Callable[..., Path],
    change: Callable[[Config, Config, Config], None],
    finding: str,
    remedy: str,
) -> None:
    answer = terminal.run("verifier", "tp1", "--json", kubeconfig=changed(change))
    assert answer.code == 3, answer
    assert answer.verdict["status"] == "error"
    assert "failed" not in {check["status"] for check in answer.verdict["checks"]}
    told = answer.check("le_cluster_vous_reconnait")
    assert told["status"] == "error"
    assert finding in told["finding"]
    assert remedy in told["fix"]


class Doorman:
    """A TCP relay in front of the API server that, after `requests` packets of a client, swallows
    everything."""

    def __init__(self, server: str, packets: int) -> None:
        address = urlsplit(server)
        self._target = (address.hostname or "", address.port or 443)
        self._left = packets
        self._stop = threading.Event()
        self._cuts = 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._welcome, daemon=True)]
        self.asked = threading.Event()
        self.silent = threading.Event()
        self.url = f"https://127.0.0.1:{self._door.getsockname()[1]}"

    def __enter__(self) -> Doorman:
        self._door.settimeout(0.1)
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
        self._door.close()

    def cut(self) -> None:
        """Cut every connection there is; new ones are welcome."""
        self._cuts += 1

    def _welcome(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                client, _address = self._door.accept()
                self.asked.set()
                thread = threading.Thread(target=self._relay, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _relay(self, client: socket.socket) -> None:
        with (
            # a program that ends hangs up on what it was being told
            contextlib.suppress(ConnectionError),
            client,
            socket.create_connection(self._target, 5) as server,
            selectors.DefaultSelector() as both,
        ):
            both.register(client, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, client)
            cuts = self._cuts
            while not self._stop.is_set() and cuts == self._cuts:
                for ready, _events in both.select(0.1):
                    source = ready.fileobj
                    assert isinstance(source, socket.socket)
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client:
                        self._left -= 1
                    if self._left < 0:
                        self.silent.set()
                        continue
                    ready.data.sendall(data)


@pytest.fixture
def doorman(person: Person) -> Iterator[Callable[[int], Doorman]]:
    server = yaml.safe_load(person.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    with contextlib.ExitStack() as opened:
        yield lambda packets: opened.enter_context(Doorman(server, packets))


def _through(door: Doorman) -> Callable[[Config, Config, Config], None]:
    def change(cluster: Config, user: Config, context: Config) -> None:
        cluster["server"] = door.url
        cluster["tls-server-name"] = (
            "kubernetes"  # a name that every API server's certificate carries
        )

    return change


@pytest.mark.cluster
def test_the_relay_itself_changes_nothing(
    terminal: Terminal, changed: Callable[..., Path], doorman: Callable[[int], Doorman]
) -> None:
    answer = terminal.run("verifier", "tp1", "--json", kubeconfig=changed(_through(doorman(10**6))))
    assert (answer.code, answer.verdict["status"]) == (0, "passed"), answer


@pytest.mark.cluster
def test_a_cluster_that_falls_silent_half_way_is_said_once(
    terminal: Terminal,
    changed: Callable[..., Path],
    doorman: Callable[[int], Doorman],
    person: Person,
) -> None:
    door = doorman(8)
    answer = terminal.run("verifier", "tp1", "--json", kubeconfig=changed(_through(door)))
    assert door.silent.is_set()
    assert answer.code == 3, answer
    statuses = [check["status"] for check in answer.verdict["checks"]]
    assert statuses.count("error") == 1, answer
    assert "failed" not in statuses
    assert {"passed", "skipped"} <= set(statuses)
    trouble = next(check for check in answer.verdict["checks"] if check["status"] == "error")
    assert "ne répond pas : délai dépassé" in trouble["finding"]
    assert answer.verdict["user"] == person.namespace.replace("user-", "oidc-")


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="SIGINT is POSIX")
def test_ctrl_c_ends_at_once(
    terminal: Terminal, changed: Callable[..., Path], doorman: Callable[[int], Doorman]
) -> None:
    door = doorman(0)
    process = terminal.start("verifier", "tp1", kubeconfig=changed(_through(door)))
    assert door.asked.wait(30)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    answer = terminal.finish(process)
    assert time.monotonic() - began < 5
    assert answer.code == 130
    assert "Interrompu." in answer.err


@pytest.mark.cluster
def test_following_survives_a_lost_connection(
    terminal: Terminal,
    changed: Callable[..., Path],
    doorman: Callable[[int], Doorman],
    person: Person,
    free_port: int,
) -> None:
    door = doorman(10**6)
    arguments = ("verifier", "tp2", "--suivre", "--port", str(free_port))
    following = terminal.start(*arguments, kubeconfig=changed(_through(door)))
    stage = Stage(find_lab("tp2"), person, local_port=free_port)
    try:
        assert following.stdout is not None
        for line in following.stdout:
            if "à corriger" in line:
                break
        door.cut()
        stage.apply(stage.lab.files("solution"))
        stage.run(stage.lab.about.solution.commands)
        answer = terminal.finish(following)
        assert answer.code == 0, answer
        assert "bravo" in answer.out
    finally:
        following.kill()
        stage.close()


# -- a place that is not ours ----------------------------------------------------------------------


@pytest.mark.cluster
@pytest.mark.parametrize("namespace", ["user-nexistepas", "kube-system"])
def test_a_namespace_that_is_not_ours(terminal: Terminal, person: Person, namespace: str) -> None:
    answer = terminal.run(
        "verifier", "tp1", "--json", "-n", namespace, kubeconfig=person.kubeconfig
    )
    assert answer.code == 1, answer
    told = answer.check("le_namespace_est_le_votre")
    assert told["status"] == "failed"
    assert f"« {namespace} »" in told["finding"]
    answer = terminal.run("verifier", "tp2", "-n", namespace, kubeconfig=person.kubeconfig)
    assert (answer.code, answer.out) == (2, "")
    assert f"Vous n’avez pas accès au namespace « {namespace} », ou il n’existe pas" in answer.err


@pytest.mark.cluster
@pytest.mark.parametrize("namespace", ["../../secrets", "MAJUSCULE", "a b", "é", "-"])
def test_a_namespace_that_cannot_be_one(terminal: Terminal, person: Person, namespace: str) -> None:
    for option in ("--namespace", "--collegue"):
        answer = terminal.run(
            "verifier", "tp2", f"{option}={namespace}", kubeconfig=person.kubeconfig
        )
        assert (answer.code, answer.out) == (2, ""), answer
        assert f"« {namespace} » ne peut pas être le nom d’un namespace ({option})" in answer.err


@pytest.mark.cluster
def test_missing_rights_are_explained(terminal: Terminal, person: Person, tmp_path: Path) -> None:
    lab, copy = find_lab("tp1"), Person(person.namespace, tmp_path / "view.kubeconfig")
    shutil.copyfile(person.kubeconfig, copy.kubeconfig)
    Stage(lab, copy).run(lab.cases("erreurs")["service_lance_en_view"].commands or ())
    answer = terminal.run("verifier", "tp1", "--aide", kubeconfig=copy.kubeconfig)
    assert answer.code == 1
    assert "« view »" in answer.out
    assert "« admin »" in answer.out


@pytest.mark.cluster
def test_the_administrator_is_not_the_person(
    terminal: Terminal, admin_kubeconfig: Path, person: Person
) -> None:
    answer = terminal.run(
        "verifier", "tp1", "--json", "-n", person.namespace, kubeconfig=admin_kubeconfig
    )
    assert answer.code == 1
    assert (
        "travaille dans le namespace « default »"
        in answer.check("le_contexte_designe_un_namespace")["finding"]
    )
    context = admin_kubeconfig.read_text()
    for namespace, words in [
        (person.namespace, "administre tout le cluster"),
        ("user-nexistepas", "n’existe pas"),
    ]:
        config = yaml.safe_load(context)
        config["contexts"][0]["context"]["namespace"] = namespace
        file = terminal.root / "admin.kubeconfig"
        file.write_text(yaml.safe_dump(config))
        answer = terminal.run("verifier", "tp1", "--json", kubeconfig=file)
        assert answer.code == 1
        assert words in answer.check("le_namespace_est_le_votre")["finding"]


@pytest.mark.cluster
def test_a_project_namespace_is_recognised_by_its_binding(
    terminal: Terminal, admin: Api, person: Person
) -> None:
    """The binding names a group here; a person cannot list its own groups, the API server answers
    for them."""
    name = person.namespace.replace("user-", "projet-")
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings"
    binding = {
        "metadata": {"name": "full_control_namespace", "labels": {"createdby": "onyxia"}},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "admin",
        },
        "subjects": [
            {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Group",
                "name": "system:authenticated",
            }
        ],
    }
    admin.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        admin.request("POST", rbac, binding)
        config = yaml.safe_load(person.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = name
        file = terminal.root / "projet.kubeconfig"
        file.write_text(yaml.safe_dump(config))
        answer = terminal.run("verifier", "tp1", "--json", kubeconfig=file)
        assert (answer.code, answer.verdict["status"]) == (0, "passed"), answer
    finally:
        admin.request("DELETE", f"/api/v1/namespaces/{name}")


# -- the machine -----------------------------------------------------------------------------------


@pytest.mark.cluster
def test_kubectl_missing(terminal: Terminal, person: Person) -> None:
    bare = Terminal(terminal.root, path=str(terminal.folder("bin")))
    answer = bare.run("verifier", "tp1", "--json", kubeconfig=person.kubeconfig)
    assert answer.code == 1
    told = answer.check("kubectl_est_installe")
    assert told["status"] == "failed"
    assert "Aucun programme « kubectl »" in told["finding"]
    assert answer.check("vos_droits_suffisent")["status"] == "passed"
    answer = bare.run("solution", "tp2", "--appliquer", kubeconfig=person.kubeconfig)
    assert answer.code == 3
    assert "kubectl n’est pas installé" in answer.err


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="the fake kubectl is a shell script")
@pytest.mark.parametrize(
    ("minor", "code"), [("20+", 1), ("27", 1), ("28", 0), ("32", 0), ("99", 0)]
)
def test_kubectl_of_another_age(terminal: Terminal, person: Person, minor: str, code: int) -> None:
    fake = terminal.folder("bin") / "kubectl"
    fake.write_text(
        f'#!/bin/sh\necho \'{{"clientVersion": {{"major": "1", "minor": "{minor}"}}}}\'\n'
    )
    fake.chmod(0o755)
    aged = Terminal(terminal.root, path=f"{fake.parent}{os.pathsep}{terminal.path}")
    answer = aged.run("verifier", "tp1", "--json", kubeconfig=person.kubeconfig)
    assert answer.code == code, answer
    assert (answer.check("la_version_de_kubectl_convient")["status"] == "failed") is bool(code)


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="the fake kubectl is a shell script")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            "echo 'error: eyJhbGciOiJub25lIn0.eyJleHAiOjF9.c2Vj is not for you' >&2; exit 1",
            "(masqué) is not for you",
        ),
        (
            'echo \'{"status": {"userInfo": {"username": "oidc-zoe"}}}\'',
            "kubectl comme « oidc-zoe »",
        ),
    ],
)
def test_a_kubectl_that_does_not_get_in_as_we_do(
    terminal: Terminal, person: Person, answer: str, words: str
) -> None:
    fake = terminal.folder("bin") / "kubectl"
    version = '{"clientVersion": {"major": "1", "minor": "37"}}'
    fake.write_text(f"#!/bin/sh\ncase \"$*\" in *whoami*) {answer};; *) echo '{version}';; esac\n")
    fake.chmod(0o755)
    other = Terminal(terminal.root, path=f"{fake.parent}{os.pathsep}{terminal.path}")
    answered = other.run("verifier", "tp1", "--json", kubeconfig=person.kubeconfig)
    assert answered.code == 3, answered
    told = answered.check("le_cluster_vous_reconnait")
    assert (told["status"], words in told["finding"]) == ("unverified", True), told
    assert "eyJ" not in answered.out + answered.err


@pytest.mark.cluster
def test_several_kubeconfig_files_are_merged_as_kubectl_does(
    terminal: Terminal, person: Person, tmp_path: Path
) -> None:
    config = yaml.safe_load(person.kubeconfig.read_text())
    first, second = tmp_path / "contexts", tmp_path / "rest"
    first.write_text(
        yaml.safe_dump({part: config[part] for part in ("contexts", "current-context")})
    )
    second.write_text(yaml.safe_dump({**config, "current-context": "ailleurs"}))
    files = os.pathsep.join(map(str, (first, tmp_path / "absent", second)))
    answer = terminal.run("verifier", "tp1", "--json", kubeconfig=files)
    assert (answer.code, answer.verdict["status"]) == (0, "passed"), answer


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("age", "left", "code"),
    [(480, 5, 1), (4, 1, 0), (60, 11, 0), (4.5, 0.5, 1)],
    ids=["end", "short", "long", "last"],
)
def test_credentials_about_to_expire(
    terminal: Terminal, changed: Callable[..., Path], age: float, left: float, code: int
) -> None:
    """The certificate is what the API server believes; the token next to it is what announces its
    end."""
    now = datetime.now(UTC)
    token = _token(now + timedelta(minutes=left, seconds=20), now - timedelta(minutes=age))
    answer = terminal.run(
        "verifier",
        "tp1",
        "--json",
        kubeconfig=changed(lambda cluster, user, context: user.update(token=token)),
    )
    assert answer.code == code, answer
    told = answer.check("vos_identifiants_ne_vont_pas_expirer")
    assert (told["status"] == "failed") is bool(code)


class _Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"bonjour\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.cluster
def test_a_port_already_taken_is_named(
    terminal: Terminal, new_person: Callable[..., Person], free_port: int, tmp_path: Path
) -> None:
    lab = find_lab("tp2")
    learner = new_person("b")
    stage = Stage(lab, learner)
    broken = tmp_path / "manifeste.yaml"
    broken.write_text("kind: Pod\n  metadata: [\n")
    refused = subprocess.run(
        ["kubectl", "apply", "-f", str(broken)],
        env=dict(learner.environment),
        capture_output=True,
        check=False,
    )
    assert refused.returncode
    answer = terminal.run(
        "verifier", "tp2", "--json", "--delai", "0s", kubeconfig=learner.kubeconfig
    )
    assert answer.code == 1, answer  # what was never applied is missing, and said so
    stage.apply(lab.files("solution"))
    stage.run(lab.about.solution.commands[:1])
    with ThreadingHTTPServer(("127.0.0.1", free_port), _Stranger) as stranger:
        thread = threading.Thread(target=stranger.serve_forever, daemon=True)
        thread.start()
        answer = terminal.run(
            "verifier", "tp2", "--json", "--port", str(free_port), kubeconfig=learner.kubeconfig
        )
        stranger.shutdown()
        thread.join()
    assert answer.code == 1, answer
    findings = [
        check["finding"] for check in answer.verdict["checks"] if check["status"] == "failed"
    ]
    assert len(findings) == 1
    assert str(free_port) in findings[0]
    assert "python" in findings[0]


# -- output that goes elsewhere --------------------------------------------------------------------


@pytest.mark.cluster
def test_piped_output_is_plain_and_80_columns_wide(
    terminal: Terminal, changed: Callable[..., Path]
) -> None:
    def into_default(cluster: Config, user: Config, context: Config) -> None:
        context["namespace"] = "default"

    answer = terminal.run("verifier", "tp1", "--aide", kubeconfig=changed(into_default))
    assert answer.code == 1
    assert "\x1b" not in answer.out + answer.err
    commands = ("cahier ", "kubectl ", "export ")
    prose = [line for line in answer.out.splitlines() if not line.strip().startswith(commands)]
    long = [line for line in prose if len(line) > 80 and max(map(len, line.split())) < 50]
    assert long == [], "a path may be longer than the line"
    assert "⠋" not in answer.out + answer.err


def test_a_reader_that_leaves_early_is_no_trouble(terminal: Terminal) -> None:
    process = terminal.start("lister")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    answer = terminal.finish(process)
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_head(terminal: Terminal) -> None:
    pipe: Sequence[str] = ["bash", "-o", "pipefail", "-c", f"'{CAHIER}' lister | head -n 1"]
    done = subprocess.run(
        pipe,
        env=terminal.environment(None),
        capture_output=True,
        text=True,
        timeout=FAR_TOO_LONG,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
