"""The corpus without a cluster: each case that was recorded on one is told again in the same words
by its checks.

What no snapshot can answer (a tunnel, an exchange, a probe) keeps the answer that it had; the rest
is asked again.
"""

from __future__ import annotations

import ipaddress
import lzma
import os
import re
from collections.abc import Iterator
from functools import cache

import msgspec
import pytest

from checks.demo.recording import read
from checks.demo.replay import Replayed, replayed
from checks.lab import Lab, all_labs, find_lab
from checks.verdict import Status
from tests.support import findings, recorded
from tests.support.recorded import Corpus, Recorded, asked_again, difference, differences, told

LABS = list(all_labs())
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
_NOBODY = {"le_cluster_vous_reconnait"}  # fails where nobody is let in: there is nothing to record
REWRITES = "CAHIER_CONSTATS" in os.environ
_REMEDY = (
    "si c’est voulu : make reworded ; s’il faut jouer les cas de nouveau : make snapshots LABS={}"
)


@cache
def corpus(name: str) -> tuple[Lab, Corpus]:
    """A lab by its short name, and its cases that were recorded."""
    lab = find_lab(name)
    return lab, recorded.read(lab)


CASES = [(lab.short_name, case) for lab in LABS for case in corpus(lab.short_name)[1]]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{case}" for name, case in CASES])
def test_each_sentence_says_what_it_said(name: str, case: str) -> None:
    lab, them = corpus(name)
    before, now = them[case], asked_again(lab, them[case])
    if REWRITES:
        _rewrite(lab, case, before, now)
        return
    changed = [*differences(before, now), *_from_the_lesson(lab, case, before, now)]
    if changed:
        pytest.fail(
            "\n\n".join([f"{name}, {case} ({_REMEDY.format(name)})", *changed]), pytrace=False
        )


def _from_the_lesson(lab: Lab, case: str, before: Recorded, now: Replayed) -> Iterator[str]:
    """What differs from the lesson under review, where the snapshot tells it as it did."""
    first = _reviewed(case, before, now)
    if first is not None and told(now.verdict.check(first)) == told(before.verdict.check(first)):
        kept = findings.path(lab, case.removeprefix("erreurs/")).read_text(encoding="utf-8")
        yield from difference(f"{first} : constat.md", kept, told(now.verdict.check(first)))


def _reviewed(case: str, before: Recorded, now: Replayed) -> str | None:
    """The check whose lesson is reviewed, None where no snapshot tells it as the cluster does."""
    failed = [one.id for one in now.verdict.checks if one.status is Status.FAILED]
    told_here = (
        case.startswith("erreurs/") and failed and failed[0] not in {*now.kept, *before.otherwise}
    )
    return failed[0] if told_here else None


def _rewrite(lab: Lab, case: str, before: Recorded, now: Replayed) -> None:
    """Write again what is told in other words; a status that changes is for a cluster to tell."""
    assert now.verdict.statuses == before.verdict.statuses, f"make snapshots LABS={lab.short_name}"
    assert set(now.kept) <= set(before.kept), f"make snapshots LABS={lab.short_name}"
    if any(differences(before, now)):
        again = msgspec.structs.replace(before, verdict=recorded.without_time(now.verdict))
        recorded.change(lab, lambda them: them.__setitem__(case, again))
    first = _reviewed(case, before, now)
    if first is not None:
        text = told(now.verdict.check(first))
        findings.path(lab, case.removeprefix("erreurs/")).write_text(text, encoding="utf-8")


@each_lab
def test_each_mistake_that_objects_show_is_recorded(lab: Lab) -> None:
    """Those that fail a check which a snapshot has answered, in the demonstration or in another
    case."""
    _, them = corpus(lab.short_name)
    if not them:
        pytest.skip(
            f"THIS LAB IS NOT REPLAYED, it was never recorded: make snapshots LABS={lab.short_name}"
        )
    seen = [replayed(lab, part) for part in read(lab).parts]
    answers = {
        name
        for one in seen
        for name, status in one.verdict.statuses.items()
        if status is not Status.SKIPPED
    }
    answers -= {*_NOBODY, *(name for one in seen for name in one.kept)}
    shown = [
        f"erreurs/{name}" for name, case in lab.cases("erreurs").items() if case.fails in answers
    ]
    assert [case for case in shown if case not in them] == [], (
        f"make snapshots LABS={lab.short_name}"
    )
    assert set(them) <= set(recorded.cases(lab))


@each_lab
def test_a_recording_tells_nothing_that_is_private_and_is_small(lab: Lab) -> None:
    _, them = corpus(lab.short_name)
    if not them:
        return
    packed = recorded.path(lab).read_bytes()
    assert len(packed) < 100_000
    text = lzma.decompress(packed).decode()
    for private in (
        r"-----BEGIN",
        r"\beyJ[\w-]{16,}",
        r"(?i)bearer ",
        r"/root\b",
        r"/home/\w",
        r"/Users/\w",
        r"/tmp/(?:pytest|cahier|tmp)",
    ):
        assert not re.search(private, text), private
    for address in set(re.findall(r"(?<![:\d.])\d{1,3}(?:\.\d{1,3}){3}\b", text)):
        assert ipaddress.ip_address(address).is_private or address == "0.0.0.0", address
    for one in them.values():
        views = one.snapshot.local.views.values() if one.snapshot.local else ()
        for seen in (one.snapshot, *filter(None, views)):
            assert all(set(secret) == {"metadata"} for secret in seen.objects.get("Secret", ()))


def test_a_sentence_that_changes_is_shown_before_and_after() -> None:
    lab, them = corpus("tp5")
    case = them["erreurs/autre_nom_de_pod"]
    now = asked_again(lab, case)
    first, *others = case.verdict.checks
    other = msgspec.structs.replace(first, finding="Autre chose.")
    before = msgspec.structs.replace(
        case, verdict=msgspec.structs.replace(case.verdict, checks=(other, *others))
    )
    assert list(differences(case, now)) == []
    (shown,) = differences(before, now)
    name, *lines = shown.splitlines()
    assert name == first.id
    assert lines == [
        "--- avant",
        "+++ après",
        "-**Constat.** Autre chose.",
        f"+**Constat.** {first.finding}",
    ]


def test_what_the_recording_does_not_hold_is_not_taken_for_told() -> None:
    lab, them = corpus("tp5")
    case = them["erreurs/autre_nom_de_pod"]
    poorer = msgspec.structs.replace(
        case, snapshot=msgspec.structs.replace(case.snapshot, objects={})
    )
    lost = list(differences(poorer, asked_again(lab, poorer)))
    assert lost[0].startswith("le_proxy_existe : l’enregistrement ne contient pas")
