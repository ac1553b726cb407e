"""The workbook inside a pod, as in a VSCode service of the SSPCloud: no kubeconfig, a
ServiceAccount, a role each.

The pods hold the project's own image: its wheel, and kubectl. Their file system is read only, but
for /tmp.
"""

from __future__ import annotations

import base64
import io
import json
import platform
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from checks import refusals
from checks.access import client_settings, kubeconfig
from checks.access.kubernetes_api import Api
from checks.lab import all_labs
from checks.sources.machine import LocalMachine
from checks.stage import Person
from tests.support.pretend_api import Answers, pretend
from tests.support.wheel import ROOT as CHECKOUT
from tests.support.wheel import built

_PORT = 8080  # where code-server serves the page of a VSCode service
_READY_SECONDS = 60
_RELAUNCH = ("Relancez un service VSCode", "le rôle « admin » dans l’onglet « Kubernetes »")


@dataclass(frozen=True)
class Said:
    """What a command said, on one line: a terminal folds where it likes."""

    code: int
    text: str

    def says(self, *words: str) -> bool:
        """Whether all these words are there."""
        return all(one in self.text for one in words)


@dataclass(frozen=True)
class Service:
    """A pod of the platform's catalogue, in which somebody types commands."""

    kubeconfig: Path
    namespace: str
    name: str

    def run(self, command: str, given: str = "") -> Said:
        """Run a shell command there."""
        done = subprocess.run(
            [
                *(
                    "kubectl",
                    "--kubeconfig",
                    str(self.kubeconfig),
                    "exec",
                    "-i",
                    "-n",
                    self.namespace,
                ),
                *(f"{self.name}-0", "--", "bash", "-c", f"cd /tmp; {command}"),
            ],
            input=given,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        text = " ".join((done.stdout + done.stderr).split())
        assert "Traceback" not in text
        return Said(done.returncode, text)

    def forward(self, target: str, ports: str) -> Said:
        """Open a tunnel and leave it open."""
        log = f"/tmp/{ports.partition(':')[0]}.log"
        return self.run(
            f"(kubectl port-forward {target} {ports} >{log} 2>&1 &); "
            f"timeout 30 bash -c 'until grep -q Forwarding {log}; do sleep 0.1; done'; cat {log}"
        )


@pytest.fixture
def service(admin: Api, admin_kubeconfig: Path, image: str) -> Callable[[str, str, str], Service]:
    """Launches what the platform's form launches for a VSCode service: namespace, role and number
    are given."""

    def launch(namespace: str, role: str, number: str) -> Service:
        launched = Service(admin_kubeconfig, namespace, f"vscode-python-{number}")
        for path, item in _objects(launched, role, image):
            admin.request("POST", f"{path.format(namespace)}", item)
        path = f"/api/v1/namespaces/{namespace}/pods/{launched.name}-0"
        deadline = time.monotonic() + _READY_SECONDS
        while not _ready(admin.request("GET", path)):
            assert time.monotonic() < deadline, admin.request("GET", path)["status"]
            time.sleep(0.1)
        return launched

    return launch


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _objects(service: Service, role: str, image: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and content of what the chart makes."""
    metadata = {"name": service.name}
    labels = {"app.kubernetes.io/instance": service.name, "app.kubernetes.io/name": "vscode-python"}
    yield "/api/v1/namespaces/{}/serviceaccounts", {"metadata": metadata}
    yield (
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
        {
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role,
            },
            "subjects": [
                {"kind": "ServiceAccount", "name": service.name, "namespace": service.namespace}
            ],
        },
    )
    ports = [{"name": "main", "port": _PORT, "targetPort": _PORT}]
    yield (
        "/api/v1/namespaces/{}/services",
        {"metadata": metadata, "spec": {"clusterIP": "None", "selector": labels, "ports": ports}},
    )
    container = {
        "name": "vscode-python",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        # what holds the port matters, not what it serves
        "command": [
            "python",
            "-m",
            "http.server",
            str(_PORT),
        ],
        "env": [{"name": "HOME", "value": "/home/onyxia"}],
        "readinessProbe": {"tcpSocket": {"port": _PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "serviceAccountName": service.name,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    pod = {"metadata": {"name": f"{service.name}-0", "labels": labels}, "spec": spec}
    yield "/api/v1/namespaces/{}/pods", pod


def _together(service: Service, commands: Sequence[str]) -> Mapping[str, Said]:
    """What each command said, a few at a time."""
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(commands, pool.map(service.run, commands), strict=True))


# -- one role after the other ----------------------------------------------------------------------


@pytest.mark.cluster
def test_a_service_with_the_role_view_is_told_what_it_cannot_do(
    service: Callable[..., Service], new_person: Callable[..., Person]
) -> None:
    namespace = new_person("v").namespace
    view = service(namespace, "view", "000001")
    expected = {
        "cahier": 0,
        "cahier lister": 0,
        "cahier commencer tp2": 0,
        "cahier diagnostiquer": 1,
        "cahier instantane -o i.json": 0,
        "cahier indice tp2": 3,
        "cahier solution tp2 --appliquer": 3,
        "cahier rattraper tp2": 3,
        "cahier nettoyer tp2": 3,
        "cahier catalogue lancer postgresql": 3,
        "cahier catalogue arreter postgresql-cnpg-000000": 3,
        **{
            f"cahier verifier {lab.short_name} --collegue user-personne --aide": 1
            for lab in all_labs()
        },
    }
    for command, said in _together(view, list(expected)).items():
        assert said.code == expected[command], (command, said.text)
        assert said.says("vscode-python-000001", "(rôle « view »)", *_RELAUNCH), (
            command,
            said.text,
        )
        assert "is forbidden" not in said.text, command
    listed = view.run("cahier catalogue lister")
    assert (listed.code, "Aucun service" in listed.text) == (0, True), listed.text
    verdict = json.loads(view.run("cahier verifier tp2 --json 2>/dev/null || true").text)
    remedies = {
        (check["fix"][:26], tuple(check["fix_commands"]))
        for check in verdict["checks"]
        if check["fix"]
    }
    assert remedies == {("Relancez un service VSCode", ())}, (
        "a remedy that this role refuses is none"
    )


@pytest.mark.cluster
def test_in_a_service_the_local_sspcloud_has_no_place(
    service: Callable[..., Service], new_person: Callable[..., Person]
) -> None:
    namespace = new_person("v").namespace
    view = service(namespace, "view", "000002")
    lines = (f"a,A,A,a@x.fr,{namespace},", "b,B,B,b@x.fr,user-personne,")
    roster = "\\n".join(["identifiant,nom,prenom,email,namespace,collegue", *lines])
    told = _together(
        view,
        [
            f"CAHIER_ETAT=/tmp/etat cahier cluster {one}"
            for one in ("creer", "etat", "kubeconfig bob")
        ],
    )
    for command, said in told.items():
        assert said.code == 3, (command, said.text)
        assert said.says("vous êtes ici dans un pod", "Vous y avez déjà un vrai cluster"), (
            command,
            said.text,
        )
    closed = view.run("cahier cluster creer")
    assert (closed.code, closed.says("/home/onyxia", "export CAHIER_ETAT=/tmp/")) == (3, True), (
        closed.text
    )
    shown = view.run("CAHIER_ETAT=/tmp/etat cahier demo")
    assert shown.says("vous êtes ici dans un pod", "enregistrement"), shown.text
    graded = view.run(f"echo -e '{roster}' > classe.csv; cahier noter classe.csv --labs tp2")
    assert graded.code == 3, graded.text
    assert graded.says(
        "qui vous sont fermés : user-personne", "cahier droits-enseignant", "service VSCode"
    ), graded.text


@pytest.mark.cluster
def test_a_service_with_the_role_edit_does_what_it_can(
    service: Callable[..., Service], new_person: Callable[..., Person]
) -> None:
    namespace = new_person("e").namespace
    edit = service(namespace, "edit", "000003")
    beginning = edit.run("cahier")
    whole = [lab.short_name for lab in all_labs() if lab.about.role == "edit"]
    assert {"tp2", "tp7"} <= {*whole}
    assert {"tp6", "tp8"}.isdisjoint(whole)
    assert beginning.says(
        "(rôle « edit »)", f"se font en entier : {', '.join(whole)}.", *_RELAUNCH
    ), beginning.text
    applied = edit.run(
        "cahier solution tp2 --appliquer && kubectl rollout status deployment/mon-api --timeout=90s"
    )
    assert applied.code == 0, applied.text

    edit.forward("deployment/mon-api", f"{_PORT}:8000")  # on ::1 alone: VSCode holds the port
    assert {_PORT: 8000} not in [one.ports for one in LocalMachine().forwards()], (
        "its ports are the pod's"
    )
    nothing = edit.run("cahier verifier tp2")
    assert nothing.code == 1
    assert nothing.says(f"vise le port local {_PORT}, que ce service occupe déjà"), nothing.text
    taken = edit.run(f"cahier verifier tp2 --port {_PORT} --aide")
    assert taken.code == 1
    assert taken.says(
        "sert sa propre page", "N’arrêtez pas ce programme", f"{_PORT + 10000}:8000"
    ), taken.text

    edit.forward("deployment/mon-api", "1500:8000")
    done = edit.run("cahier verifier tp2")
    assert (done.code, done.says("bravo", "suivie de /proxy/1500/")) == (0, True), done.text

    told = _together(
        edit,
        [
            f"cahier verifier tp1 --aide --collegue {namespace}x",
            f"cahier verifier tp6 --collegue {namespace}x",
        ]
        + [f"cahier {verb} tp6 --collegue {namespace}x" for verb in ("indice", "rattraper")]
        + ["cahier commencer tp6", "cahier diagnostiquer", "cahier instantane -o i.json"],
    )
    for command, said in told.items():
        assert said.says("(rôle « edit »)", "créer des RoleBindings", *_RELAUNCH), (
            command,
            said.text,
        )
    assert [said.code for said in told.values()] == [1, 1, 3, 3, 0, 1, 0], told

    cleaned = edit.run("cahier nettoyer")
    assert cleaned.code == 3
    assert cleaned.says(
        "deployment/mon-api supprimé", "ne peut pas supprimer des Roles", *_RELAUNCH
    ), cleaned.text


@pytest.mark.cluster
def test_the_labs_pass_in_services_with_the_role_admin(
    service: Callable[..., Service], new_person: Callable[..., Person]
) -> None:
    """One database, its owner and a colleague, each in a service of theirs; the colleague's second
    one has `edit`."""
    alice, bob = new_person("a"), new_person("b")
    with ThreadPoolExecutor(3) as pool:
        launched = pool.map(
            service,
            (alice.namespace, bob.namespace, bob.namespace),
            ("admin", "admin", "edit"),
            ("000004", "000005", "000006"),
        )
        owner, colleague, narrow = launched
    with ThreadPoolExecutor(2) as pool:
        database = pool.submit(owner.run, "cahier catalogue lancer postgresql --nom base --ouvert")
        begun = owner.run("cahier")
        assert begun.says("de quoi faire tous les TP"), begun.text
        assert owner.run("cahier verifier tp1").code == 0
        applied = owner.run(
            "cahier solution tp2 --appliquer && kubectl rollout status deployment/mon-api"
        )
        assert applied.code == 0, applied.text
        owner.forward("deployment/mon-api", "1500:8000")
        address = "https://user-alice-1-0.user.lab.sspcloud.fr/proxy"
        done = owner.run(f"VSCODE_PROXY_URI='{address}/{{{{port}}}}' cahier verifier tp2")
        assert (done.code, done.says("bravo", f"Dans votre navigateur : {address}/1500/")) == (
            0,
            True,
        ), done.text
        assert database.result().code == 0, database.result().text

    owner.forward("pod/base-1", "5432:5432")
    done = owner.run("cahier verifier tp3")
    assert done.code == 0, done.text

    applied = owner.run(f"cahier solution tp6 --collegue {bob.namespace} --base base --appliquer")
    assert applied.code == 0, applied.text
    done = owner.run(f"cahier verifier tp6 --collegue {bob.namespace}")
    assert (done.code, done.says("13/15 points", "se prouve sur son poste")) == (3, True), done.text
    where = f"$CAHIER_ETAT/cluster/people/{bob.namespace.removeprefix('user-')}.kubeconfig"
    put = f"export CAHIER_ETAT=/tmp/etat; mkdir -p /tmp/etat/cluster/people; cat > {where}; "
    done = owner.run(
        f"{put} cahier verifier tp6 --collegue {bob.namespace}", _from_inside(owner, bob)
    )
    assert done.code == 0, done.text

    applied = colleague.run(
        f"cahier solution tp5 --collegue {alice.namespace} --base base --appliquer"
    )
    assert applied.code == 0, applied.text
    assert colleague.run("kubectl wait --for=condition=Ready pod/pg-proxy --timeout=90s").code == 0
    for one in (colleague, narrow):
        one.forward("pod/pg-proxy", "5432:5432")
        done = one.run(f"cahier verifier tp5 --collegue {alice.namespace}")
        assert (done.code, "bravo" in done.text) == (0, True), done.text


def _from_inside(service: Service, person: Person) -> str:
    """A person's own kubeconfig, with the address by which a pod reaches the API server."""
    config = yaml.safe_load(person.kubeconfig.read_text())
    server = service.run("echo https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT").text
    config["clusters"][0]["cluster"]["server"] = server
    return yaml.safe_dump(config)


# -- prepared by the init script -------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the project's wheel and of those that it asks for: the pods of the local cluster
    reach no registry."""
    folder = tmp_path_factory.mktemp("roues")
    wheel = built(folder)
    machine = platform.machine()
    libraries = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(17, 29)]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder)),
            *("--only-binary=:all:", "--python-version=3.11", *libraries, str(wheel)),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_a_service_prepared_by_the_init_script_gives_its_first_verdict_within_90_seconds(
    service: Callable[..., Service], new_person: Callable[..., Person], wheels: Path
) -> None:
    """From the start of the pod, and nothing typed but the lab's own command. The image lacks what
    the platform's has: uv is carried there, and the script comes as curl gives it."""
    namespace = new_person("s").namespace
    (wheel,) = wheels.glob("cahier_kubernetes-*.whl")
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(wheels, "roues")
            archive.add(Path(sys.executable).parent / "uv", "programmes/uv")
        carried = base64.b64encode(packed.getvalue()).decode()
    began = time.monotonic()
    prepared = service(namespace, "admin", "000007")
    assert prepared.run("base64 -d | tar --extract", carried).code == 0
    home = (
        "export HOME=/tmp/onyxia WORKSPACE_DIR=/tmp/onyxia/work PATH=/tmp/programmes:$PATH "
        "UV_OFFLINE=true UV_FIND_LINKS=/tmp/roues; unset PYTHONPATH;"
    )
    said = prepared.run(
        f"{home} bash -s -- tp2 /tmp/roues/{wheel.name}",
        (CHECKOUT / "onyxia" / "init.sh").read_text(encoding="utf-8"),
    )
    assert (said.code, "✘" in said.text) == (0, False), said.text
    verdict = prepared.run(f"{home} cd /tmp/onyxia/work/tp2_*; bash -ic 'cahier verifier tp2'")
    spent = time.monotonic() - began
    assert verdict.code == 1, verdict.text
    assert verdict.says("TP2", f"dans {namespace}", "cahier verifier tp2 --aide"), verdict.text
    assert verdict.text.count("✔") + verdict.text.count("✘") >= 1
    assert "/tmp/onyxia" in prepared.run(f"{home} bash -ic 'command -v cahier'").text
    assert spent < 90, spent


# -- without a cluster -----------------------------------------------------------------------------


def test_the_token_of_the_pod_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster renews it on the disk; `verifier --suivre` may last longer than the first one."""
    now = 1000.0
    monkeypatch.setattr(client_settings, "time", SimpleNamespace(monotonic=lambda: now))
    answers = Answers(user="system:serviceaccount:user-alice:vscode-python-1")
    with pretend(tmp_path, answers) as server:
        for name, content in (
            ("token", "premier"),
            ("namespace", "user-alice"),
            ("ca.crt", server.authority.decode()),
        ):
            (tmp_path / name).write_text(content)
        monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("KUBECONFIG", raising=False)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        api = Api()
        api.who_am_i()
        (tmp_path / "token").write_text("second")
        now += 120
        api.who_am_i()
    assert [one.split()[-1] for one in answers.authorizations] == ["premier", "second"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'pods "mon-api" is forbidden: User "oidc-alice" cannot create resource '
            '"pods/portforward" in API group "" '
            'in the namespace "user-bob"',
            "« oidc-alice » ne peut pas ouvrir un tunnel vers un pod dans « user-bob »",
        ),
        (
            'namespaces is forbidden: User "system:serviceaccount:user-alice:vscode-python-1" '
            "cannot list resource "
            '"namespaces" in API group "" at the cluster scope',
            "le ServiceAccount « vscode-python-1 » ne peut pas lister des namespaces dans tout le "
            "cluster",
        ),
        (
            'Error from server (Forbidden): User "a" cannot patch resource "widgets" in API group '
            '"x.fr" in the '
            'namespace "n"',
            "« a » ne peut pas faire « patch widgets » dans « n »",
        ),
    ],
)
def test_a_refusal_is_said_in_french(said: str, told: str) -> None:
    refusal = refusals.read(said)
    assert refusal is not None
    assert refusal.said == told


@pytest.mark.parametrize(
    "said", ['pods "x" not found', "exceeded quota: onyxia-quota, requested: pods=1"]
)
def test_what_is_no_lack_of_rights_is_none(said: str) -> None:
    assert refusals.read(said) is None
