"""The demonstration where no cluster can be had: recordings of a real one, in step with the labs,
without secrets."""

from __future__ import annotations

import gzip
import ipaddress
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checks import state
from checks.access.kubernetes_api import Api
from checks.cli.application import app
from checks.demo import live
from checks.demo.record import Camera
from checks.demo.recording import read, write
from checks.demo.replay import replayed
from checks.demo.screen import EXPECTED, Screen
from checks.lab import Lab, all_labs, find_lab
from checks.stage import Person
from checks.verdict import Status, Verdict
from tests.conftest import PROGRAMS

LABS = list(all_labs())
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
ROOT = Path(__file__).parents[3]


def told(verdict: Verdict) -> list[tuple[str, ...]]:
    return [(one.id, one.status, one.finding, one.cause) for one in verdict.checks]


# -- the recordings --------------------------------------------------------------------------------


@each_lab
def test_a_recording_is_in_step_with_its_lab(lab: Lab) -> None:
    recording = read(lab)
    assert [part.title for part in recording.parts] == list(EXPECTED)
    for part, expected in zip(recording.parts, EXPECTED.values(), strict=True):
        now = replayed(lab, part)
        shown = [(one.id, one.title, one.points_max) for one in now.verdict.checks]
        assert shown == [(check.id, check.title, check.points) for check in lab.checks]
        assert told(now.verdict) == told(part.verdict), f"make recordings LABS={lab.short_name}"
        assert now.verdict.status is expected
        assert now.verdict.user == part.verdict.user
        assert "-demo" not in part.verdict.user, (
            "recorded with stand-ins: end what alice and bob have there"
        )
    failed = [one.id for one in recording.parts[0].verdict.checks if one.status is Status.FAILED]
    assert sorted(failed) == sorted(lab.about.start.fails)


def test_most_of_what_is_shown_is_found_again_by_the_checks() -> None:
    found = [replayed(lab, part) for lab in LABS for part in read(lab).parts]
    assert sum(one.asked_again for one in found) > sum(len(one.kept) for one in found)


@each_lab
def test_a_recording_tells_nothing_that_is_private(lab: Lab) -> None:
    text = gzip.decompress(lab.recording.read_bytes()).decode()
    for private in (
        r"-----BEGIN",
        r"\beyJ[\w-]{16,}",
        r"(?i)bearer ",
        r"/root\b",
        r"/home/\w",
        r"/Users/\w",
        r"/tmp/",
    ):
        assert not re.search(private, text), private
    for address in set(re.findall(r"(?<!:)\b\d{1,3}(?:\.\d{1,3}){3}\b", text)):
        assert ipaddress.ip_address(address).is_private, address
    for part in read(lab).parts:
        for secret in part.snapshot.objects.get("Secret", ()):
            assert set(secret) == {"metadata"}
        for pod in part.snapshot.objects.get("Pod", ()):
            for container in pod["spec"]["containers"]:
                for variable in container.get("env") or ():
                    if "PASS" in variable["name"].upper():
                        assert variable.get("value", "(masqué)") == "(masqué)"


@each_lab
def test_a_recording_is_small(lab: Lab) -> None:
    assert lab.recording.stat().st_size < 40_000


# -- where no cluster can be had -------------------------------------------------------------------


@pytest.fixture(scope="session")
def wheel_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment where the wheel is installed, far from any checkout."""
    folder = tmp_path_factory.mktemp("roue")
    environment = folder / "venv"
    done = [
        [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "--target",
            "wheel",
            "--directory",
            str(folder),
        ],
        [sys.executable, "-m", "venv", "--without-pip", str(environment)],
    ]
    for command in done:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    site = next(environment.glob("lib/python*/site-packages"))
    (site / "dependances.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    (wheel,) = folder.glob("*.whl")
    install = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--python",
        str(environment),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    return environment / "bin"


@pytest.fixture(params=[pytest.param("wheel", marks=pytest.mark.slow), "checkout"])
def cahier(request: pytest.FixtureRequest) -> Path:
    """The command, of the wheel and of this checkout."""
    if request.param == "checkout":
        return PROGRAMS / "cahier"
    programs: Path = request.getfixturevalue("wheel_programs")
    return programs / "cahier"


@pytest.fixture
def nowhere(tmp_path: Path) -> Mapping[str, str]:
    """The environment of somebody who has never used the workbook, and has no program."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("LANG", "LC_"))}
    own = {
        "HOME": str(tmp_path),
        "PATH": str(tmp_path),
        "CAHIER_ETAT": str(tmp_path / "etat"),
        "COLUMNS": "80",
    }
    return {**kept, **own}


def alone(
    *command: str, environment: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command as nobody, with no network."""
    apart = [shutil.which("unshare") or "unshare", "--user", "--net"]
    try:
        subprocess.run([*apart, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as refused:
        pytest.skip(f"nobody can be played on this machine: {refused}")
    return subprocess.run(
        [*apart, *command],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_any_cluster_the_recordings_are_shown(
    cahier: Path, nowhere: Mapping[str, str], tmp_path: Path
) -> None:
    done = alone(str(cahier), "demo", environment=nowhere, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert re.match(
        r"Démonstration enregistrée sur un vrai cluster "
        r"\(Kubernetes 1\.\d+, \d\d/\d\d/\d{4}[^)]*\)\. "
        "Rien n’est joué maintenant. Aucun moteur de conteneurs n’est installé",
        " ".join(done.stdout.split()),
    )
    assert "Installez Docker" in done.stdout
    prose = [line for line in lines if " $ " not in line and " kubectl " not in line]
    assert max(map(len, prose)) <= 80, "a command alone may be longer"
    for lab in LABS:
        assert f"{lab.short_name.upper()} · {lab.about.title}" in done.stdout
    assert done.stdout.count("← le chemin s’arrête ici") >= len(LABS) - 2
    assert done.stdout.count("Tout est juste.") == len(LABS)
    assert f"{len(LABS)} TP sur {len(LABS)}" in done.stdout


def test_a_cluster_that_fails_is_told_not_replaced(
    nowhere: Mapping[str, str], tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    # answers, and kind is missing
    docker.write_text('#!/bin/sh\n[ "$1" != info ] || echo 27.3.1\n', encoding="utf-8")
    docker.chmod(0o755)
    done = subprocess.run(
        [PROGRAMS / "cahier", "demo"],
        env=nowhere,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "« kind »" in done.stderr
    assert "enregistré" not in done.stdout


# -- what is wrong with a recording is told --------------------------------------------------------


@pytest.fixture
def own_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the labs, which may be changed."""
    folder = tmp_path / "labs"
    shutil.copytree(ROOT / "labs", folder)
    monkeypatch.setattr("checks.lab.labs_folder", lambda: folder)
    return folder


def recorded_demo() -> tuple[int, str]:
    done = CliRunner().invoke(app, ["demo", "--enregistrement"], env={"COLUMNS": "80"})
    return done.exit_code, done.output


def test_it_is_shown_on_request_where_a_cluster_could_be_had(own_labs: Path) -> None:
    code, said = recorded_demo()
    assert code == 0, said
    assert said.startswith("Démonstration enregistrée")
    assert "Pour la jouer : cahier demo" in said


def test_a_lab_that_was_not_recorded_is_told_with_the_remedy(own_labs: Path) -> None:
    find_lab("tp2").recording.unlink()
    find_lab("tp3").recording.write_bytes(b"autre chose")
    code, said = recorded_demo()
    assert code == 1
    assert "tp2 n’a pas été enregistré" in said
    assert "make recordings LABS=tp2" in said
    assert "make recordings LABS=tp3" in said
    assert f"{len(LABS) - 2} TP sur {len(LABS)}" in said


def test_a_recording_that_tells_another_story_is_noticed(own_labs: Path) -> None:
    lab = find_lab("tp2")
    recording = read(lab)
    recording.parts[1].snapshot.objects["Pod"].clear()
    write(lab, recording)
    code, said = recorded_demo()
    assert code == 1
    assert f"{len(LABS) - 1} TP sur {len(LABS)}" in said


# -- recording, on the cluster ---------------------------------------------------------------------


def add_secret(admin: Api, namespace: str, word: str, *, copied: bool) -> None:
    """A password in a Secret of the namespace, and in a ConfigMap too when it is `copied`."""
    core = f"/api/v1/namespaces/{namespace}"
    admin.request(
        "POST",
        f"{core}/secrets",
        {"metadata": {"name": "le-mien"}, "stringData": {"password": word}},
    )
    if copied:
        admin.request(
            "POST", f"{core}/configmaps", {"metadata": {"name": "copie"}, "data": {"mot": word}}
        )


@pytest.mark.cluster
@pytest.mark.usefixtures("own_ports")
def test_a_lab_is_recorded_without_its_passwords(
    cast: Mapping[str, Person], own_labs: Path, admin: Api
) -> None:
    lab = find_lab("tp3")
    lab.recording.unlink()
    word = uuid.uuid4().hex
    assert not live.has_work(admin, cast["alice"].namespace)
    add_secret(admin, cast["alice"].namespace, word, copied=False)
    assert live.has_work(admin, cast["alice"].namespace), "she would not be played with"
    assert live.play_lab(lab, cast, Camera())
    recording = read(lab)
    text = gzip.decompress(lab.recording.read_bytes()).decode()
    assert "le-mien" in text
    assert word not in text
    assert [replayed(lab, part).verdict.status for part in recording.parts] == list(
        EXPECTED.values()
    )
    admin.remove(f"/api/v1/namespaces/{cast['alice'].namespace}/secrets/le-mien")
    for person in cast.values():
        assert not live.has_work(admin, person.namespace), "they are left as new"


@pytest.mark.cluster
@pytest.mark.usefixtures("own_ports")
@pytest.mark.skipif(
    "CAHIER_EXHAUSTIF" not in os.environ, reason="minutes: CAHIER_EXHAUSTIF=1 plays every lab"
)
@each_lab
def test_the_demonstration_leaves_its_people_as_new(
    lab: Lab, cast: Mapping[str, Person], admin: Api
) -> None:
    assert live.play_lab(lab, cast, Screen())
    for person in cast.values():
        assert not live.has_work(admin, person.namespace)
        assert not any(person.namespace in place for place in state.load().places), (
            "nor any progress"
        )


@pytest.mark.cluster
def test_a_recording_that_would_tell_a_password_is_refused(
    cast: Mapping[str, Person], own_labs: Path, admin: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = find_lab("tp1")
    before = lab.recording.read_bytes()
    add_secret(admin, cast["alice"].namespace, uuid.uuid4().hex, copied=True)
    assert not live.play_lab(lab, cast, Camera())
    assert "contient la clé password du Secret le-mien" in capsys.readouterr().out
    assert lab.recording.read_bytes() == before
