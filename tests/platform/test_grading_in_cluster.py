"""A class graded by the cluster itself: the same folder as a local run, whatever happens to the
pods."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checks.access.kubernetes_api import Api
from checks.cli.application import app
from checks.cli.grading_in_cluster import group_of
from checks.errors import CahierError, UsageError
from checks.grading.grade import Seen
from checks.grading.in_cluster import manifests
from checks.grading.in_cluster import order as orders
from checks.grading.in_cluster.manifests import LABEL
from checks.grading.in_cluster.order import order_of
from checks.grading.in_cluster.part import Results, grade_part
from checks.grading.results import Store
from checks.grading.roster import Learner
from checks.lab import Lab, find_lab
from checks.local_sspcloud import people
from checks.stage import Person, Stage
from tests.support.graded_class import verdict
from tests.support.waiting import until

_KINDS = "jobs,cronjobs,pods,configmaps,roles,rolebindings,serviceaccounts"


# -- without a cluster -----------------------------------------------------------------------------


class Shelf:
    """An API server that knows one ConfigMap."""

    def __init__(self) -> None:
        self.item: dict[str, Any] = {"metadata": {"name": "notation-1", "annotations": {}}}
        self.credentials = type("_", (), {"namespace": "user-prof"})

    def request(
        self, method: str, path: str, body: Any = None, **_options: object
    ) -> dict[str, Any]:
        assert path.endswith("/configmaps/notation-1")
        if method == "PATCH":
            self.item["metadata"]["annotations"] |= body["metadata"]["annotations"]
            self.item["binaryData"] = body["binaryData"]
        return self.item


def test_a_pod_takes_up_what_the_one_before_it_has_graded(tmp_path: Path) -> None:
    learners = [Learner(f"e{number}", "", "", "", f"user-e{number}", "") for number in range(5)]
    labs = [find_lab("tp1"), find_lab("tp2")]
    order = order_of([(learner, lab) for learner in learners for lab in labs], parts=2, workers=1)
    graded: list[tuple[str, str]] = []
    shelf: Any = Shelf()

    def verify(learner: Learner, lab: Lab) -> Seen:
        graded.append((learner.identifier, lab.name))
        return Seen(verdict(lab, learner))

    def verify_then_end(learner: Learner, lab: Lab) -> Seen:
        if len(graded) == 3:
            raise KeyboardInterrupt  # as SIGTERM does
        return verify(learner, lab)

    with pytest.raises(KeyboardInterrupt):
        grade_part(
            order, 1, Results(shelf, "notation-1", "one"), verify_then_end, tmp_path / "first"
        )
    assert len(graded) == 3
    grade_part(order, 1, Results(shelf, "notation-1", "one"), verify, tmp_path / "second")
    # none twice
    assert sorted(graded) == [(f"e{number}", lab.name) for number in (1, 3) for lab in labs]
    assert len(list(Store(tmp_path / "second").files())) == 4
    grade_part(order, 1, Results(shelf, "notation-1", "another run"), verify, tmp_path / "third")
    assert len(graded) == 8


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("M1 Économie (2026).csv", "m1-economie-2026"),
        ("クラス.csv", "classe"),
        ("-" * 90, "classe"),
    ],
)
def test_objects_are_named_after_the_roster(name: str, group: str) -> None:
    assert group_of(Path(name)) == group


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--planifier", "0 20 * * *"], "--planifier ne va qu’avec --dans-le-cluster"),
        (["--recuperer"], "--recuperer ne va qu’avec --dans-le-cluster"),
        (
            ["--dans-le-cluster", "--planifier", "0 20 * * *", "--reprendre"],
            "--planifier et --reprendre ne vont pas ensemble",
        ),
        (
            ["--dans-le-cluster", "--depuis", "."],
            "--dans-le-cluster et --depuis ne vont pas ensemble",
        ),
    ],
)
def test_options_that_do_not_go_together(options: list[str], said: str, tmp_path: Path) -> None:
    roster = tmp_path / "classe.csv"
    roster.write_text(
        "identifiant,nom,prenom,email,namespace,collegue\na,A,A,a@exemple.fr,user-a,\n",
        encoding="utf-8",
    )
    result = CliRunner().invoke(app, ["noter", str(roster), *options])
    assert isinstance(result.exception, UsageError)
    assert said in result.exception.message


# -- on the cluster --------------------------------------------------------------------------------


@dataclass
class School:
    """A teacher's namespace, a roster, and what grading it on this machine gives, with the rights
    of the pods."""

    teacher: Person
    admin_kubeconfig: Path
    roster: Path
    image: str

    def command(self, folder: Path, *options: str, image: str = "") -> list[str]:
        where = ["--sortie", str(folder), "--kubeconfig", str(self.teacher.kubeconfig)]
        pods = ["--dans-le-cluster", "--parties", "3", "--image", image or self.image]
        return ["cahier", "noter", str(self.roster), "--labs", "tp1,tp2", *where, *pods, *options]

    def grade(
        self, folder: Path, *options: str, image: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return _run(self.command(folder, *options, image=image))

    def shell(self, line: str, *, admin: bool = False) -> str:
        """What a printed command prints, typed by the teacher or by the administrator."""
        kubeconfig = self.admin_kubeconfig if admin else self.teacher.kubeconfig
        done = _run(["bash", "-ec", line], {"KUBECONFIG": str(kubeconfig)})
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout

    def left(self) -> str:
        """Names of what grading has made and not removed."""
        return self.shell(f"kubectl get {_KINDS} -l {LABEL} -n {self.teacher.namespace} -o name")

    def require_nothing_left(self) -> None:
        until(lambda: not self.left())  # the cluster removes what belonged to a Job a little later

    @contextmanager
    def interrupted(
        self, folder: Path, image: str = "", before: Callable[[str], None] = lambda job: None
    ) -> Iterator[str]:
        """The Job of a grading whose command was left with Ctrl-C, after `before` was told its
        name."""
        process = subprocess.Popen(
            self.command(folder, image=image),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert process.stderr is not None
        found = re.search(r"job (\S+)\.", process.stderr.readline())
        assert found, process.communicate()
        before(found[1])
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "La notation et ses notes restent dans le cluster" in err
        yield found[1]


def _run(
    command: list[str], variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **(variables or {})}
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def one_school(
    new_resident: Callable[..., Person],
    admin_kubeconfig: Path,
    image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> School:
    teacher, right, wrong, *others = (new_resident("n") for _ in range(6))
    lab = find_lab("tp2")
    stage = Stage(lab, right)
    stage.apply(lab.files("solution"))
    stage.run(lab.about.solution.commands[:1])
    Stage(lab, wrong).apply(lab.case_files("erreurs", "mauvaise_etiquette"))
    namespaces = [
        right.namespace,
        wrong.namespace,
        *(one.namespace for one in others),
        "user-n-existe-pas",
    ]
    roster = tmp_path_factory.mktemp("ecole") / "Année 1.csv"
    lines = [
        f"e{number};Nom;É;e{number}@exemple.fr;{name};" for number, name in enumerate(namespaces)
    ]
    roster.write_text(
        "\n".join(["identifiant;nom;prenom;email;namespace;collegue", *lines]), encoding="utf-8"
    )
    return School(teacher, admin_kubeconfig, roster, image)


@pytest.fixture
def school(one_school: School) -> Iterator[School]:
    """The school, where one test leaves nothing to the next."""
    yield one_school
    one_school.shell(f"kubectl delete jobs,cronjobs -l {LABEL} -n {one_school.teacher.namespace}")


@pytest.fixture(scope="module")
def local(
    one_school: School, admin: Api, admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, bytes]]:
    """What this machine writes with the rights of the pods, which they are given as the command
    says."""
    folder = tmp_path_factory.mktemp("local")
    refused = one_school.grade(folder / "refused")
    assert refused.returncode == 3
    assert "n’a pas les droits de l’enseignant" in refused.stderr
    commands = [line.strip() for line in refused.stderr.splitlines() if line.startswith("  ")]
    for line in commands:
        one_school.shell(line, admin=True)
    teacher = people.create_teacher(admin, admin_kubeconfig)
    command = [
        "cahier",
        "noter",
        str(one_school.roster),
        "--labs",
        "tp1,tp2",
        "--kubeconfig",
        str(teacher),
    ]
    assert _run([*command, "--sortie", str(folder / "notes")]).returncode == 3
    yield _files(folder / "notes")
    binding = re.search(r"clusterrolebinding (\S+)", commands[-1])
    assert binding
    one_school.shell(f"kubectl delete clusterrolebinding {binding[1]}", admin=True)


@pytest.mark.cluster
def test_the_cluster_writes_what_this_machine_would(
    school: School, local: Mapping[str, bytes], admin: Api, tmp_path: Path
) -> None:
    """Also after a command that was killed while it made its Job."""
    half_made = manifests.job("a-moitie-faite", group_of(school.roster), 1, school.image)
    admin.request("POST", f"/apis/batch/v1/namespaces/{school.teacher.namespace}/jobs", half_made)
    done = school.grade(tmp_path / "notes")
    assert done.returncode == 3, done
    assert "Le cluster note : 3 parties" in done.stderr
    assert "6 personnes, 2 TP" in done.stdout
    assert _files(tmp_path / "notes") == local
    school.require_nothing_left()


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="SIGINT is POSIX")
def test_nothing_is_lost_with_a_pod_or_with_the_command(
    school: School, local: Mapping[str, bytes], admin: Api, tmp_path: Path
) -> None:
    pods = f"/api/v1/namespaces/{school.teacher.namespace}/pods"

    def part(job: str) -> set[str]:
        selector = f"job-name={job},batch.kubernetes.io/job-completion-index=0"
        return {
            pod["metadata"]["name"]
            for pod in admin.request("GET", pods, query={"labelSelector": selector})["items"]
        }

    def done_all_the_same(job: str) -> bool:
        """What is told to end while it starts may be quicker."""
        status = admin.request(
            "GET", f"/apis/batch/v1/namespaces/{school.teacher.namespace}/jobs/{job}"
        )["status"]
        return str(status.get("completedIndexes", "")).startswith("0")

    killed = []

    def kill(job: str) -> None:
        killed.append(until(lambda: part(job)).pop())
        admin.request("DELETE", f"{pods}/{killed[0]}", {"gracePeriodSeconds": 0})

    with school.interrupted(tmp_path / "notes", before=kill) as job:
        again = school.grade(tmp_path / "elsewhere")
        assert (again.returncode, "est déjà dans le cluster" in again.stderr) == (2, True), again
        assert until(lambda: part(job) - {*killed} or done_all_the_same(job))
        done = school.grade(tmp_path / "notes", "--reprendre")
        assert done.returncode == 3, done
        assert _files(tmp_path / "notes") == local
        school.require_nothing_left()


@pytest.mark.cluster
@pytest.mark.skipif(os.name == "nt", reason="SIGINT is POSIX")
def test_parts_that_fail_are_told_and_graded_by_the_next_run(
    school: School, local: Mapping[str, bytes], tmp_path: Path
) -> None:
    """An image without the workbook; the Job's time is cut short, as it would be tried again for
    long."""
    namespace = school.teacher.namespace
    with school.interrupted(tmp_path / "notes", image="python:3.11-slim-bookworm") as job:
        school.shell(
            f"kubectl wait pod -n {namespace} -l job-name={job} "
            f"--for=jsonpath={{.status.phase}}=Failed --timeout=90s\n"
            f'kubectl patch job {job} -n {namespace} -p \'{{"spec": {{"activeDeadlineSeconds": '
            f"1}}}}'"
        )
        done = school.grade(tmp_path / "notes", "--reprendre")
        assert (
            "La partie 1 de la notation n’a pas abouti : le pod s’est arrêté (code 1)"
            in done.stderr
        )
        assert "No module named 'checks'" in done.stderr
        assert done.stderr.count("Le cluster note : ") == 1, done
        assert "Pour noter le reste" not in done.stderr, done
        assert _files(tmp_path / "notes") == local
        school.require_nothing_left()


@pytest.mark.cluster
def test_a_schedule_keeps_its_last_grades_for_the_teacher(
    school: School, local: Mapping[str, bytes], tmp_path: Path
) -> None:
    planned = school.grade(tmp_path / "notes", "--planifier", "0 4 1 1 *")
    assert planned.returncode == 0, planned
    assert "Notation planifiée : « 0 4 1 1 * »" in planned.stdout
    assert not (tmp_path / "notes").exists()
    _fetch, try_it, stop = (
        line.strip() for line in planned.stdout.splitlines() if line.startswith("    ")
    )
    assert school.grade(tmp_path / "notes", "--planifier", "0 5 * * *").returncode == 2
    early = school.grade(tmp_path / "notes", "--recuperer")
    assert (early.returncode, "n’a pas encore eu lieu" in early.stderr) == (3, True), early
    school.shell(try_it)
    for _ in range(2):  # it stays there
        done = school.grade(tmp_path / "notes", "--recuperer")
        assert done.returncode == 3, done
        assert "Notation du" in done.stderr
        assert _files(tmp_path / "notes") == local
    school.shell(stop)
    school.require_nothing_left()
    assert school.grade(tmp_path / "notes", "--recuperer").returncode == 2


@pytest.mark.cluster
@pytest.mark.parametrize("schedule", ["20h", ""])
def test_what_is_no_time_for_cron_is_said(
    schedule: str, school: School, local: Mapping[str, bytes], tmp_path: Path
) -> None:
    done = school.grade(tmp_path / "notes", "--planifier", schedule)
    assert done.returncode == 2
    assert "n’en est pas un pour cron" in done.stderr
    school.require_nothing_left()


@pytest.mark.cluster
def test_an_image_that_is_not_there_is_said(
    school: School, local: Mapping[str, bytes], tmp_path: Path
) -> None:
    done = school.grade(tmp_path / "notes", image="cahier-kubernetes:n-existe-pas")
    assert done.returncode == 3
    assert "L’image cahier-kubernetes:n-existe-pas n’a pas pu être téléchargée" in done.stderr
    assert "make image" in done.stderr
    school.require_nothing_left()


@pytest.mark.cluster
def test_an_image_of_another_version_is_said(
    school: School, local: Mapping[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "digest", lambda: "of another version")
    result = CliRunner().invoke(app, school.command(tmp_path / "notes")[1:])
    assert isinstance(result.exception, CahierError)
    assert "porte une autre version de cahier" in result.exception.message
    school.require_nothing_left()


@pytest.mark.cluster
def test_a_quota_without_room_for_a_pod_is_said(
    school: School, local: Mapping[str, bytes], admin: Api, tmp_path: Path
) -> None:
    quota = f"/api/v1/namespaces/{school.teacher.namespace}/resourcequotas"
    full = {"metadata": {"name": "plein"}, "spec": {"hard": {"pods": "0"}}}
    admin.request("POST", quota, full)
    try:
        done = school.grade(tmp_path / "notes")
    finally:
        admin.request("DELETE", f"{quota}/plein")
    assert done.returncode == 3
    assert "Le cluster refuse les pods de la notation" in done.stderr
    assert "exceeded quota: plein" in done.stderr
    school.require_nothing_left()


@pytest.mark.cluster
def test_a_namespace_of_somebody_else_is_said(school: School, tmp_path: Path) -> None:
    done = school.grade(tmp_path / "notes", "--namespace", "kube-system")
    assert done.returncode == 3
    assert "Vous ne pouvez pas faire noter une classe dans kube-system" in done.stderr
    assert "Donnez avec --namespace un namespace où vous avez le rôle « admin »" in done.stderr
