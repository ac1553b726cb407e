"""The corpus on other versions of Kubernetes: what is played, and what the site says of it. No
cluster is asked."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from engine import build, enforcer_image, private_engine
from tests.platform.versions import enforcers, record, report, sample
from tests.platform.versions.__main__ import differences, main
from tests.platform.versions.record import Count, Difference, Proof
from tests.support import operated
from tests.support.collected import collected

CASES = {"départs": ["tp1"], "erreurs": ["tp2-une", "tp2-deux", "tp2-trois", "tp2-quatre"]}


@pytest.mark.slow
def test_the_cases_that_are_drawn_are_tests_of_the_corpus() -> None:
    cases = sample.drawn("")
    assert cases == sample.drawn("") != sample.drawn("7")
    asked = sample.tests(cases)
    told = collected(*asked)
    assert len(asked) == len({*asked}) == sum(len(those) for those in cases.values())
    assert f"{len(asked)} tests collected" in told


def test_what_failed_what_was_skipped_and_what_was_not_played_are_differences() -> None:
    """A test that was played again is there twice; its last word counts."""
    mistake = "test_mistake_is_caught_and_its_remedy_repairs"
    found = differences(
        CASES,
        f"""<testsuites><testsuite>
        <testcase name="test_starter_fails_what_it_announces[tp1]"/>
        <testcase name="{mistake}[tp2-une]"/><testcase name="{mistake}[tp2-une]"/>
        <testcase name="{mistake}[tp2-deux]"/>
        <testcase name="{mistake}[tp2-deux]"><failure message="autre&#10;constat"/></testcase>
        <testcase name="{mistake}[tp2-trois]"><skipped message="sans cluster"/></testcase>
        </testsuite></testsuites>""",
    )
    assert [*found] == [
        Difference("erreurs tp2-deux", "autre\nconstat"),
        Difference("erreurs tp2-trois", "sans cluster"),
        Difference("erreurs tp2-quatre", "not played"),
    ]


def test_an_enforcer_that_is_not_known_makes_no_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAHIER_ENFORCER", "autre")
    monkeypatch.setattr(operated, "reason_for_none", lambda: "")
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: pytest.fail(str(words)))
    with pytest.raises(SystemExit):
        main(["v1.34.11"])
    assert "CAHIER_ENFORCER=autre: none, or one of kube-router" in capsys.readouterr().err


def decided(monkeypatch: pytest.MonkeyPatch, *enforced: bool) -> tuple[list[str], str]:
    """What is done to a cluster that kube-router is to decide on, where the two controls find
    policies `enforced`; and what it is called, "" where it was given up."""
    ran: list[str] = []
    answers = iter(enforced)
    monkeypatch.setattr(private_engine, "supply_enforcer", lambda progress: "its manifest")
    monkeypatch.setattr(enforcers, "Api", lambda kubeconfig: None)
    monkeypatch.setattr(enforcers, "enforces_policies", lambda api, namespace: next(answers))

    def run(command: list[object], *, input: str | None, **_: object) -> None:
        ran.append(" ".join([str(word) for word in command[5:]] + ([input] if input else [])))

    monkeypatch.setattr(subprocess, "run", run)
    try:
        return ran, enforcers.KNOWN["kube-router"](Path("admin"), Path("kubectl"))
    except SystemExit:
        return ran, ""


OURS_OFF = [
    "set env daemonset/kindnet ENFORCE_NETWORK_POLICY=false",
    "rollout status daemonset/kindnet --timeout=180s",
]


def test_another_enforcer_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, name = decided(monkeypatch, False, True)
    assert name == enforcer_image.program()
    assert ran == [
        *OURS_OFF,
        "apply --server-side --filename - its manifest",
        "rollout status daemonset/kube-router --timeout=180s",
    ]


def test_where_ours_goes_on_or_the_other_does_nothing_nothing_is_proven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert decided(monkeypatch, True) == (OURS_OFF, "")
    _, name = decided(monkeypatch, False, False)
    assert name == ""


def proof(kubernetes: str, day: int, *different: Difference, enforcer: str = record.OURS) -> Proof:
    counts = {"départs": Count(8, 8), "erreurs": Count(2, 30)}
    when = date(2026, 1, day)
    return Proof(kubernetes, kubernetes, enforcer, when, "", counts, different)


def test_a_proof_takes_the_place_of_the_one_before_it(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    other = proof("v1.37.2", 4, enforcer="kube-router v2.1.0")
    for one in (proof("v1.37.2", 1), other, proof("v1.9.0", 2), proof("v1.37.2", 3)):
        record.keep(one, file)
    assert [*record.read(file)] == [proof("v1.9.0", 2), proof("v1.37.2", 3), other]


def test_the_table_says_what_was_proven_and_what_differs() -> None:
    different = proof("v1.34.1", 2, Difference("erreurs tp2-deux", "autre\nconstat"))
    text = report.table([different, proof("v1.37.2", 3)])
    rows = [line for line in text.splitlines() if line.startswith("| v")]
    played = "le cahier, par `nftables` | 8 départs, 2 erreurs typiques sur 30"
    assert rows == [
        f"| v1.34.1 | v1.34.1 | {played} | 1 | 02/01/2026 |",
        f"| v1.37.2 | v1.37.2 | {played} | aucune | 03/01/2026 |",
    ]
    assert "- Avec v1.34.1, `erreurs tp2-deux` :\n\n    ```text\n    autre\n    constat" in text


def test_the_table_says_who_decides_where_it_is_not_ours() -> None:
    different = Difference("erreurs tp4-une", "autre constat")
    text = report.table([proof("v1.37.2", 4, different, enforcer="kube-router v2.1.0")])
    assert "| v1.37.2 | v1.37.2 | kube-router v2.1.0 | 8 départs" in text
    assert "- Avec v1.37.2 et kube-router v2.1.0, `erreurs tp4-une` :" in text


def test_the_committed_record_is_of_the_oldest_version_of_ours_and_of_another_enforcer() -> None:
    """Otherwise `make versions` is to be run again."""
    proofs = record.read()
    oldest, *_, ours = build.versions()
    assert {oldest, ours} <= {one.kubernetes for one in proofs}
    assert {one.enforcer for one in proofs} == {record.OURS, enforcer_image.program()}
    assert all(one.kubectl == one.kubernetes for one in proofs)
    assert all(count.played for one in proofs for count in one.counts.values())
