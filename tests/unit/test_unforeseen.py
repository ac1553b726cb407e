"""What nobody foresaw, in every command: one sentence, a file for help, code 3; and no secret in
anything written."""

from __future__ import annotations

import base64
import errno
import gzip
import importlib
import io
import json
import logging
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from checks import cli, redaction, unforeseen
from tests.support.pretend_api import Answers, Pretender, pretend

CANARIES = {
    "token": "canari-Jeton9xQ2/opaque+1",
    "password": "canari Passe'9\"é",
    "key": base64.b64encode(b"canari, une cle privee").decode(),
    "exec env": "canari-Exec7Env",
    "exec argument": "canari-Exec7Arg",
    "refresh": "canari-Rafraichir7",
    "client secret": "canari-Client7",
    "proxy in the file": "canari-Proxy7@fichier",
    "proxy of the environment": "canari-Proxy7Env",
    "environment": "canari-Vault7",
}
JWT = (
    "eyJhbGciOiJSUzI1NiJ9."
    + base64.urlsafe_b64encode(b'{"sub":"canari"}').decode().rstrip("=")
    + ".canariSignature"
)
LEAKS = [*CANARIES.values(), JWT]


def traces(secret: str) -> Iterator[str]:
    """What of a secret must not be found anywhere."""
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    for before in range(3):
        yield base64.b64encode(b"x" * before + secret.encode()).decode()[4:-4]


def told(secret: str) -> str:
    """An exception that says it in every way."""
    both = base64.b64encode(f"alice:{secret}".encode()).decode()
    return (
        f"{secret} {secret!r} {json.dumps({'token': secret})} {quote(secret)} Basic {both} Bearer "
        f"{secret}\n"
    )


IN_A_SECRET = "canari-Base7motdepasse"
BOOM = "\n".join(told(secret) for secret in LEAKS)


def leaks(text: str) -> Sequence[str]:
    """The canaries that a text lets out, also over the lines of a frame."""
    seen = text + re.sub(r"[\s│]+", "", text)
    return [
        secret for secret in (*LEAKS, IN_A_SECRET) if any(trace in seen for trace in traces(secret))
    ]


@dataclass
class Secretive(Answers):
    """A pretend API server where every Secret holds a canary."""

    secrets: int = field(default=0)

    def to(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if "/secrets/" in path:
            self.secrets += 1
            values = {"password": IN_A_SECRET, "username": "user-alice"}
            data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
            return {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": self._metadata("base"),
                "data": data,
            }
        if path == "/api/v1/namespaces/user-alice":
            return {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": self._metadata("user-alice"),
            }
        return super().to(path, body)

    def _metadata(self, name: str) -> Mapping[str, Any]:
        return {"name": name, "uid": "1", "creationTimestamp": "2026-11-01T08:00:00Z"}


@dataclass
class Answer:
    """What a command ended with, wrote on its streams, and left in files."""

    code: object
    out: str
    err: str
    files: Mapping[str, str]

    @property
    def everything(self) -> str:
        return "\n".join([self.out, self.err, *self.files.values()])


@dataclass
class Command:
    """Runs `cahier` in this process, as its entry point does."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, columns: int = 400) -> Answer:
        streams = {
            name: io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for name in ("stdout", "stderr")
        }
        with self.monkeypatch.context() as here:
            for name, stream in streams.items():
                here.setattr(sys, name, stream)
            here.setattr(sys, "argv", ["cahier", *arguments])
            here.setattr(threading, "excepthook", threading.excepthook)
            here.setattr(sys, "unraisablehook", sys.unraisablehook)
            here.setattr(logging, "raiseExceptions", True)
            here.setattr(logging.root, "handlers", [])
            here.setattr(redaction, "_known", redaction._Known())
            here.setenv("COLUMNS", str(columns))
            here.chdir(self.folder / "travail")
            before, level = signal.getsignal(signal.SIGTERM), logging.root.level
            try:
                cli.main()
            except SystemExit as end:
                code = end.code
            finally:
                signal.signal(signal.SIGTERM, before)
                logging.root.setLevel(level)
        out, err = (streams[name].buffer.getvalue().decode() for name in ("stdout", "stderr"))
        return Answer(code, out, err, dict(self._written()))

    def _written(self) -> Iterator[tuple[str, str]]:
        for place in ("travail", "etat"):
            for file in (self.folder / place).rglob("*"):
                if file.is_file():
                    data = file.read_bytes()
                    yield (
                        str(file),
                        (gzip.decompress(data) if file.suffix == ".gz" else data).decode(
                            "utf-8", "replace"
                        ),
                    )

    def break_at(
        self, where: str, error: Callable[[], BaseException] = lambda: RuntimeError(BOOM)
    ) -> None:
        """Have a function of the program raise."""
        module, _, name = where.partition(":")
        owner: Any = importlib.import_module(module)
        *classes, function = name.split(".")
        for one in classes:
            owner = getattr(owner, one)

        def boom(*_: object, **__: object) -> None:
            raise error()

        self.monkeypatch.setattr(owner, function, boom)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pretender]:
    with pretend(tmp_path_factory.mktemp("api"), Secretive()) as server:
        yield server


@pytest.fixture
def command(api: Pretender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    for name in ("travail", "etat", "secret"):
        (tmp_path / name).mkdir()
    file = api.kubeconfig(tmp_path / "secret" / "config")
    config = yaml.safe_load(file.read_text())
    config["users"][0]["user"] = {"token": CANARIES["token"]}
    config["users"] += [
        {"name": "basic", "user": {"username": "bob", "password": CANARIES["password"]}},
        {
            "name": "key",
            "user": {"client-key-data": CANARIES["key"], "client-certificate-data": "QQ=="},
        },
        {
            "name": "exec",
            "user": {
                "exec": {
                    "command": "x",
                    "args": [f"--client-secret={CANARIES['exec argument']}"],
                    "env": [{"name": "API_TOKEN", "value": CANARIES["exec env"]}],
                }
            },
        },
        {
            "name": "oidc",
            "user": {
                "auth-provider": {
                    "name": "oidc",
                    "config": {
                        "id-token": JWT,
                        "refresh-token": CANARIES["refresh"],
                        "client-secret": CANARIES["client secret"],
                    },
                }
            },
        },
    ]
    proxy = f"http://bob:{quote(CANARIES['proxy in the file'], safe='')}@proxy.exemple.invalid:3128"
    config["clusters"].append(
        {"name": "far", "cluster": {"server": "https://x", "proxy-url": proxy}}
    )
    file.write_text(yaml.safe_dump(config))
    (tmp_path / "travail" / "classe.csv").write_text(
        "identifiant,nom,prenom,email,namespace,collegue\np1,Le Goff,Zoé,z@exemple.fr,user-alice,\n"
    )
    for name in os.environ:
        if name.startswith(("KUBE", "CAHIER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path / "etat"))
    monkeypatch.setenv(
        "HTTPS_PROXY",
        f"http://alice:{CANARIES['proxy of the environment']}@proxy.exemple.invalid:3128",
    )
    monkeypatch.setenv("VAULT_TOKEN", CANARIES["environment"])
    return Command(tmp_path, monkeypatch)


BROKEN = [
    ("checks.access.kubeconfig:read", []),
    ("checks.lab:all_labs", ["lister"]),
    ("checks.state:load", ["lister"]),
    ("checks.lab:find_lab", ["commencer", "tp2"]),
    ("checks.lab:find_lab", ["indice", "tp2"]),
    ("checks.lab:find_lab", ["solution", "tp2"]),
    ("checks.access.kubeconfig:choose", ["verifier", "tp1"]),
    ("checks.access.kubeconfig:merged", ["verifier", "tp1", "--json"]),
    ("checks.access.kubernetes_api:Api._send", ["verifier", "tp1"]),
    ("checks.runner:run", ["verifier", "tp1", "--json"]),
    ("checks.runner:_verdict", ["verifier", "tp1"]),
    ("checks.state:remember", ["verifier", "tp1", "--json"]),
    ("checks.verdict:to_json", ["verifier", "tp1", "--json"]),
    ("checks.render.terminal:show", ["verifier", "tp1", "--aide"]),
    ("checks.sources.witness:leave_receipt", ["verifier", "tp1"]),
    ("checks.access.kubeconfig:merged", ["--debug", "verifier", "tp1", "--json"]),
    ("checks.access.kubernetes_api:Api._send", ["--debug", "verifier", "tp1"]),
    ("checks.runner:_verdict", ["--debug", "verifier", "tp1"]),
    ("checks.doctor.examination:Examination.run", ["diagnostiquer"]),
    ("checks.doctor.examination:Examination.run", ["--debug", "diagnostiquer", "--json"]),
    ("checks.sources.recorder:record", ["instantane"]),
    ("checks.sources.snapshot:write", ["instantane"]),
    ("checks.grading.roster:read_roster", ["noter", "classe.csv"]),
    ("checks.grading.grade:grade_class", ["noter", "classe.csv", "--labs", "tp2"]),
    ("checks.grading.exports:write_all", ["noter", "classe.csv", "--labs", "tp2"]),
    ("checks.local_sspcloud.catalogue:releases", ["catalogue", "lister"]),
]


@pytest.mark.parametrize(
    ("where", "arguments"), BROKEN, ids=[f"{' '.join(words)} {where}" for where, words in BROKEN]
)
def test_whatever_breaks_is_one_sentence_and_lets_no_secret_out(
    command: Command, where: str, arguments: list[str]
) -> None:
    command.break_at(where)
    answer = command(*arguments)
    assert answer.code == 3, answer
    assert leaks(answer.everything) == []
    assert answer.err.count("✘") == 1, answer.err
    assert "problème imprévu (RuntimeError" in answer.err
    if "--debug" not in arguments:
        assert "Traceback" not in answer.out + answer.err
    if "--json" in arguments:
        assert not answer.out or json.loads(answer.out)
    (help_file,) = [name for name in answer.files if Path(name).parent.name == "aide"]
    assert help_file in answer.err
    assert "Traceback" in answer.files[help_file]
    assert " ".join(["Commande : cahier", *arguments]) in answer.files[help_file]
    assert stat.S_IMODE(Path(help_file).stat().st_mode) == 0o600


def test_the_search_finds_what_leaks(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same search, where nothing is hidden: each canary is met."""
    for module in (redaction, unforeseen):
        monkeypatch.setattr(module, "redact", lambda text, **_: text)
    command.break_at("checks.access.kubernetes_api:Api._send")
    answer = command("--debug", "verifier", "tp1", columns=60)
    assert leaks(answer.err) == LEAKS
    assert leaks("\n".join(answer.files.values())) == LEAKS


@pytest.mark.parametrize("columns", [40, 80, 400])
@pytest.mark.parametrize("arguments", [[], ["--json"], ["--aide"]], ids=["plain", "json", "help"])
def test_a_broken_check_lets_no_secret_out(
    command: Command, arguments: list[str], columns: int
) -> None:
    command.break_at("checks.sources.machine:LocalMachine.kubectl")
    answer = command("verifier", "tp1", *arguments, columns=columns)
    assert leaks(answer.everything) == []
    assert "RuntimeError" in answer.out
    if arguments == ["--json"]:
        findings = [
            check["finding"]
            for check in json.loads(answer.out)["checks"]
            if check["status"] == "error"
        ]
        assert findings
        assert all(
            finding.startswith("Le vérificateur a un problème : RuntimeError: ")
            for finding in findings
        )


def test_grades_and_snapshots_let_no_secret_out(command: Command) -> None:
    command.break_at("checks.grading.view:LiveVerifier.__call__")
    answer = command("noter", "classe.csv", "--labs", "tp2")
    assert answer.code == 3
    assert leaks(answer.everything) == []
    assert (
        "RuntimeError"
        in answer.files[str(command.folder / "travail" / "notes-classe" / "notes.json")]
    )


def test_a_snapshot_holds_neither_our_token_nor_a_password_that_was_read(
    command: Command, api: Pretender
) -> None:
    written = {"metadata": {"name": "notes"}, "data": {"a": BOOM}}
    api.answers.objects = {"configmaps": [written]}
    try:
        answer = command("instantane", "-o", "un.json")
    finally:
        api.answers.objects = {}
    assert answer.code == 0, answer
    snapshot = answer.files[str(command.folder / "travail" / "un.json")]
    assert "Bearer (masqué)" in snapshot
    assert leaks(snapshot) == []


@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["plain", "debug"])
def test_values_of_a_secret_that_was_read_are_known_everywhere(
    command: Command, debug: list[str]
) -> None:
    from checks.sources.live_cluster import LiveCluster
    from checks.sources.machine import LocalMachine

    def read(*_: object, **__: object) -> None:
        values = LiveCluster(LocalMachine()).secret_values("base")
        raise RuntimeError(f"refusé : {values} {told(IN_A_SECRET)} user-alice")

    command.monkeypatch.setattr("checks.runner.run", read)
    answer = command(*debug, "verifier", "tp1")
    assert answer.code == 3
    assert leaks(answer.everything) == []
    assert "RuntimeError: refusé : {'password': '(masqué)', 'username': 'user-alice'}" in answer.err
    assert ("DEBUG:urllib3" in answer.err) is bool(debug)


# -- what breaks -----------------------------------------------------------------------------------


class Unspeakable(Exception):
    """An error that breaks where it is told."""

    def __str__(self) -> str:
        raise RuntimeError("encore")


def deep(level: int = 0) -> None:
    deep(level + 1)


def nested() -> BaseException:
    try:
        deep()
    except RecursionError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Unspeakable, "(Unspeakable)"),
        (nested, "(RecursionError: "),
        (MemoryError, "(MemoryError)"),
        (
            lambda: UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"),
            "(UnicodeEncodeError: ",
        ),
        (lambda: SystemExit("au revoir"), "(SystemExit: au revoir)"),
        (
            lambda: ExceptionGroup("deux", [ValueError("a"), ValueError("b")]),
            "(ExceptionGroup: deux",
        ),
        (
            lambda: OSError(errno.ENOSPC, "No space left on device", "/x/y"),
            "pas possible de continuer (/x/y) : le disque est plein",
        ),
        (
            lambda: OSError(errno.EROFS, "Read-only file system"),
            "pas possible de continuer : ce dossier est en lecture seule",
        ),
        (
            lambda: ModuleNotFoundError("No module named 'rich'", name="rich"),
            "le module Python « rich »",
        ),
        (
            lambda: SyntaxError("invalid syntax", ("verifications.py", 3, 1, "x", 3, 2)),
            "(SyntaxError: invalid syntax",
        ),
    ],
)
def test_every_kind_of_trouble_is_told(
    command: Command, error: Callable[[], BaseException], words: str
) -> None:
    command.break_at("checks.lab:all_labs", error)
    answer = command("lister")
    assert answer.code == 3
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert answer.err.count("\n") == 2


def test_an_interruption_is_none(command: Command) -> None:
    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("ce qui devait être retiré ne l’a pas été")

    command.monkeypatch.setattr("checks.lab.all_labs", interrupted)
    answer = command("lister")
    assert (answer.code, answer.err) == (130, "\nInterrompu.\n")


def test_a_thread_that_breaks_is_told_and_nothing_is_vouched_for(command: Command) -> None:
    def aside() -> None:
        raise RuntimeError(BOOM)

    def labs() -> Sequence[object]:
        for _ in range(3):
            thread = threading.Thread(target=aside)
            thread.start()
            thread.join()
        return []

    command.monkeypatch.setattr("checks.lab.all_labs", labs)
    answer = command("lister")
    assert answer.code == 3
    assert answer.err.count("✘") == 1
    assert "Traceback" not in answer.err
    assert leaks(answer.everything) == []


def test_a_help_file_that_cannot_be_written_is_told(command: Command) -> None:
    (command.folder / "etat" / "aide").write_text("pas un dossier")
    command.break_at("checks.lab:all_labs")
    answer = command("lister")
    assert answer.code == 3
    assert "Le fichier d’aide n’a pas pu être écrit : File exists." in answer.err


def test_help_files_are_few(command: Command) -> None:
    command.break_at("checks.lab:all_labs")
    for _ in range(12):
        answer = command("lister")
    assert len([name for name in answer.files if "/aide/" in name]) == 10


def test_the_command_line_is_kept_without_its_secrets(command: Command) -> None:
    command.break_at("checks.lab:find_lab")
    answer = command("verifier", CANARIES["token"], "--namespace", f"token={CANARIES['password']}")
    assert answer.code == 3
    assert leaks(answer.everything) == []


# -- the real process ------------------------------------------------------------------------------


def process(
    script: str, *, out: int | None = subprocess.PIPE, err: int | None = subprocess.PIPE, **env: str
) -> Any:
    """A Python of its own, as the `cahier` command starts."""
    return subprocess.run(
        [sys.executable, "-c", script],
        stdout=out,
        stderr=err,
        env={**os.environ, **env},
        text=True,
        check=False,
    )


MAIN = "import sys; sys.argv = ['cahier', 'lister']; from checks.cli import main; "


def test_a_missing_dependency_is_told_before_anything_else(tmp_path: Path) -> None:
    done = process(
        f"import sys; sys.modules['rich'] = None; {MAIN} main()", CAHIER_ETAT=str(tmp_path)
    )
    assert done.returncode == 3
    assert "le module Python « rich »" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_disk_that_is_full_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = process(f"{MAIN} main()", out=full.fileno(), CAHIER_ETAT=str(tmp_path))
        assert (done.returncode, "pas possible de continuer" in done.stderr) == (3, True)
        assert "Exception ignored" not in done.stderr
        assert (
            process(f"{MAIN} main()", err=full.fileno(), CAHIER_ETAT=str(tmp_path)).returncode == 0
        )


def test_a_terminal_of_another_encoding(tmp_path: Path) -> None:
    done = process(
        f"{MAIN} main()", CAHIER_ETAT=str(tmp_path), PYTHONIOENCODING="ascii", LC_ALL="C"
    )
    assert (done.returncode, done.stderr) == (0, "")
