"""The benchmark is fair, and the site shows what it found. No time is asserted."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from bench import figure, report, results, scripts
from bench.classroom import Classroom
from bench.measure import Cost, run
from checks.access.kubernetes_api import Api
from checks.local_sspcloud import people


@pytest.mark.cluster
def test_the_scripts_and_the_grading_give_the_same_verdicts(
    admin: Api, admin_kubeconfig: Path, tmp_path: Path
) -> None:
    """For three learners and every lab with a script: work that is right, wrong, or not done."""
    teacher = people.create_teacher(admin, admin_kubeconfig)
    room, labs = Classroom(admin, started=False), scripts.labs()
    names = ",".join(lab.short_name for lab in labs)
    try:
        room.grow(3, lambda done: None)
        roster, notes = room.roster(tmp_path, 3), tmp_path / "notes"
        access = ("--kubeconfig", str(teacher), "--labs", names)
        done = run(["cahier", "noter", str(roster), "--sortie", str(notes), *access])
        assert done.code == 3, done.output
        ours, theirs = {}, {}
        grades = json.loads((notes / "notes.json").read_text(encoding="utf-8"))["learners"]
        for learner, graded in zip(room.learners, grades, strict=True):
            colleague = people.namespace_of(learner.colleague)
            for lab, found in zip(labs, graded["labs"], strict=True):
                ours[learner.number, lab.name] = any(
                    check["status"] == "failed" for check in found["checks"]
                )
                judged = scripts.judge(
                    lab.short_name, learner.namespace, colleague, admin_kubeconfig
                )
                theirs[learner.number, lab.name] = judged.code == 1
        assert theirs == ours
        # tp1 asks of the cluster nothing that these learners lack, tp7 a pod that runs
        for lab in labs:
            if lab.short_name not in ("tp1", "tp7"):
                assert {ours[number, lab.name] for number in range(3)} == {True, False}, lab.name
    finally:
        room.remove(lambda done: None)


def test_a_command_is_not_charged_with_the_size_of_what_starts_it() -> None:
    held = bytearray(b"x" * 200 * 2**20)
    done = run(["sh", "-c", "echo dit; exit 3"])
    assert (done.code, done.output) == (3, "dit\n")
    assert 0 < done.cost.memory < 50 < len(held) / 2**20
    assert run(["sh", "-c", "kill -9 $$"]).code == 128 + 9


@pytest.fixture
def found() -> results.Results:
    """Results that no machine has measured."""
    quick, slow = Cost(wall=0.5, processor=0.4, memory=80), Cost(wall=6.5, processor=3, memory=60)
    return results.Results(
        date=datetime(2026, 1, 2, tzinfo=UTC),
        machine=results.Machine("Essai", 2, 8, 0.1, "3.11.1", "1.36.0", "1.36"),
        help=Cost(wall=0.123, processor=0.1, memory=40),
        labs=(
            results.LabResult(
                "tp6", "Un droit", 3, quick, slow, Cost(wall=4.5, processor=3, memory=60)
            ),
        ),
        classroom=results.ClassResult(
            30, 8, 70, Cost(4, 2, 90), 31, Cost(200, 120, 60), 97, measured=80, agreed=79
        ),
        scale=(
            results.ScaleResult(300, 8, Cost(20, 12, 150), 30),
            results.ScaleResult(1000, 8, Cost(80, 40, 333), 30),
        ),
    )


def test_the_table_shows_the_ratios(found: results.Results) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report.table(found))
    lines = [line for line in console.export_text().splitlines() if "│" in line]
    shown = {
        cells[0]: cells[1:]
        for line in lines
        if (cells := [one.strip() for one in line.strip("│┃").split("│")])
    }
    assert shown["cahier --help"][0] == "123 ms"
    assert shown["cahier verifier tp6, juste"] == ["500 ms", "6,5 s", "× 13", "≤ 1 s"]
    assert shown["script sans attente"][2] == "× 9"
    assert shown["classe de 30 × 8 TP"][2] == "× 50"
    assert shown["mêmes verdicts"][0] == "79 sur 80"
    assert shown["durée par personne, de la petite à la grande"][2] == "× 1,2"


def test_results_are_read_as_they_were_written(found: results.Results, tmp_path: Path) -> None:
    results.write(found, tmp_path / "r.json")
    assert results.read(tmp_path / "r.json") == found


def test_the_pictures_are_those_of_the_committed_results(tmp_path: Path) -> None:
    figure.draw(results.read(), tmp_path)
    for background in ("clair", "sombre"):
        made, kept = (
            _words(folder / f"mesures-{background}.svg") for folder in (tmp_path, figure.FOLDER)
        )
        assert made == kept
        assert f"{report.seconds(results.read().classroom.ours.wall)}" in " ".join(kept)


def _words(picture: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text(encoding="utf-8"))
