"""A namespace whose owner wrote the worst in every place that the API server lets them, on a real
cluster: each command ends as it should, quickly, in little memory, and nothing of it acts on
whoever reads."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from bench.measure import run
from checks.access import kubernetes_api
from checks.access.kubernetes_api import Api, collection
from checks.lab import all_labs, find_lab
from checks.places import people_folder
from checks.stage import Person, Stage
from tests.support.hostile import FORGED, HOSTILE, active, forged
from tests.support.verdicts import said, shown, verify

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

LONG = bool(os.environ.get("CAHIER_HOSTILE"))  # everything, in some ten minutes
QUICK = ("tp2", "tp6")
LABS = [lab.short_name for lab in all_labs() if LONG or lab.short_name in ("tp3", "tp5", *QUICK)]
ODD = [  # names of RBAC objects may hold anything but « / » and « % »
    "--all",
    "$(touch pris)`touch pris`; touch pris #",
    "a\nb\x1b[31m\u202e\x9b2J",
    f"x\n{FORGED}",
    "<img src=x onerror=alert(1)>",
    "[red]rouge [link=http:x]",
    "=cmd|'calc'!A0",
    "محمد",
]
SPOKEN = "".join(text for name, text in HOSTILE.items() if len(text) < 1000 and "half" not in name)
# A program that says the worst to whoever comes, and writes it in its log.
PROGRAM = r"""
import http.server, sys
worst = open("/code/pire.txt", encoding="utf-8").read()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(worst, flush=True)
        said = " ".join(worst[:200].split()).encode("latin-1", "replace").decode("latin-1")
        self.send_response_only(200, said)
        self.end_headers()
        self.wfile.write(worst.encode())
print(worst, flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
# Relays that never speak, never end, or speak nonsense.
BANNERS = {
    "muet": "TCP-LISTEN:5432,fork,reuseaddr EXEC:'sleep 3600'",
    "sans fin": "TCP-LISTEN:5432,fork,reuseaddr EXEC:'cat /dev/zero'",
    "bavard": "TCP-LISTEN:5432,fork,reuseaddr EXEC:'cat /dev/urandom'",
}


def kubectl(person: Person, *words: str, text: str = "") -> str:
    done = subprocess.run(
        ["kubectl", *words],
        env=dict(person.environment),
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def typed(
    person: Person, *words: str, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cahier", *words],
        env=dict(person.environment),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def write_the_worst(person: Person, colleague: Person) -> None:
    """What the person may write with their own rights, in each kind of object that commands
    read."""
    api = Api(str(person.kubeconfig))
    own = person.namespace

    def make(kind: str, **body: Any) -> None:
        api.request("POST", collection(kind, own), body)

    for number, name in enumerate(ODD):
        meta = {"name": name, "annotations": {"note": SPOKEN}}
        make(
            "Role",
            metadata=meta,
            rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        )
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {
            "kind": "User",
            "apiGroup": "rbac.authorization.k8s.io",
            "name": f"{name} {number}",
        }
        make("RoleBinding", metadata=meta, roleRef=reference, subjects=[subject])
        gone = f"absent {name}"
        make("Role", metadata={"name": gone}, rules=[])
        make(
            "RoleBinding",
            metadata={"name": f"{name} perdue"},
            roleRef={**reference, "name": gone},
            subjects=[subject],
        )
        api.remove(f"{collection('Role', own)}/{quote(gone, safe='')}")
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ODD},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
    ]
    make("Role", metadata={"name": "tout"}, rules=rules)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tout"}
    subjects = [
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name} for name in ODD
    ]
    make(
        "RoleBinding", metadata={"name": "$(touch pris) tout"}, roleRef=reference, subjects=subjects
    )
    for number, text in enumerate(HOSTILE.values()):
        text = text[: 2**19].encode("utf-8", "replace").decode()
        make(
            "ConfigMap",
            metadata={"name": f"pire-{number}", "annotations": {"a": text[:1000]}},
            data={"a": text},
        )
        about = {"kind": "Pod", "name": "pg-proxy", "namespace": own}
        for reason in ("Unhealthy", "FailedMount", "Failed"):
            meta = {"name": f"pire-{number}-{reason.lower()}"}
            message = f"Readiness {text[:900]} not found"
            make(
                "Event",
                metadata=meta,
                involvedObject=about,
                reason=reason,
                message=message,
                type="Warning",
            )
    make(
        "ConfigMap",
        metadata={"name": "equipe"},
        data={"membres": f"{colleague.namespace} {SPOKEN[:3000]}"},
    )
    make(
        "Service",
        metadata={"name": "vers-ailleurs"},
        spec={"type": "ExternalName", "externalName": "x.invalid"},
    )


@pytest.fixture
def cast(new_person: Callable[..., Person]) -> Mapping[str, Person]:
    return {"me": new_person("h"), "other": new_person("h")}


def apply(person: Person, *objects: Mapping[str, Any]) -> None:
    kubectl(person, "apply", "-f", "-", text=yaml.safe_dump_all(objects))


def pod(
    name: str, command: list[str], image: str = "alpine/socat:1.7.4.4", **labels: str
) -> Mapping[str, Any]:
    box = {
        "name": "boite",
        "image": image,
        "command": command,
        "env": [{"name": "PIRE", "value": SPOKEN[:2000].replace("\0", "")}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": {"pire": SPOKEN}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [box]},
    }


def fit(what: str, text: str, *, drawn: bool = True) -> None:
    """What was written acts on nobody, and forges nothing."""
    assert active(text, drawn=drawn) == [], what
    assert forged(text) == [], what
    assert len(text) < 200_000, what


def test_every_lab_is_verified_graded_and_exported_in_a_hostile_namespace(
    cast: Mapping[str, Person], tmp_path: Path
) -> None:
    me, other = cast["me"], cast["other"]
    lab = find_lab("tp2")
    api_pod = next(one for one in yaml.safe_load_all(lab.files("solution")["mon-api.yaml"]))
    image = api_pod["spec"]["template"]["spec"]["containers"][0]["image"]
    write_the_worst(me, other)
    Api(str(me.kubeconfig)).request(
        "POST",
        collection("ConfigMap", me.namespace),
        {"metadata": {"name": "code"}, "data": {"code.py": PROGRAM, "pire.txt": SPOKEN}},
    )
    speaking = dict(pod("mon-api", ["python", "/code/code.py"], image, app="mon-api"))
    speaking["spec"]["volumes"] = [{"name": "code", "configMap": {"name": "code"}}]
    speaking["spec"]["containers"][0]["volumeMounts"] = [{"name": "code", "mountPath": "/code"}]
    relay = pod(
        "pg-proxy",
        ["sh", "-c", f"printf %s {shlex.quote(SPOKEN[:6000])} >&2; exit 3"],
        app="pg-proxy",
    )
    apply(me, speaking, relay)
    typed(me, "catalogue", "lancer", "postgresql", "--nom", "postgresql-cnpg-951239")
    for name in LABS:
        words = ["verifier", name, "--delai", "0s"]
        words += ["--collegue", other.namespace] if find_lab(name).about.colleague != "none" else []
        for more in (["--aide"], ["--json"]) if LONG or name in QUICK else (["--json"],):
            done = typed(me, *words, *more)
            assert done.returncode in (0, 1, 3), (name, done.stdout, done.stderr)
            assert "a un problème" not in done.stdout, (name, done.stdout)
            assert "Traceback" not in done.stdout + done.stderr, (name, done.stderr)
            fit(name, done.stdout)
            fit(name, done.stderr)
        verdict = json.loads(done.stdout)
        for check in verdict["checks"]:
            for command in check["fix_commands"]:
                fit(name, command, drawn=False)
                assert shlex.split(command), command
    teacher = Person("", people_folder() / "prof.kubeconfig")
    roster = tmp_path / "classe.csv"
    line = f"un;=1+1;Zoé <b>;un@exemple.fr;{me.namespace};{other.namespace}"
    roster.write_text(
        f"identifiant;nom;prenom;email;namespace;collegue\n{line}\n", encoding="utf-8"
    )
    for words in (
        ["noter", str(roster), "--sortie", str(tmp_path / "notes")],
        ["instantane", "-o", "vu.json"],
    ):
        done = typed(teacher if words[0] == "noter" else me, *words, folder=tmp_path)
        assert done.returncode in (0, 3), (words, done.stdout, done.stderr)
        fit(words[0], done.stdout + done.stderr)
    again = typed(me, "verifier", "tp2", "--depuis", "vu.json", folder=tmp_path)
    assert again.returncode in (1, 3), again.stderr
    fit("--depuis", again.stdout + again.stderr)
    for file in [tmp_path / "vu.json", *(tmp_path / "notes").rglob("*.*")]:
        if file.is_file():
            text = file.read_text(encoding="utf-8-sig")
            assert active(text) == [], file
            assert forged(text) == [], file
    assert not (tmp_path / "pris").exists()


def test_a_remedy_names_the_binding_that_it_means_whatever_its_name(
    cast: Mapping[str, Person], tmp_path: Path
) -> None:
    """Each remedy is run as it is printed: what is meant goes away, nothing else does, and nothing
    else is run."""
    me = cast["me"]
    kubectl(me, "create", "rolebinding", "bonne", "--clusterrole=view", f"--user={me.namespace}")
    api = Api(str(me.kubeconfig))
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    for name in ODD:
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": f"oidc-{name}"}
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        api.request("POST", collection("RoleBinding", me.namespace), body)
    typed(me, "catalogue", "lancer", "postgresql", "--nom", "postgresql-cnpg-951239")
    for _ in range(3):
        verdict = json.loads(typed(me, "verifier", "tp3", "--json", "--delai", "0s").stdout)
        rights = [
            check for check in verdict["checks"] if check["id"].startswith("personne_d_autre")
        ]
        commands = [
            command
            for check in rights
            if check["status"] == "failed"
            for command in check["fix_commands"]
        ]
        if not commands:
            break
        for command in dict.fromkeys(commands):
            done = subprocess.run(
                ["bash", "-c", command],
                env=dict(me.environment),
                cwd=tmp_path,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, (command, done.stderr)
    names = {
        item["metadata"]["name"]
        for item in api.objects("RoleBinding", collection("RoleBinding", me.namespace))
    }
    assert not names & {*ODD}, shown(verdict)
    assert {"bonne", "full_control_namespace"} <= names
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("said_by", BANNERS if LONG else ["sans fin"])
def test_a_relay_that_is_mute_or_never_ends_is_told_in_time(
    said_by: str, cast: Mapping[str, Person], free_port: int
) -> None:
    me, other = cast["me"], cast["other"]
    apply(me, pod("pg-proxy", ["sh", "-c", f"socat {BANNERS[said_by]}"], app="pg-proxy"))
    kubectl(me, "wait", "--for=condition=Ready", "pod/pg-proxy", "--timeout=60s")
    stage = Stage(find_lab("tp5"), me, other, local_port=free_port)
    try:
        stage.run([f"kubectl port-forward pod/pg-proxy {free_port}:5432 &"])
        verdict = verify(
            me, "tp5", "--collegue", other.namespace, "--port", str(free_port), "--delai", "0s"
        )
    finally:
        stage.close()
    assert said(verdict, "error") == {}
    assert "la_base_repond_a_travers_le_proxy" not in said(verdict, "passed")
    assert "un_client_atteint_le_serveur_du_collegue" not in said(verdict, "passed")


# Whoever asks this pod for its connections gets what stands in the place of {}. (This busybox runs
# its own `cat`.)
INSTEAD = """cat > /tmp/sh <<'FIN'
#!/bin/busybox sh
case "$2" in *proc/net/tcp*) ;; *) exec /bin/busybox sh "$@" ;; esac
{}
FIN
chmod +x /tmp/sh; cp /tmp/sh /bin/nouveau; mv /bin/nouveau /bin/sh
"""
# A relay to a base of one's own, whose every program shows a connection to the colleague's base in
# its place.
LIAR = (
    "/bin/busybox cat /proc/net/tcp /proc/net/tcp6 | /bin/busybox sed 's/ OWN:1538 / THEIRS:1538 /'"
)
RELAY = "socat TCP-LISTEN:5432,fork,reuseaddr TCP:TARGET:5432"


def hexadecimal(address: str) -> str:
    return "".join(f"{int(part):02X}" for part in reversed(address.split(".")))


def address(person: Person, service: str) -> str:
    return kubectl(person, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")


def test_a_relay_that_lies_about_its_connections_is_not_believed(
    cast: Mapping[str, Person], free_port: int
) -> None:
    me, other = cast["me"], cast["other"]
    base = "postgresql-cnpg-951239"
    for one in (me, other):
        done = typed(one, "catalogue", "lancer", "postgresql", "--nom", base, "--ouvert")
        assert done.returncode == 0, done.stderr
    lie = LIAR.replace("OWN", hexadecimal(address(me, f"{base}-rw")))
    lie = lie.replace("THEIRS", hexadecimal(address(other, f"{base}-rw")))
    script = INSTEAD.format(lie) + RELAY.replace("TARGET", f"{base}-rw")
    apply(me, pod("pg-proxy", ["sh", "-c", script], app="pg-proxy"))
    kubectl(me, "wait", "--for=condition=Ready", "pod/pg-proxy", "--timeout=60s")
    verdict = verify(me, "tp5", "--collegue", other.namespace, "--port", str(free_port))
    assert "le_proxy_vise_la_base_du_collegue" in said(verdict, "failed"), shown(verdict)


# What a pod’s « cat » shows: some connections more at each look, three from the second look on, or
# no table at all.
ROW = (
    "%4d: 0100007F:1F40 0100007F:%04X 01 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 "
    "10 0\\n"
)
LOOKS = "n=$(($(/bin/busybox cat /tmp/n 2>/dev/null || echo 0) + 1)); echo $n > /tmp/n\n"
SHOWN = {
    "growing": f"{LOOKS}for i in $(/bin/busybox seq 1 $((n * 3))); do printf '{ROW}' $i $((i + "
    "9000)); done",
    "fixed": f"{LOOKS}test $n = 1 || for i in 1 2 3; do printf '{ROW}' $i $((i + 9000)); done",
    "nonsense": "echo '  0: ZZ:1F40 0100007F 01'; echo 'é 1 2 01 x'",
    "endless": "/bin/busybox yes '   0: 0100007F:1F40 0100007F:1F40 01 00000000:00000000'",
}


ANSWER = r"""cat > /tmp/answer <<'FIN'
#!/bin/busybox sh
read line
printf 'HTTP/1.0 200 OK\r\n\r\n{}'
FIN
chmod +x /tmp/answer; socat TCP-LISTEN:8000,fork,reuseaddr EXEC:/tmp/answer
"""


@pytest.mark.parametrize("shown_by", SHOWN if LONG else ["fixed"])
def test_a_pod_that_shows_connections_that_are_not_there_is_not_taken_for_the_one_that_answers(
    shown_by: str, cast: Mapping[str, Person], free_port: int
) -> None:
    me, other = cast["me"], cast["other"]
    Stage(find_lab("tp2"), other).apply(find_lab("tp2").files("solution"))
    kubectl(other, "rollout", "status", "deployment/mon-api", "--timeout=90s")
    lie = INSTEAD.format(SHOWN[shown_by])
    apply(me, pod("mon-api", ["sh", "-c", lie + ANSWER], app="mon-api"))
    kubectl(me, "wait", "--for=condition=Ready", "pod/mon-api", "--timeout=60s")
    stage = Stage(find_lab("tp2"), other, local_port=free_port)
    try:
        # Its command line tells no namespace: what the pod shows is all that there is.
        stage.run([f"kubectl port-forward deployment/mon-api {free_port}:8000 &"])
        verdict = verify(me, "tp2", "--port", str(free_port), "--delai", "0s")
    finally:
        stage.close()
    passed = said(verdict, "passed")
    assert "l_api_repond_dans_son_pod" in passed, shown(verdict)
    assert "le_tunnel_mene_a_votre_api" not in passed, shown(verdict)
    assert said(verdict, "error") == {}, shown(verdict)


# -- many ------------------------------------------------------------------------------------------

CROWD = int(os.environ.get("CAHIER_FOULE", "300"))
MEMORY = 350  # MiB


def test_a_crowd_of_objects_is_read_whole_by_pages_in_little_memory(
    cast: Mapping[str, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    me = cast["me"]
    api = Api(str(me.kubeconfig))

    def make(number: int) -> None:
        meta = {"name": f"foule-{number}", "annotations": {"note": "x" * 200}}
        api.request(
            "POST",
            collection("ConfigMap", me.namespace),
            {"metadata": meta, "data": {"a": "b" * 2000}},
        )
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
        subject = {
            "kind": "User",
            "apiGroup": "rbac.authorization.k8s.io",
            "name": f"personne-{number}",
        }
        body = {
            "metadata": {"name": f"foule-{number}"},
            "roleRef": reference,
            "subjects": [subject],
        }
        api.request("POST", collection("RoleBinding", me.namespace), body)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(CROWD // 2)))
    asked: list[str] = []
    send = Api._send

    def counted(self: Api, *rest: Any) -> bytes:
        asked.append(str(rest[3]))
        return send(self, *rest)

    monkeypatch.setattr(Api, "_send", counted)
    monkeypatch.setattr(kubernetes_api, "_PAGE", 40)
    listed = api.objects("ConfigMap", collection("ConfigMap", me.namespace))
    names = {item["metadata"]["name"] for item in listed}
    assert {f"foule-{number}" for number in range(CROWD // 2)} <= names
    assert len(asked) > CROWD // 2 // 40
    assert all("'limit': '40'" in one for one in asked)
    for lab in ("tp1", "tp2", "tp3"):
        done = run(["cahier", "verifier", lab, "--json", "--delai", "0s"], me.environment)
        assert '"status": "error"' not in done.output
        print(f"{lab}, {CROWD} objects: {done.cost.memory:.0f} MiB")
        assert done.cost.memory < MEMORY


def test_large_objects_are_asked_a_few_at_a_time_and_not_all_of_them_are_held(
    cast: Mapping[str, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    from checks.access import answers
    from checks.errors import Unverifiable

    me = cast["me"]
    api = Api(str(me.kubeconfig))
    for number in range(6):
        body = {"metadata": {"name": f"lourd-{number}"}, "data": {"a": "x" * 900_000}}
        api.request("POST", collection("ConfigMap", me.namespace), body)
    path = collection("ConfigMap", me.namespace)
    monkeypatch.setattr(answers, "_MOST", 2_500_000)
    assert {f"lourd-{number}" for number in range(6)} <= {
        one["metadata"]["name"] for one in api.objects("", path)
    }
    monkeypatch.setattr(answers, "HELD", 4_000_000)
    with pytest.raises(Unverifiable, match="plus que le vérificateur n’en lit"):
        api.objects("", path)
