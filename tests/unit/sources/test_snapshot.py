"""A namespace recorded in one file gives the same verdicts again, without the cluster and without
any Secret."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from checks.access.kubernetes_api import PATHS, Api
from checks.cli.application import app
from checks.errors import Unverifiable, UsageError
from checks.facts import LAST_APPLIED
from checks.lab import find_lab
from checks.local_sspcloud import people
from checks.sources.recorder import KINDS, clean
from checks.sources.snapshot import Local, Snapshot, SnapshotCluster, read, view, write
from checks.stage import Person, Stage

# -- without a cluster -----------------------------------------------------------------------------


def test_every_kind_is_recorded() -> None:
    assert set(KINDS) == set(PATHS)


def test_what_an_object_must_not_leave_in_the_file() -> None:
    annotations = {
        "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"password":"c2VjcmV0"}}',
        "a": "b",
    }
    metadata = {
        "name": "base",
        "labels": {"x": "y"},
        "annotations": annotations,
        "managedFields": [{}],
    }
    assert clean("Secret", {"metadata": metadata, "data": {"password": "c2VjcmV0"}}) == {
        "metadata": {"name": "base", "labels": {"x": "y"}}
    }
    env = [{"name": "PGPASSWORD", "value": "secret"}, {"name": "PORT", "value": "8000"}]
    box = {"name": "a", "image": "b", "env": env}
    for kind, item in (
        ("Pod", {"metadata": metadata, "spec": {"containers": [box]}}),
        (
            "Deployment",
            {"metadata": metadata, "spec": {"template": {"spec": {"initContainers": [box]}}}},
        ),
    ):
        text = json.dumps(clean(kind, item))
        assert "c2VjcmV0" not in text
        assert '"value": "secret"' not in text
        assert '"8000"' in text
        assert "managedFields" not in text
        assert "secret" in json.dumps(item), "the object itself is left as it was"


def test_what_apply_keeps_of_an_object_is_as_clean_as_the_object() -> None:
    env = [{"name": "PGPASSWORD", "value": "secret"}, {"name": "PORT", "value": "8000"}]
    asked = {
        "metadata": {"name": "a", "annotations": {}},
        "spec": {"containers": [{"name": "a", "env": env}]},
    }
    item = {**asked, "metadata": {"name": "a", "annotations": {LAST_APPLIED: json.dumps(asked)}}}
    assert LAST_APPLIED not in json.dumps(clean("Pod", item))
    kept = clean("Pod", item, applied=True)
    (applied,) = kept["metadata"]["annotations"].values()
    assert json.loads(applied)["spec"] == kept["spec"]
    assert "secret" not in json.dumps(kept)


def test_what_only_the_local_cluster_tells_is_in_no_snapshot_of_a_learner() -> None:
    taken = Snapshot(taken=datetime(2026, 11, 25, tzinfo=UTC), namespace="user-alice")
    assert "local" not in msgspec.to_builtins(taken)
    seen = SnapshotCluster(taken)
    assert (seen.as_owner("user-bob"), list(seen.outsiders())) == (None, [])
    for ask in (lambda: seen.groups, seen.own_rules):
        with pytest.raises(Unverifiable):
            ask()
    bob = Snapshot(taken=taken.taken, namespace="user-alice", user="oidc-bob")
    local = Local(
        groups=["a"],
        own_rules=[],
        views={view("user-bob", "user-alice"): bob},
        outsiders=["user-chloe"],
    )
    seen = SnapshotCluster(msgspec.structs.replace(taken, local=local))
    theirs = seen.as_owner("user-bob", "user-alice")
    assert theirs is not None
    assert theirs.user == "oidc-bob"
    assert seen.as_owner("user-bob") is None
    assert (seen.groups, seen.own_rules(), seen.outsiders()) == (["a"], [], ["user-chloe"])


def test_the_file_is_read_again_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    taken = Snapshot(taken=datetime(2026, 11, 25, tzinfo=UTC), namespace="user-alice")
    for name in ("a.json", "a.json.gz"):
        write(taken, tmp_path / name)
        assert read(tmp_path / name) == taken
    (tmp_path / "faux.json").write_text("{}", encoding="utf-8")
    (tmp_path / "faux.json.gz").write_text("{}", encoding="utf-8")
    for name in ("faux.json", "faux.json.gz", "absent.json"):
        with pytest.raises(UsageError):
            read(tmp_path / name)


def test_an_empty_snapshot_decides_nothing(tmp_path: Path) -> None:
    write(
        Snapshot(taken=datetime(2026, 11, 25, tzinfo=UTC), namespace="user-alice"),
        tmp_path / "vide.json",
    )
    done = CliRunner().invoke(
        app, ["verifier", "tp2", "--depuis", str(tmp_path / "vide.json"), "--json"]
    )
    assert done.exit_code == 3, done.output
    assert {check["status"] for check in json.loads(done.stdout)["checks"]} == {
        "unverified",
        "skipped",
    }


# -- on the cluster --------------------------------------------------------------------------------

SAMPLES = [
    ("tp2", "solution"),
    ("tp2", "mauvaise_etiquette"),
    ("tp2", "image_inconnue"),
    ("tp6", "solution"),
]


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, new_person: Callable[..., Person], free_port: int
) -> Iterator[Stage]:
    name, state = request.param
    lab = find_lab(name)
    colleague = new_person("s") if lab.about.colleague == "required" else None
    made = Stage(lab, new_person("s"), colleague, local_port=free_port)
    try:
        if colleague:
            made.run(lab.about.setup.colleague_commands, colleague)
        made.run(lab.about.setup.commands)
        if state == "solution":
            made.apply(lab.files("solution"))
            made.run(lab.about.solution.commands)
        else:
            case = lab.cases("erreurs")[state]
            made.apply(lab.case_files("erreurs", state))
            made.run(lab.about.solution.commands if case.commands is None else case.commands)
            made.run(case.then)
        yield made
    finally:
        made.close()


def _cahier(
    stage: Stage, *words: str, kubeconfig: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {
        **stage.learner.environment,
        **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
    }
    pair = (
        ["--collegue", stage.colleague.namespace] if stage.colleague and words[0] != "noter" else []
    )
    return subprocess.run(
        ["cahier", *words, *pair],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def _checks(done: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    assert done.stdout, done.stderr
    return {check["id"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.mark.cluster
@pytest.mark.parametrize("stage", SAMPLES, ids="-".join, indirect=True)
def test_the_same_verdict_and_no_secret(
    stage: Stage, admin: Api, admin_kubeconfig: Path, tmp_path: Path
) -> None:
    lab, namespace = stage.lab.short_name, stage.learner.namespace
    live = _checks(
        _cahier(stage, "verifier", lab, "--json", "--port", str(stage.local_port), "--delai", "5s")
    )
    file = tmp_path / f"{namespace}.json.gz"
    done = _cahier(stage, "instantane", "-o", str(file))
    assert done.returncode == 0, done.stderr
    nowhere = tmp_path / "aucun-kubeconfig"
    again = _checks(
        _cahier(stage, "verifier", lab, "--json", "--depuis", str(file), kubeconfig=nowhere)
    )
    assert list(again) == list(live)
    undecided: set[str] = set()
    for check in stage.lab.checks:
        now, then = live[check.id], again[check.id]
        open_before = undecided.intersection(before.id for before in check.after)
        if then["status"] == "unverified" or (then["status"] == "skipped" and open_before):
            undecided.add(check.id)
        else:
            title = stage.lab.with_port(then["title"], stage.local_port or 0)
            assert {**then, "title": title, "duration_ms": 0} == {**now, "duration_ms": 0}
    assert {then["status"] for then in again.values()} & {"passed", "failed"}

    text = gzip.decompress(file.read_bytes()).decode()
    searched = 0
    for secret in admin.request("GET", f"/api/v1/namespaces/{namespace}/secrets")["items"]:
        for key, value in (secret.get("data") or {}).items():
            # the others name a host, a user, a database
            if "pass" in key or "uri" in key or key == "release":
                searched += 1
                assert value not in text, secret["metadata"]["name"]
                assert base64.b64decode(value).decode("utf-8", "replace") not in text, secret[
                    "metadata"
                ]["name"]
    assert searched or lab != "tp6", "the database has a password"

    # The teacher's marks: from the cluster, then from the snapshots of a whole class, which the
    # teacher takes.
    teacher = people.create_teacher(admin, admin_kubeconfig)
    colleague = stage.colleague.namespace if stage.colleague else ""
    roster = tmp_path / "classe.csv"
    roster.write_text(
        "identifiant,nom,prenom,email,namespace,collegue\n"
        f"un,Un,Une,un@exemple.fr,{namespace},{colleague}\ndeux,Deux,D,deux@exemple.fr,user-absent,\n",
        encoding="utf-8",
    )
    taken = tmp_path / "instantanes"
    done = _cahier(
        stage,
        "instantane",
        "-n",
        namespace,
        "-o",
        str(taken / f"{namespace}.json"),
        kubeconfig=teacher,
    )
    assert done.returncode == 0, done.stderr
    marks = []
    for folder, source in (("direct", ()), ("depuis", ("--depuis", str(taken)))):
        access = nowhere if source else teacher
        out = str(tmp_path / folder)
        done = _cahier(
            stage, "noter", str(roster), "--labs", lab, "--sortie", out, *source, kubeconfig=access
        )
        assert done.returncode == 3, done
        assert "user-absent" in done.stderr
        grades = json.loads((tmp_path / folder / "notes.json").read_text(encoding="utf-8"))
        marks.append(grades["learners"][0]["labs"][0])
    assert [check["status"] for check in marks[0]["checks"]] == [
        check["status"] for check in marks[1]["checks"]
    ]
    assert marks[0]["points"] == marks[1]["points"]
