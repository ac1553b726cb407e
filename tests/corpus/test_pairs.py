"""Two faults at once, as learners meet them: following only the first red sentence and its printed
remedy leads to green, in as many rounds as there are faults and one more, without losing a green.

Which mistakes of a lab can stand together is told by what they change. A seeded draw is played, of
each lab some; CAHIER_PAIRES=100 plays more, 0 all of them (many hours), CAHIER_GRAINE draws others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from checks.errors import CahierError
from checks.lab import all_labs, find_lab
from checks.stage import Person, Stage
from tests.support import laws, pairs
from tests.support.pairs import Mistakes, Pair

LABS = list(all_labs())


@pytest.mark.cluster
@pytest.mark.parametrize("pair", pairs.drawn(LABS), ids=str)
def test_remedies_followed_one_by_one_repair_two_faults(
    pair: Pair, stage: Callable[..., Stage], tmp_path: Path
) -> None:
    played = stage(pair.lab, pair.work.case, pair.work.files)
    played.folder = laws.begun(played, pair.work.files, tmp_path)
    try:
        laws.set_work(played, pair.work.files, pair.work.case)
    except CahierError as refusal:
        pytest.skip(f"THESE TWO CANNOT STAND TOGETHER: {refusal.message}")
    laws.remedies_followed_one_by_one_repair(played, pairs.FAULTS)


# -- which can stand together ----------------------------------------------------------------------


def test_every_lab_is_played_and_a_quick_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CAHIER_PAIRES", "CAHIER_GRAINE"):
        monkeypatch.delenv(name, raising=False)
    drawn = pairs.drawn(LABS)
    counts = Counter(pair.lab.short_name for pair in drawn)
    assert counts.total() == 30
    assert min(counts[lab.short_name] for lab in LABS) >= 2
    assert [str(pair) for pair in pairs.drawn(LABS)] == [str(pair) for pair in drawn]
    monkeypatch.setenv("CAHIER_GRAINE", "7")
    assert {str(pair) for pair in pairs.drawn(LABS)} != {str(pair) for pair in drawn}


def standing(lab: str, one: str, other: str) -> Pair | None:
    """The two of them, None where they cannot stand together."""
    return next(Mistakes(find_lab(lab)).standing([(one, other)]), None)


def test_what_is_changed_in_other_lines_stands_together() -> None:
    pair = standing("tp7", "liveness_mauvais_port", "sans_fork")
    assert pair is not None
    (text,) = pair.work.files.values()
    assert "fork" not in text
    assert "port: 8080" in text
    assert pair.work.case.commands == find_lab("tp7").cases("erreurs")["sans_fork"].commands


def test_what_is_changed_in_the_same_place_does_not() -> None:
    assert standing("tp7", "nom_court", "mauvais_namespace") is None


def test_commands_come_one_after_the_other() -> None:
    pair = standing("tp8", "equipe_de_deux", "pod_de_test_termine")
    assert pair is not None
    cases = find_lab("tp8").cases("erreurs")
    assert pair.work.case.then == (
        *cases["equipe_de_deux"].then,
        *cases["pod_de_test_termine"].then,
    )
    assert standing("tp3", "pas_de_tunnel", "tunnel_vers_un_autre_port") is None, (
        "one tunnel is not two"
    )
    assert standing("tp2", "pod_remplace", "zero_exemplaire") is None, (
        "no pod will ever be ready, for which the first waits"
    )


# -- what the law sees -----------------------------------------------------------------------------


def followed(monkeypatch: pytest.MonkeyPatch, *seen: str, remedy: Sequence[str] = ("true",)) -> str:
    """What the law says of these verdicts in a row, a letter a check: p(assed), f(ailed) or
    s(kipped); "" where it holds."""
    words = {"p": "passed", "f": "failed", "s": "skipped", "u": "unverified"}

    def verdict(letters: str) -> dict[str, Any]:
        told = [
            {"id": f"c{rank}", "status": words[one], "finding": "", "fix_commands": list(remedy)}
            for rank, one in enumerate(letters)
        ]
        passed = set(letters) == {"p"}
        return {"status": "passed" if passed else "failed", "checks": told}

    coming = iter([seen[0], *seen])
    monkeypatch.setattr(laws, "verify", lambda stage, delay="": verdict(next(coming)))
    stage = Stage(find_lab("tp2"), Person("user-alice", Path("kubeconfig")))
    monkeypatch.setattr(stage, "run", lambda commands: None)
    try:
        laws.remedies_followed_one_by_one_repair(stage, pairs.FAULTS)
    except AssertionError as broken:
        return str(broken)
    return ""


def test_the_law_counts_rounds_and_sees_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert followed(monkeypatch, "ffs", "pfs", "ppp") == ""
    assert followed(monkeypatch, "ffs", "pfs", "ppf", "ppp") == "", "one more round is allowed"
    assert "still red after 3 rounds" in followed(monkeypatch, "ff", "pf", "pf", "pf")
    assert "turns green into red: c1" in followed(monkeypatch, "fp", "pf")
    assert "turns green into red: c0" in followed(monkeypatch, "ff", "pf", "fp")
    assert "prints no remedy" in followed(monkeypatch, "fp", remedy=())
    assert "nothing is red" in followed(monkeypatch, "pu")
