"""`cahier chemin` as it is typed: what is said, the exit code, what is left."""

from __future__ import annotations

import contextlib
import copy
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest

from checks.access.kubernetes_api import collection
from checks.path.outcome import json_schema
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person
from tests.conftest import unused_port
from tests.support.typed import Run, typed
from tests.support.waiting import until

pytestmark = pytest.mark.cluster

SERVER: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "api-1", "labels": {"app": "api"}},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "api",
                "image": "alpine/socat:1.7.4.4",
                "args": ["TCP-LISTEN:8000,fork,reuseaddr", "PIPE"],
                "ports": [{"containerPort": 8000, "name": "web"}],
            }
        ],
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "api"},
    "spec": {
        "selector": {"app": "api"},
        "ports": [{"name": "http", "port": 80, "targetPort": "web"}],
    },
}


class Home:
    """Somebody with a server and a Service in front of it."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.cluster = LiveCluster(LocalMachine(), kubeconfig_path=str(person.kubeconfig))

    def make(self, item: dict[str, Any]) -> None:
        self.cluster.api.request("POST", collection(item["kind"], self.cluster.namespace), item)

    def states(self) -> dict[str, bool]:
        """Whether each pod is ready."""
        self.cluster.refresh()
        return {one.name: one.ready for one in self.cluster.pods()}

    def ready(self) -> bool:
        return [*self.states().values()] == [True]

    def type(self, *words: str) -> Run:
        return typed(["chemin", *words], self.person.kubeconfig)

    def walked(self, *words: str) -> dict[str, Any]:
        run = self.type(*words, "--json")
        found: dict[str, Any] = json.loads(run.said)
        jsonschema.validate(found, json_schema())
        return {**found, "code": run.code, "ids": [one["id"] for one in found["hops"]]}


@pytest.fixture(scope="module")
def home(new_resident: Callable[..., Person]) -> Home:
    found = Home(new_resident("h"))
    found.make(SERVER)
    found.make(SERVICE)
    until(found.ready)
    return found


@pytest.fixture
def tunnel(home: Home) -> Iterator[int]:
    port = unused_port()
    with forwarded(home, port, "svc/api", f"{port}:80"):
        yield port


@contextlib.contextmanager
def forwarded(home: Home, port: int, *words: str) -> Iterator[None]:
    """While one more kubectl holds the port."""
    before = len(home.cluster.machine.listeners(port))
    command = ["kubectl", "port-forward", *words]
    with subprocess.Popen(
        command, env={**home.person.environment}, stdout=subprocess.DEVNULL
    ) as running:
        try:
            until(lambda: len(home.cluster.machine.listeners(port)) > before)
            yield
        finally:
            running.kill()


def test_a_path_that_goes_is_shown_hop_by_hop(home: Home) -> None:
    found = home.walked("svc/api")
    assert (found["status"], found["code"]) == ("passed", 0)
    assert found["ids"] == ["name", "service", "program"]
    assert {one["proof"] for one in found["hops"]} == {"tried"}
    said = home.type("svc/api").said
    assert "Le chemin mène au bout." in said
    assert "api-1:8000" in said


def test_the_first_broken_hop_has_its_lesson_and_the_remedy_comes_with_help(home: Home) -> None:
    run = home.type("svc/api:81")
    assert run.code == 1
    assert "Le Service api n’a pas de port 81 ; il a 80." in run.said.replace("\n", " ")
    assert "Remède" not in run.said
    assert "cahier chemin svc/api:81 --aide" in run.said
    assert "Remède" in home.type("svc/api:81", "--aide").said


def test_a_tunnel_is_followed_to_its_pod(home: Home, tunnel: int) -> None:
    found = home.walked(f"localhost:{tunnel}")
    assert (found["ids"], found["code"]) == (["local_port", "tunnel", "program"], 0)
    wanted = home.walked(f"localhost:{tunnel}", "svc/api")
    assert wanted["code"] == 0
    elsewhere = home.walked(f"localhost:{tunnel}", "svc/kubernetes.default:443")
    assert elsewhere["code"] in (1, 3)


@pytest.mark.parametrize(("aimed", "name"), [("svc/api", "http"), ("pod/api-1", "web")])
def test_a_port_may_be_called_by_its_name(home: Home, aimed: str, name: str) -> None:
    port = unused_port()
    with forwarded(home, port, aimed, f"{port}:{name}"):
        found = home.walked(f"localhost:{port}")
    assert (found["ids"], found["code"]) == (["local_port", "tunnel", "program"], 0)


def test_of_two_tunnels_on_one_port_the_one_that_clients_meet_is_followed(home: Home) -> None:
    """kubectl takes what is left of « localhost »; most clients ask for 127.0.0.1 first."""
    port = unused_port()
    with (
        forwarded(home, port, "svc/api", f"{port}:80", "--address", "127.0.0.1"),
        forwarded(home, port, "pod/api-1", f"{port}:9999", "--address", "::1"),
    ):
        found = home.walked(f"localhost:{port}")
    assert (found["ids"], found["code"]) == (["local_port", "tunnel", "program"], 0)
    assert "service/api" in found["hops"][1]["place"]
    assert "sur ::1, vers pod/api-1" in found["hops"][0]["found"]


APART = 4.0  # seconds: what is of an age is not told apart, for the API server dates to the second


def test_a_tunnel_that_is_older_than_its_pod_is_told_before_what_does_not_listen_there(
    home: Home,
) -> None:
    """Both are broken; kubectl says the same of either, as it stops."""
    port, name = unused_port(), "remplace"
    place = f"{collection('Pod', home.cluster.namespace)}/{name}"
    first = {**copy.deepcopy(SERVER), "metadata": {"name": name}}
    second = copy.deepcopy(first)
    second["spec"]["containers"][0]["args"] = ["EXEC:sleep 600", "PIPE"]
    home.make(first)
    try:
        until(lambda: home.states().get(name, False))
        with forwarded(home, port, f"pod/{name}", f"{port}:8000"):
            home.cluster.api.remove(place, {"gracePeriodSeconds": 0})
            until(lambda: name not in home.states())
            time.sleep(APART)
            home.make(second)
            until(lambda: home.states().get(name, False))
            dead = home.walked(f"localhost:{port}")
        time.sleep(APART)
        with forwarded(home, port, f"pod/{name}", f"{port}:8000"):
            alive = home.walked(f"localhost:{port}")
    finally:
        home.cluster.api.remove(place, {"gracePeriodSeconds": 0})
        until(lambda: name not in home.states())
    assert (dead["ids"], dead["code"]) == (["local_port", "tunnel"], 1), dead
    assert "rien n’écoute sur le port 8000" in dead["hops"][-1]["finding"]
    assert (alive["ids"], alive["code"]) == (["local_port", "tunnel", "program"], 1), alive
    assert alive["hops"][1]["status"] == "passed", alive


@pytest.mark.parametrize(
    ("listens", "said"),
    [
        ("bind=[::1]", "qu’à l’adresse ::1 : son pod seul le joint"),
        ("ipv6only=1", "en IPv4, qu’il ne prend pas"),
    ],
)
def test_a_program_that_takes_no_ipv4_is_told_where_its_clients_come_in_ipv4(
    home: Home, listens: str, said: str
) -> None:
    """A tunnel enters it all the same, by ::1."""
    made = {**copy.deepcopy(SERVER), "metadata": {"name": "six"}}
    made["spec"]["containers"][0]["args"][0] = f"TCP6-LISTEN:8000,fork,reuseaddr,{listens}"
    home.make(made)
    try:
        until(lambda: home.states().get("six", False))
        found = home.walked("pod/six")
        assert home.walked("localhost", "pod/six")["code"] == 0
    finally:
        place = f"{collection('Pod', home.cluster.namespace)}/six"
        home.cluster.api.remove(place, {"gracePeriodSeconds": 0})
        until(lambda: "six" not in home.states())
    assert (found["ids"], found["code"]) == (["program"], 1), found
    assert said in found["hops"][0]["finding"]


def test_a_tunnel_on_one_address_leads_its_clients_of_that_address(home: Home) -> None:
    port = unused_port()
    with forwarded(home, port, "svc/api", f"{port}:80", "--address", "127.0.0.1"):
        assert home.walked(f"127.0.0.1:{port}")["code"] == 0
        missed = home.walked(f"[::1]:{port}")
    assert (missed["ids"], missed["code"]) == (["local_port"], 1)
    port = unused_port()
    with forwarded(home, port, "svc/api", f"{port}:80", "--address", "::1"):
        assert home.walked(f"[::1]:{port}")["code"] == 0
        assert home.walked(f"127.0.0.1:{port}")["code"] == 1
        by_name = home.walked(f"localhost:{port}")
    resolves = "::1" in home.cluster.machine.localhost()
    assert by_name["code"] == (0 if resolves else 1), by_name


def test_what_listens_on_this_machine_alone_is_no_tunnel(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
        found = home.walked(f"localhost:{port}")
        assert (found["status"], found["code"]) == ("passed", 0)
        assert "n’est pas un tunnel" in found["hops"][0]["found"]
        wanted = home.walked(f"localhost:{port}", "pod/api-1")
        assert (wanted["ids"], wanted["code"]) == (["local_port"], 1)


def test_from_this_machine_one_goes_by_a_tunnel(home: Home) -> None:
    found = home.walked("localhost", "svc/api")
    assert (found["ids"], found["code"]) == (["tunnel", "program"], 0)


def test_the_path_by_rights_is_repaired_by_what_is_printed(home: Home) -> None:
    """Right after right, each remedy gives one, and nothing else."""
    ids = []
    for _ in range(6):
        found = home.walked("utilisateur/oidc-essai", "svc/api")
        ids.append(len(found["ids"]))
        if found["code"] == 0:
            break
        assert found["hops"][-1]["id"] == "right"
        for command in found["hops"][-1]["fix_commands"]:
            subprocess.run(["bash", "-c", command], env={**home.person.environment}, check=True)
    assert ids == [1, 2, 3, 4, 4]


def test_nothing_is_placed_where_nothing_is_to_be_tried(home: Home) -> None:
    found = home.walked("svc/api", "--sans-essai")
    assert (found["status"], found["code"]) == ("unverified", 3)
    assert home.walked("svc/api:81", "--sans-essai")["code"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["api"], "Plusieurs objets"),
        (["svc/rien"], "ne dit pas son port"),
        (["svc/api:rien"], "n’a pas de port"),
        (["pod/api-1", "secret/x"], "pod, un Service"),
        (["pod/rien", "svc/api"], "Aucun pod pour"),
    ],
)
def test_bad_input_has_one_clear_answer(home: Home, words: list[str], said: str) -> None:
    home.cluster.api.request(
        "POST",
        f"/apis/apps/v1/namespaces/{home.cluster.namespace}/deployments",
        {
            "metadata": {"name": "api"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "x"}},
                "template": {
                    "metadata": {"labels": {"app": "x"}},
                    "spec": {"containers": [{"name": "x", "image": "x"}]},
                },
            },
        },
    )
    try:
        run = home.type(*words)
    finally:
        home.cluster.api.remove(
            f"/apis/apps/v1/namespaces/{home.cluster.namespace}/deployments/api"
        )
    assert run.code == 2
    assert said in run.complained.replace("\n", " ")


def test_a_namespace_that_one_may_not_see_is_not_decided(
    home: Home, new_person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Service of somebody else's, closed by a policy: only they can see why, but where their
    access is at hand, as on the local cluster."""
    theirs = Home(new_person("z"))
    theirs.make(SERVER)
    theirs.make(SERVICE)
    theirs.make(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "fermee"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        }
    )
    until(theirs.ready)
    target = f"api.{theirs.cluster.namespace}:80"
    at_hand = home.walked(target)
    assert (at_hand["hops"][-1]["id"], at_hand["code"]) == ("ingress", 1)
    monkeypatch.setattr(LiveCluster, "as_owner", lambda *_, **__: None)
    found = home.walked(target)
    assert (found["status"], found["code"]) == ("unverified", 3)
    assert "cahier chemin svc/api:80" in found["hops"][-1]["fix"]
    seen = theirs.walked("svc/api:80")
    assert (seen["hops"][-1]["id"], seen["code"]) == ("ingress", 1)
    assert "fermee" in seen["hops"][-1]["finding"]


def test_a_path_is_followed_until_it_goes(home: Home) -> None:
    """What is told again is what has changed."""
    words = ["cahier", "chemin", "svc/plus-tard:80", "--suivre"]
    with subprocess.Popen(
        words, env={**home.person.environment}, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        said = ""
        while "Le remède" not in said:
            said += running.stdout.readline()
        home.make({**SERVICE, "metadata": {"name": "plus-tard"}})
        said += running.communicate(timeout=60)[0]
    assert running.returncode == 0
    assert said.count("Aucun Service « plus-tard »") == 1
    assert "Le chemin mène au bout." in said


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("kubernetes.default:443", 0, "HTTP dans TLS"),
        ("https://kubernetes.default", 0, "HTTP dans TLS"),
        ("http://kubernetes.default:443", 1, "https://kubernetes.default:443"),
        ("https://kube-dns.kube-system:9153", 1, "http://kube-dns.kube-system:9153"),
    ],
)
def test_what_answers_is_told_and_is_a_fault_only_where_something_else_was_wanted(
    home: Home, word: str, code: int, said: str
) -> None:
    """Two servers that every cluster has: the API server in TLS, the DNS's numbers in clear."""
    found = home.walked(word)
    assert (found["hops"][-1]["id"], found["code"]) == ("protocol", code), found
    assert said in found["hops"][-1]["found"] + found["hops"][-1]["fix"]


POSTGRES = """\
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=base \
  -keyout "$PGDATA/server.key" -out "$PGDATA/server.crt"
chmod 600 "$PGDATA/server.key"
echo "ssl = on" >> "$PGDATA/postgresql.conf"
sed -i "s/^host /hostssl /" "$PGDATA/pg_hba.conf"
"""


def test_a_base_that_demands_tls_is_told_and_refuses_who_wants_none(home: Home) -> None:
    """Through a tunnel, and through a Service; it is the server's own rules that decide."""
    script = {"name": "tls", "mountPath": "/docker-entrypoint-initdb.d"}
    box = {
        "name": "base",
        "image": "postgres:15-bookworm",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "POSTGRES_PASSWORD", "value": "essai"}],
        "ports": [{"containerPort": 5432}],
        "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},
        "volumeMounts": [script],
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "containers": [box],
        "volumes": [{"name": "tls", "configMap": {"name": "tls"}}],
    }
    metadata = {"name": "base-1", "labels": {"app": "base"}}
    home.make({"kind": "ConfigMap", "metadata": {"name": "tls"}, "data": {"tls.sh": POSTGRES}})
    home.make({"kind": "Pod", "metadata": metadata, "spec": spec})
    ports = [{"port": 5432}]
    service = {"selector": {"app": "base"}, "ports": ports}
    home.make({"kind": "Service", "metadata": {"name": "base"}, "spec": service})
    try:
        until(lambda: home.states().get("base-1", False))
        seen = home.walked("svc/base")
        assert (seen["hops"][-1]["id"], seen["code"]) == ("protocol", 0), seen
        assert "qui exige TLS" in seen["hops"][-1]["found"]
        refused = home.walked("postgresql://base/postgres?sslmode=disable")
        assert (refused["hops"][-1]["id"], refused["code"]) == ("protocol", 1), refused
        right = refused["hops"][-1]["fix"].rpartition(" ")[2]
        assert home.walked(right)["code"] == 0
        port = unused_port()
        with forwarded(home, port, "svc/base", f"{port}:5432"):
            kept = home.walked(f"postgresql://localhost:{port}/?sslmode=require")
            again = home.walked(f"postgresql://localhost:{port}/?sslmode=disable")
        assert (kept["hops"][-1]["id"], kept["code"]) == ("protocol", 0), kept
        assert (again["hops"][-1]["id"], again["code"]) == ("protocol", 1), "the tunnel is left"
    finally:
        for kind, name in (("Pod", "base-1"), ("Service", "base"), ("ConfigMap", "tls")):
            home.cluster.api.remove(f"{collection(kind, home.cluster.namespace)}/{name}")
        until(lambda: "base-1" not in home.states())


def test_nothing_is_left(home: Home) -> None:
    home.type("pod/api-1")
    names = [
        one["metadata"]["name"]
        for one in home.cluster.api.objects("Pod", collection("Pod", home.cluster.namespace))
        if "deletionTimestamp" not in one["metadata"]
    ]
    assert names == ["api-1"]
