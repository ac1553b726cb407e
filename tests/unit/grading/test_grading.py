"""Grading without a cluster: concurrency, troubles, interruptions; the same grades whatever
happened on the way."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from checks.access.kubernetes_api import Api
from checks.cli.application import app
from checks.cli.grading import with_progress
from checks.errors import AccessError, CahierError, UsageError
from checks.grading import snapshots, view
from checks.grading.grade import Seen, Verify, grade_class
from checks.grading.results import json_schema
from checks.grading.roster import Learner
from checks.lab import Lab, find_lab
from checks.sources.snapshot import Snapshot, encoded, read
from checks.verdict import Status
from tests.support.graded_class import CLASS, LABS, RECEIPT, files, learner, mixed, run, verdict
from tests.support.pretend_api import Answers, listed, pretend
from tests.support.workbooks import excel

SCHEMA = Path(__file__).parents[3] / "docs" / "notes.schema.json"

# -- grades ----------------------------------------------------------------------------------------


def test_what_each_state_is_worth(tmp_path: Path) -> None:
    grades = run(tmp_path)
    by_number = [each.labs[0] for each in grades.learners]
    assert [(grade.state, grade.points, grade.points_open) for grade in by_number[:6]] == [
        ("graded", "10", "0"),
        ("graded", "2", "0"),  # what follows from a failure is wrong, not open
        ("review", "5", "5"),  # what follows from something undecided is open, not wrong
        ("absent", "0", "10"),
        ("review", "0", "10"),
        ("review", "0", "10"),
    ]
    assert by_number[4].reason == "Le vérificateur a un problème : ZeroDivisionError: oups"
    assert [each.state for each in grades.learners[:6]] == [
        "graded",
        "graded",
        "review",
        "absent",
        "review",
        "review",
    ]


def test_weights_are_exact() -> None:
    from checks.grading.results import exact

    assert sum(exact(points) for points in (0.1, 0.2, 0.7)) == 1


def test_a_failed_and_an_undecided_prerequisite_make_a_zero(tmp_path: Path) -> None:
    def verify(who: Learner, lab: Lab) -> Seen:
        failed, unverified = ["l_api_repond_dans_son_pod"], ["un_tunnel_ecoute_sur_votre_poste"]
        return Seen(verdict(lab, who, failed=failed, unverified=unverified))

    grade = run(tmp_path, verify, CLASS[:1]).learners[0].labs[0]
    assert (grade.state, grade.points, grade.points_open) == ("review", "3", "1")


def test_notes_json_follows_its_published_schema(tmp_path: Path) -> None:
    run(tmp_path)
    jsonschema.validate(json.loads((tmp_path / "notes.json").read_text()), json_schema())
    assert SCHEMA.read_text() == json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def test_one_learner_s_trouble_stops_nobody(tmp_path: Path) -> None:
    def verify(who: Learner, lab: Lab) -> Seen:
        if who.identifier == "e0":
            raise MemoryError
        return Seen(verdict(lab, who))

    grades = run(tmp_path, verify)
    assert [each.state for each in grades.learners].count("graded") == len(CLASS) - 1


def test_at_most_so_many_at_a_time(tmp_path: Path) -> None:
    lock, now, most = threading.Lock(), 0, 0
    full = threading.Barrier(3, timeout=10)

    def verify(who: Learner, lab: Lab) -> Seen:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        full.wait()
        with lock:
            now -= 1
        return Seen(verdict(lab, who))

    grade_class(CLASS, LABS, verify, tmp_path, workers=3)
    assert most == 3


# -- interruptions ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return files(folder)


class Interrupted:
    """A verifier that is interrupted after some verdicts, and counts what it is asked."""

    def __init__(self, after: int, verify: Verify = mixed) -> None:
        self.asked: list[tuple[str, str]] = []
        self._after = after
        self._verify = verify
        self._lock = threading.Lock()

    def __call__(self, who: Learner, lab: Lab) -> Seen:
        with self._lock:
            if len(self.asked) == self._after:
                raise KeyboardInterrupt
            self.asked.append((who.identifier, lab.name))
        return self._verify(who, lab)


@pytest.mark.parametrize("seed", range(20))
def test_interrupted_then_resumed_the_result_is_the_same(
    tmp_path: Path, whole: dict[str, bytes], seed: int
) -> None:
    chance = random.Random(seed)
    resume, asked = False, []
    for _ in range(chance.randint(1, 3)):
        interrupted = Interrupted(chance.randrange(0, 2 * len(CLASS) // 2))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, interrupted, resume=resume)
        assert not (tmp_path / "notes.json").exists()
        asked += interrupted.asked
        resume = True
    last = Interrupted(10_000)
    run(tmp_path, last, resume=True)
    assert files(tmp_path) == whole
    again = [each for each in set(asked) if (asked + last.asked).count(each) > 1]
    # only what the checker had trouble with
    assert all(int(name[1:]) % 6 == 4 for name, _lab in again)


def test_a_torn_or_foreign_file_is_graded_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    run(tmp_path)
    kept = tmp_path / ".travail"
    (kept / "e0" / "tp2_port_forward.json").write_bytes(b'{"key": "')
    (kept / "e1" / "tp2_port_forward.json").write_bytes(b"")
    (kept / "e6" / "tp2_port_forward.json").write_bytes(
        (kept / "e7" / "tp2_port_forward.json").read_bytes()
    )
    (kept / "e2" / ".x1.cahier-en-cours").write_bytes(b"torn")
    (tmp_path / "rapport.html").write_bytes(b"half")
    last = Interrupted(10_000)
    run(tmp_path, last, resume=True)
    assert files(tmp_path) == whole
    assert {("e0", LABS[0].name), ("e1", LABS[0].name), ("e6", LABS[0].name)} <= set(last.asked)
    assert ("e0", LABS[1].name) not in last.asked


def test_a_changed_roster_grades_only_who_changed(tmp_path: Path) -> None:
    right: Verify = lambda who, lab: Seen(verdict(lab, who))  # noqa: E731
    run(tmp_path, right)
    changed = [learner(0, namespace="user-autre"), *CLASS[1:], learner(30)]
    last = Interrupted(10_000, right)
    grades = run(tmp_path, last, changed, resume=True)
    assert {name for name, _lab in last.asked} == {"e0", "e30"}
    assert len(grades.learners) == len(changed)


def test_without_resuming_all_is_graded_again(tmp_path: Path) -> None:
    run(tmp_path)
    last = Interrupted(10_000)
    run(tmp_path, last)
    assert len(last.asked) == len(CLASS) * len(LABS)


def test_a_lost_cluster_is_asked_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    def lost(who: Learner, lab: Lab) -> Seen:
        raise AccessError("Le cluster ne répond pas.")

    grades = run(tmp_path, lost)
    assert {each.state for each in grades.learners} == {"review"}
    run(tmp_path, resume=True)
    assert files(tmp_path) == whole


SLOWLY = """
import sys, time
from pathlib import Path
from tests.support.graded_class import mixed, run

def slowly(who, lab):
    time.sleep(0.03)
    return mixed(who, lab)

run(Path(sys.argv[1]), slowly, resume=sys.argv[2] == "resume")
"""


@pytest.mark.slow
def test_killed_at_random_moments_then_resumed(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """A kill, which nothing can catch, while grading or writing: the moment is a number of
    files."""
    chance = random.Random(11)
    seen = []
    for turn, wanted in enumerate(sorted(chance.sample(range(1, len(CLASS) * len(LABS) + 12), 8))):
        process = subprocess.Popen(
            [sys.executable, "-c", SLOWLY, str(tmp_path), "resume" if turn else "anew"],
            cwd=Path(__file__).parents[3],
            stderr=subprocess.DEVNULL,
        )
        while (
            process.poll() is None
            and (missing := wanted - sum(map(Path.is_file, tmp_path.rglob("*")))) > 0
        ):
            time.sleep(0.02 if missing > 5 else 0.002)
        process.kill()
        seen.append((process.wait(), sum(path.is_file() for path in tmp_path.rglob("*"))))
    assert any(code < 0 and count for code, count in seen), seen  # one at least was killed at work
    run(tmp_path, resume=True)
    assert files(tmp_path) == whole


# -- the commands ----------------------------------------------------------------------------------


def test_the_rights_are_a_manifest() -> None:
    answer = CliRunner().invoke(app, ["droits-enseignant"])
    assert answer.exit_code == 0
    role = yaml.safe_load(answer.stdout)
    assert (role["kind"], role["metadata"]["name"]) == ("ClusterRole", "cahier-enseignant")


def test_unknown_labs_and_a_bad_roster_are_told_before_anything_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "classe.csv"
    file.write_text("identifiant\n")
    for arguments, words in [
        (["--labs", "tp99"], "n’est pas un TP"),
        (["--labs", ","], "ne nomme aucun TP"),
        ([], "il manque les colonnes"),
    ]:
        answer = CliRunner().invoke(app, ["noter", str(file), *arguments])
        assert isinstance(answer.exception, UsageError), answer
        assert words in answer.exception.message


def test_moodle_s_workbook_is_graded_as_it_came(tmp_path: Path) -> None:
    roster, snapshots, folder = tmp_path / "participants.xlsx", tmp_path / "s", tmp_path / "notes"
    header = ["Prénom", "Nom de famille", "Nom d’utilisateur", "Adresse de courriel", "Groupes"]
    rows = [[name, "N", name.upper(), f"{name}@e.fr", "TD, B1"] for name in ("zoe", "ali")]
    rows += [[name, "N", name, f"{name}@e.fr", "TD"] for name in ("lea", "noe")]
    roster.write_bytes(excel({"Participants": [header, *rows]}))
    snapshots.mkdir()
    arguments = ["noter", str(roster), "--depuis", str(snapshots), "--sortie", str(folder)]
    arguments += ["--labs", "tp5", "--namespace-modele", "user-{identifiant}"]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 3, answer
    assert "1 groupe de 2." in answer.stderr
    assert "« TD » (4 personnes)" in answer.stderr
    grades = json.loads((folder / "notes.json").read_text(encoding="utf-8"))
    assert [(one["namespace"], one["colleague"]) for one in grades["learners"]] == [
        ("user-zoe", "user-ali"),
        ("user-ali", "user-zoe"),
        ("user-lea", ""),
        ("user-noe", ""),
    ]


def _archive(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.json", text)
    return path


def test_an_archive_tells_who_was_absent_and_who_could_not_be_read(tmp_path: Path) -> None:
    index = {
        "taken": "2026-03-12T14:32:00Z",
        "missing": ["user-lea"],
        "unread": {"user-ali": "Trop d’objets."},
    }
    archive = _archive(tmp_path / "classe.zip", classe=json.dumps(index))
    roster, folder = tmp_path / "classe.csv", tmp_path / "notes"
    roster.write_text(
        "identifiant,nom,prenom,email,namespace,collegue\n"
        + "".join(f"{one},N,P,{one}@exemple.fr,user-{one},\n" for one in ("lea", "ali", "noe")),
        encoding="utf-8",
    )
    arguments = ["noter", str(roster), "--labs", "tp2", "--sortie", str(folder)]
    answer = CliRunner().invoke(app, [*arguments, "--depuis", str(archive)])
    assert answer.exit_code == 3, answer
    assert "classe.csv, ligne 3 : Trop d’objets. ali sera sans note." in answer.stderr
    grades = json.loads((folder / "notes.json").read_text(encoding="utf-8"))["learners"]
    assert [(one["identifier"], one["state"]) for one in grades] == [
        ("lea", "absent"),
        ("ali", "review"),
        ("noe", "review"),
    ]
    for torn in (_archive(tmp_path / "autre.zip"), roster):
        answer = CliRunner().invoke(app, [*arguments, "--depuis", str(torn)])
        assert isinstance(answer.exception, UsageError), answer
        assert f"{torn} n’est ni un dossier d’instantanés" in answer.exception.message


def test_a_snapshot_is_read_once_for_all_the_labs_of_its_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading: list[str] = []

    def counted(path: Path | zipfile.Path) -> Snapshot:
        reading.append(path.name)
        return read(path)

    monkeypatch.setattr(snapshots, "read", counted)
    for who in (learner(0), learner(1)):
        taken = Snapshot(taken=RECEIPT, namespace=who.namespace)
        (tmp_path / f"{who.namespace}.json").write_bytes(encoded(taken))
    verify = snapshots.SnapshotVerifier(tmp_path)
    for who in (learner(0), learner(1)):
        for lab in (find_lab("tp1"), find_lab("tp2")):
            assert verify(who, lab).verdict.namespace == who.namespace
    assert reading == ["user-e0.json", "user-e1.json"]


def test_two_at_once_in_one_folder_are_refused_and_a_killed_one_is_forgotten(
    tmp_path: Path,
) -> None:
    roster, snapshots, folder = (
        tmp_path / "classe.csv",
        tmp_path / "instantanes",
        tmp_path / "notes",
    )
    roster.write_text(
        "identifiant,nom,prenom,email,namespace,collegue\nun,Un,Une,un@exemple.fr,user-un,\n"
    )
    snapshots.mkdir()
    command = ["cahier", "noter", str(roster), "--depuis", str(snapshots), "--sortie", str(folder)]
    hold = "import sys; from pathlib import Path; from checks.cli.grading import alone_in\n"
    hold += "with alone_in(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    first = subprocess.Popen(
        [sys.executable, "-c", hold, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout
    assert first.stdin
    with first.stdin, first.stdout:
        assert first.stdout.readline() == "held\n"
        before = files(folder)
        second = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert second.returncode == 2, second
        assert f"Une autre commande « cahier noter » écrit déjà dans {folder}." in second.stderr
        assert "--sortie" in second.stderr
        assert files(folder) == before
        first.kill()
        first.wait()
    third = subprocess.run(
        [*command, "--reprendre"], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert third.returncode == 3, third
    assert (folder / "notes.json").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    roster = tmp_path / "classe.csv"
    roster.write_text(
        "identifiant,nom,prenom,email,namespace,collegue\nun,Un,Une,un@exemple.fr,user-un,\n"
    )
    arguments = ["noter", str(roster), "--depuis", str(tmp_path), "--sortie", str(roster / "notes")]
    answer = CliRunner().invoke(app, arguments)
    assert isinstance(answer.exception, CahierError), answer
    assert "On ne peut pas écrire dans" in answer.exception.message


def test_an_interruption_says_how_to_continue(tmp_path: Path) -> None:
    said = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        with_progress(
            Console(file=said, width=200),
            CLASS,
            LABS,
            Interrupted(5),
            tmp_path,
            resume=False,
            workers=2,
        )
    assert "Déjà noté et gardé" in said.getvalue()
    assert "--reprendre" in said.getvalue()


class _Late(Answers):
    """A cluster where each learner's pod has come after the class was listed."""

    def to(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        namespaced, pod_spec = (
            "/namespaces/" in path,
            {"containers": [{"name": "api", "image": "python"}]},
        )
        if path.endswith("/pods"):
            pod = {
                "metadata": {
                    "name": "mon-api",
                    "namespace": path.split("/")[-2],
                    "uid": "1",
                    "labels": {"app": "mon-api"},
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                },
                "spec": pod_spec,
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            }
            return listed([pod] if namespaced else [])
        if path.endswith("/deployments") and not namespaced:
            template = {"metadata": {"labels": {"app": "mon-api"}}, "spec": pod_spec}
            made = {
                "metadata": {"name": "mon-api", "namespace": "user-e0", "uid": "2"},
                "spec": {"selector": {"matchLabels": {"app": "mon-api"}}, "template": template},
            }
            return listed([made])
        return super().to(path, body)


def test_what_was_only_starting_when_the_class_was_listed_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_SETTLES", 0.0)  # as for a learner whose turn comes late
    there = _Late(
        objects={
            "namespaces": [{"metadata": {"name": f"user-e{n}", "uid": str(n)}} for n in range(2)]
        }
    )
    with pretend(tmp_path, there) as server:
        verify = view.LiveVerifier(
            Api(str(server.kubeconfig(tmp_path / "kubeconfig"))), [learner(0)]
        )
        found = verify(learner(0), find_lab("tp2")).verdict
    assert [check.status for check in found.checks[:2]] == [Status.PASSED, Status.PASSED]
