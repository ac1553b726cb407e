"""« Connexion à Kubernetes » on the local cluster: its script, and what is said once the token has
ended."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from checks import places, state
from checks.access import kubeconfig
from checks.access.kubernetes_api import Api
from checks.local_sspcloud import connection, issuer, people, tokens
from checks.local_sspcloud.progress import silent
from checks.stage import Person

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform == "win32", reason="the script is played by a shell"),
]

CAHIER = str(Path(sys.executable).parent / "cahier")
FAR_TOO_LONG = 90.0  # seconds: the API server remembers for ten that it has accepted a token


@dataclass(frozen=True)
class Home:
    """A terminal in a home of its own: kubectl's configuration is where it always is."""

    folder: Path

    @property
    def configuration(self) -> Path:
        return self.folder / ".kube" / "config"

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        # the cluster stays where it is
        return {
            **kept,
            "HOME": str(self.folder),
            "CAHIER_ETAT": str(state.folder()),
        }

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            input=text,
            capture_output=True,
            text=True,
            timeout=FAR_TOO_LONG,
            check=False,
        )

    def verdict(self) -> tuple[int, Mapping[str, Any]]:
        done = self.run(CAHIER, "verifier", "tp1", "--json", "--sans-recu")
        return done.returncode, json.loads(done.stdout)

    def connect(self, name: str, token: str, server: str) -> None:
        """Play the script of a person with this token."""
        script = connection.render(server, f"oidc-{name}", f"user-{name}", token)
        assert self.run("sh", text=script).returncode == 0

    def become(self, person: Person) -> None:
        """Take over somebody's configuration."""
        self.configuration.parent.mkdir()
        shutil.copy(person.kubeconfig, self.configuration)

    def until_refused(self) -> subprocess.CompletedProcess[str]:
        deadline = time.monotonic() + FAR_TOO_LONG
        while (done := self.run("kubectl", "get", "pods")).returncode == 0:
            assert time.monotonic() < deadline, (
                "the API server still accepts a token that has ended"
            )
            time.sleep(0.5)
        return done


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder)


@pytest.fixture(scope="module")
def person(new_resident: Callable[..., Person]) -> Person:
    return new_resident("c")


@pytest.fixture(scope="module")
def name(person: Person) -> str:
    return person.namespace.removeprefix("user-")


@pytest.fixture(scope="module", autouse=True)
def accepted(admin: Api) -> None:
    """The API server of a cluster just made takes a moment to know the issuer."""
    issuer.wait_until_accepted(admin, silent)


@pytest.fixture(scope="module")
def server(admin: Api) -> str:
    return admin.credentials.server


def ago(age: timedelta) -> datetime:
    """When that was, seen from the test that asks: the suite lasts longer than some tokens."""
    return datetime.now(UTC) - age


def check(verdict: Mapping[str, Any], identifier: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(item for item in verdict["checks"] if item["id"] == identifier)
    return found


def reviewed(admin: Api, token: str) -> Mapping[str, Any]:
    """What the API server says of a token."""
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    answer = admin.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    status: Mapping[str, Any] = answer["status"]
    return status


def test_the_script_makes_its_person_and_everything_of_lab_1_passes(
    home: Home, name: str, server: str
) -> None:
    given = home.run(CAHIER, "cluster", "connexion", name)
    assert given.returncode == 0, given.stderr
    assert [line.split()[:3] for line in given.stdout.splitlines()] == [
        ["kubectl", "config", word]
        for word in ("set-cluster", "set-credentials", "set-context", "use-context")
    ]
    played = home.run("sh", text=given.stdout)
    assert played.returncode == 0, played.stderr
    host = urlsplit(server).netloc
    written = yaml.safe_load(home.configuration.read_text())
    assert written["current-context"] == host
    assert written["clusters"] == [
        {"name": host, "cluster": {"server": server, "insecure-skip-tls-verify": True}}
    ]
    assert written["contexts"] == [
        {
            "name": host,
            "context": {"cluster": host, "user": f"oidc-{name}", "namespace": f"user-{name}"},
        }
    ]
    whoami = home.run("kubectl", "auth", "whoami", "-o", "json")
    assert json.loads(whoami.stdout)["status"]["userInfo"]["username"] == f"oidc-{name}"
    code, verdict = home.verdict()
    assert (code, verdict["status"], verdict["user"]) == (0, "passed", f"oidc-{name}")
    diagnosed = home.run(CAHIER, "diagnostiquer", "--json")
    lines = {line["id"]: line for line in json.loads(diagnosed.stdout)["lines"]}
    assert {
        lines[line]["status"] for line in ("lifetime", "tls", "identity", "namespace", "rights")
    } == {"passed"}
    assert "ne pas vérifier le certificat" in lines["tls"]["found"]
    assert "warning" not in (diagnosed.stderr + whoami.stderr).lower()


def test_a_token_lasts_as_long_as_asked(home: Home, name: str) -> None:
    script = home.run(CAHIER, "cluster", "connexion", name, "--duree", "2h").stdout
    home.run("sh", text=script)
    found = kubeconfig.read(str(home.configuration))
    assert found.issued is not None
    assert found.expires is not None
    assert found.expires - found.issued == timedelta(hours=2)
    assert abs(datetime.now(UTC) - found.issued) < timedelta(minutes=1)


def test_groups_bear_the_platform_s_prefix(admin: Api) -> None:
    user = reviewed(admin, tokens.sign("essai", timedelta(minutes=1), ["equipe"]))["user"]
    assert user["username"] == "oidc-essai"
    assert set(user["groups"]) == {"oidc-equipe", "system:authenticated"}


def test_the_teacher_has_a_script_too(home: Home) -> None:
    home.run("sh", text=home.run(CAHIER, "cluster", "connexion", people.TEACHER).stdout)
    listed = home.run("kubectl", "get", "namespaces", "-o", "name")
    assert "namespace/user-alice" in listed.stdout.splitlines()


def test_the_signing_key_is_its_owner_s_only() -> None:
    assert stat.S_IMODE(tokens._key_file().stat().st_mode) == 0o600


def test_a_token_that_has_ended_is_never_a_failure(home: Home, name: str) -> None:
    again = f"cahier cluster connexion {name} | sh"
    home.run("sh", text=home.run(CAHIER, "cluster", "connexion", name, "--duree", "5s").stdout)
    assert "You must be logged in to the server" in home.until_refused().stderr
    code, verdict = home.verdict()
    assert (code, verdict["status"]) == (3, "error")
    told = check(verdict, "le_cluster_vous_reconnait")
    assert "votre jeton a expiré le" in told["finding"]
    assert f"Copiez de nouveau le script et exécutez-le : {again}" in told["fix"]
    assert "failed" not in {item["status"] for item in verdict["checks"]}

    diagnosed = json.loads(home.run(CAHIER, "diagnostiquer", "--json").stdout)
    line = next(line for line in diagnosed["lines"] if line["id"] == "lifetime")
    assert line["commands"] == [again]
    for command in (
        "indice tp1",
        "rattraper tp2",
        "solution tp2 --appliquer",
        "nettoyer tp2",
        "instantane",
        "catalogue lister",
    ):
        done = home.run(CAHIER, *command.split())
        assert done.returncode == 3, (command, done)
        assert f"Copiez de nouveau le script et exécutez-le : {again}" in done.stderr, (
            command,
            done,
        )
        assert "échou" not in done.stdout + done.stderr, (command, done)

    renewed = home.run("sh", text=f"PATH={os.environ['PATH']}; {again}")
    assert renewed.returncode == 0, renewed.stderr
    assert home.verdict()[0] == 0


def test_a_token_that_has_ended_and_is_still_accepted_is_no_failure(
    home: Home, person: Person, name: str
) -> None:
    """As with a clock that is ahead: the certificate is what the API server believes, the token has
    ended."""
    home.become(person)
    written = yaml.safe_load(home.configuration.read_text())
    written["users"][0]["user"]["token"] = tokens.sign(
        name, timedelta(hours=1), issued=ago(timedelta(hours=2))
    )
    home.configuration.write_text(yaml.safe_dump(written))
    code, verdict = home.verdict()
    assert (code, verdict["status"]) == (3, "unverified"), verdict
    assert "failed" not in {item["status"] for item in verdict["checks"]}
    told = check(verdict, "vos_identifiants_ne_vont_pas_expirer")
    assert (told["status"], "a expiré" in told["finding"]) == ("unverified", True)
    assert (
        f"Copiez de nouveau le script et exécutez-le : cahier cluster connexion {name} | sh"
        in told["fix"]
    )


def test_who_follows_is_answered_once_the_script_is_played_again(
    home: Home, name: str, server: str
) -> None:
    home.connect(
        name, tokens.sign(name, timedelta(hours=1), issued=ago(timedelta(hours=2))), server
    )
    following = home.start(CAHIER, "verifier", "tp1", "--suivre", "--sans-recu")
    try:
        said = iter(following.stdout or ())
        assert any("Rien n’est faux" in line for line in said)
        home.connect(name, tokens.sign(name, timedelta(hours=1)), server)
        assert any("bravo" in line for line in said)
        assert following.wait(30) == 0
    finally:
        following.kill()
        following.communicate()


def test_a_token_about_to_end_is_told_with_the_command_that_renews_it(
    home: Home, name: str, server: str
) -> None:
    token = tokens.sign(name, timedelta(hours=1), issued=ago(timedelta(minutes=57)))
    home.connect(name, token, server)
    code, verdict = home.verdict()
    assert code == 1
    told = check(verdict, "vos_identifiants_ne_vont_pas_expirer")
    assert told["status"] == "failed"
    assert "2 minutes" in told["finding"]
    assert (
        home.run("sh", text=f"PATH={os.environ['PATH']}; {told['fix_commands'][0]}").returncode == 0
    )
    assert home.verdict()[0] == 0


def _for_another_audience(name: str) -> str:
    from joserfc import jwt

    key = tokens.key()
    soon = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    claims = {"iss": places.ISSUER, "aud": "autre", "preferred_username": name, "exp": soon}
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def _signed_by_another(name: str) -> str:
    head, claims, _ = tokens.sign(name, timedelta(hours=1)).split(".")
    return ".".join((head, claims, tokens.sign("autre", timedelta(hours=1)).split(".")[2]))


@pytest.mark.parametrize("make", [_for_another_audience, _signed_by_another, lambda name: "abime"])
def test_a_token_that_the_cluster_does_not_accept(
    home: Home, name: str, server: str, make: Callable[[str], str]
) -> None:
    home.connect(name, make(name), server)
    code, verdict = home.verdict()
    assert (code, verdict["status"]) == (3, "error")
    told = check(verdict, "le_cluster_vous_reconnait")
    assert "a expiré le" not in told["finding"]
    assert "copiez de nouveau le script" in told["fix"].lower()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["personne"], "Personne ne s’appelle « personne »"),
        (["admin"], "il n’a pas de jeton"),
        (["alice", "--duree", "bientôt"], "« bientôt » n’est pas une durée"),
        (["alice", "--duree", "0s"], "Un jeton ne peut pas durer"),
        (["alice", "--duree", f"{10**30}h"], "Un jeton ne peut pas durer"),
    ],
)
def test_wrong_use_prints_no_script(
    home: Home, admin: Api, arguments: list[str], words: str
) -> None:
    done = home.run(CAHIER, "cluster", "connexion", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "→ " in done.stderr


# -- a token that kubectl renews, as the platform's newer script has it ----------------------------


class _Endpoint(BaseHTTPRequestHandler):
    renewed: str

    def _answer(self, status: int, content: Mapping[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        address = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        self._answer(200, {"issuer": address, "token_endpoint": f"{address}/token"})

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "refresh_token=encore" in asked:
            given = {
                "id_token": self.renewed,
                "access_token": self.renewed,
                "refresh_token": "encore",
            }
            self._answer(200, {**given, "token_type": "bearer"})
        else:
            self._answer(400, {"error": "invalid_grant", "error_description": "Session not active"})

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint(name: str, admin: Api) -> Iterator[str]:
    """The address of an issuer that gives a new token to who has the right refresh token."""
    handler = type("Endpoint", (_Endpoint,), {"renewed": tokens.sign(name, timedelta(hours=1))})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{service.server_port}"
        service.shutdown()


@pytest.mark.parametrize(
    ("age", "refresh", "code"),
    [
        (timedelta(minutes=2), "fini", 0),
        (timedelta(hours=2), "encore", 0),
        (timedelta(hours=2), "fini", 3),
    ],
    ids=["still-good", "renewed", "session-ended"],
)
def test_a_token_that_kubectl_renews(
    home: Home, person: Person, name: str, endpoint: str, age: timedelta, refresh: str, code: int
) -> None:
    """The end of a five-minute token is always near: only when it is past does anybody have to
    act."""
    home.become(person)
    token = tokens.sign(name, timedelta(minutes=5), issued=ago(age))
    provider = {
        "idp-issuer-url": endpoint,
        "client-id": "onyxia",
        "refresh-token": refresh,
        "id-token": token,
    }
    options = [f"--auth-provider-arg={key}={value}" for key, value in provider.items()]
    home.run("kubectl", "config", "set-credentials", "moi", "--auth-provider=oidc", *options)
    home.run("kubectl", "config", "set-context", "--current", "--user=moi")
    done, verdict = home.verdict()
    assert done == code, verdict
    if code:
        told = check(verdict, "le_cluster_vous_reconnait")
        assert "votre jeton a expiré le" in told["finding"]
        assert "opiez de nouveau le script" in told["fix"]
    kept = kubeconfig.read(str(home.configuration)).expires
    assert kept is not None
    assert (kept > datetime.now(UTC)) is not bool(code)
