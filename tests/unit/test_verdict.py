"""The verdict: statuses, exit codes, JSON and its published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from checks.capabilities import Cluster
from checks.errors import AccessError, Unverifiable
from checks.lab import Lab, LabFile
from checks.runner import run
from checks.verdict import Diagnostic, Status, Verdict, json_schema, overall, to_json
from checks.verification import Check, verification

SCHEMA = Path(__file__).parents[2] / "docs" / "verdict.schema.json"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([Status.PASSED, Status.PASSED], Status.PASSED),
        ([Status.PASSED, Status.FAILED, Status.SKIPPED, Status.ERROR], Status.FAILED),
        ([Status.UNVERIFIED, Status.ERROR], Status.ERROR),
        ([Status.PASSED, Status.UNVERIFIED, Status.SKIPPED], Status.UNVERIFIED),
    ],
)
def test_overall(statuses: list[Status], expected: Status) -> None:
    assert overall(statuses) is expected


@verification(points=2)
def passes(cluster: Cluster) -> Diagnostic | None:
    """Ceci passe."""
    return None


@verification(points=1)
def fails(cluster: Cluster) -> Diagnostic | None:
    """Ceci échoue."""
    return Diagnostic(finding="constat", cause="cause", fix="remède", commands=("true",))


@verification(after=fails)
def depends(cluster: Cluster) -> Diagnostic | None:
    """Ceci dépend."""
    raise AssertionError("never asked")


@verification()
def cannot_tell(cluster: Cluster) -> Diagnostic | None:
    """Ceci ne se décide pas ici."""
    raise Unverifiable("raison", "remède")


@verification()
def breaks(cluster: Cluster) -> Diagnostic | None:
    """Ceci casse."""
    raise ZeroDivisionError("oups")


@verification()
def silent(cluster: Cluster) -> Diagnostic | None:
    """Ceci ne répond pas."""
    raise AccessError("le cluster ne répond pas", "attendez")


class Nobody:
    namespace = "user-alice"
    user = "oidc-alice"


class FakeLab(Lab):
    def __init__(self, *checks: Check) -> None:
        about = LabFile(title="Essai", summary="", duration_minutes=1, objectives=("essayer",))
        super().__init__(Path("tp0_essai"))
        object.__setattr__(self, "about", about)
        object.__setattr__(self, "checks", checks)


def verdict_of(*checks: Check, seconds: float = 0) -> Verdict:
    verdict, _ = run(FakeLab(*checks), Nobody(), refresh=lambda: None, seconds=seconds)  # type: ignore[arg-type]
    return verdict


@pytest.mark.parametrize(
    ("checks", "status", "exit_code"),
    [
        ((passes,), Status.PASSED, 0),
        ((passes, fails, depends, breaks), Status.FAILED, 1),
        ((passes, cannot_tell), Status.UNVERIFIED, 3),
        ((passes, breaks), Status.ERROR, 3),
        ((passes, silent, cannot_tell), Status.ERROR, 3),
    ],
)
def test_exit_code_of_the_contract(
    checks: tuple[Check, ...], status: Status, exit_code: int
) -> None:
    verdict = verdict_of(*checks)
    assert verdict.status is status
    assert verdict.exit_code == exit_code


def test_json_of_the_contract_follows_its_schema() -> None:
    verdict = json.loads(to_json(verdict_of(passes, fails, depends, cannot_tell, breaks)))
    jsonschema.validate(verdict, json_schema())
    assert verdict["points"] == 2
    assert verdict["points_max"] == 6
    assert [check["status"] for check in verdict["checks"]] == [
        "passed",
        "failed",
        "skipped",
        "unverified",
        "error",
    ]
    assert verdict["checks"][1] | {"duration_ms": 0} == {
        "id": "fails",
        "title": "Ceci échoue.",
        "status": "failed",
        "points": 0,
        "points_max": 1,
        "finding": "constat",
        "cause": "cause",
        "fix": "remède",
        "fix_lines": [],
        "fix_commands": ["true"],
        "duration_ms": 0,
    }


def test_the_checker_breaking_is_never_the_learners_failure() -> None:
    result = verdict_of(breaks).check("breaks")
    assert result.status is Status.ERROR
    assert "vérificateur" in result.finding
    assert "pas une erreur de votre part" in result.cause


def test_a_transient_failure_is_asked_again_until_it_settles() -> None:
    looks = []

    @verification()
    def settles(cluster: Cluster) -> Diagnostic | None:
        """Ceci s’arrange."""
        looks.append(1)
        return None if len(looks) == 3 else Diagnostic("en cours", "", "", transient=True)

    assert verdict_of(settles, seconds=10).status is Status.PASSED
    assert len(looks) == 3


def test_a_wait_says_what_it_waits_for() -> None:
    looks, waited = [], []

    @verification()
    def settles(cluster: Cluster) -> Diagnostic | None:
        """Ceci s’arrange."""
        looks.append(1)
        return (
            None
            if len(looks) == 2
            else Diagnostic("L’image se télécharge.", "", "", transient=True)
        )

    def waits(diagnostic: Diagnostic) -> None:
        waited.append(diagnostic.finding)

    run(FakeLab(settles), Nobody(), refresh=lambda: None, seconds=10, on_wait=waits)  # type: ignore[arg-type]
    assert waited == ["L’image se télécharge."]


def test_a_lasting_failure_is_told_at_once() -> None:
    looks = []

    @verification()
    def lasts(cluster: Cluster) -> Diagnostic | None:
        """Ceci dure."""
        looks.append(1)
        return Diagnostic("faux", "", "")

    assert verdict_of(lasts, seconds=10).status is Status.FAILED
    assert len(looks) == 1


def test_the_published_schema_is_the_current_one() -> None:
    current = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == current, f"write it again: {SCHEMA}"
