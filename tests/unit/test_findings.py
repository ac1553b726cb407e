"""Every mistake of the labs has its place on the site, and a verdict knows where."""

from __future__ import annotations

import io
from email.message import Message

import msgspec
import pytest
from rich.console import Console

from checks import installation
from checks.demo.recording import read
from checks.findings import PAGE, address, check_anchor, findings, place
from checks.lab import Lab, all_labs
from checks.render import card, terminal, wording
from checks.verdict import CheckResult, Status

LABS = all_labs()
IDS = [lab.short_name for lab in LABS]


def test_each_mistake_is_told_once_under_a_name_of_its_own() -> None:
    told = [one for lab in LABS for one in findings(lab)]
    cases = [
        (lab.name, name)
        for lab in LABS
        for name, case in lab.cases("erreurs").items()
        if case.fails
    ]
    assert sorted((one.lab.name, one.name) for one in told) == sorted(cases)
    anchors = [one.anchor for one in told]
    anchors += {check_anchor(one.lab, one.check) for one in told}
    assert len(anchors) == len(set(anchors))


@pytest.mark.parametrize("lab", LABS, ids=IDS)
def test_the_address_of_a_finding_is_that_of_its_cause(lab: Lab) -> None:
    known = findings(lab)
    for one in known:
        result = _failed(one.check.id, one.cause)
        page, _, anchor = place(known, result).partition("#")
        assert page == PAGE
        found = next(other for other in known if other.anchor == anchor)
        assert (found.check.id, found.cause) == (one.check.id, one.cause)


@pytest.mark.parametrize("lab", LABS, ids=IDS)
def test_what_a_recorded_verdict_found_has_its_address(lab: Lab) -> None:
    known = {one.check.id: check_anchor(lab, one.check) for one in findings(lab)}
    for result in read(lab).parts[0].verdict.checks:
        where = address(lab, result)
        if result.status is not Status.FAILED or result.id not in known:
            assert where == ""
        else:
            assert where.startswith(PAGE)


def test_another_cause_leads_to_the_sentence_and_a_right_answer_nowhere() -> None:
    lab = LABS[4]
    first = findings(lab)[0]
    result = _failed(first.check.id, "Une cause que personne n’a commise.")
    assert address(lab, result) == f"{PAGE}#{check_anchor(lab, first.check)}"
    assert address(lab, msgspec.structs.replace(result, status=Status.PASSED)) == ""
    assert address(lab, _failed("une_verification_sans_erreur", "")) == ""


def _failed(identifier: str, cause: str) -> CheckResult:
    return CheckResult(
        id=identifier, title="", status=Status.FAILED, points=0, points_max=1, cause=cause
    )


SITE = "https://equipe.github.io/cahier/"


@pytest.mark.parametrize("known", [SITE, ""])
def test_a_verdict_leads_to_the_site_where_there_is_one(
    known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wording, "documentation", lambda: known)
    lab = LABS[4]
    part = read(lab).parts[0]
    with io.StringIO() as shown:
        console = Console(file=shown, width=40)
        site = wording.online(lab, part.verdict)
        terminal.show(console, lab, part.verdict, part.diagnostics, site=site)
        said = shown.getvalue()
    on_card = card.page(lab, part.verdict, part.diagnostics, site=site)
    first = next(one for one in part.verdict.checks if one.status is Status.FAILED)
    link = f"{SITE}{address(lab, first)}"
    assert (f"Sur le site : {link}\n" in said, f'href="{link}"' in on_card) == (
        bool(known),
        bool(known),
    )
    assert known or "Sur le site" not in said + on_card
    assert wording.online(lab, read(lab).parts[1].verdict) == ""


def test_the_address_of_the_site_is_that_of_the_distribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = Message()
    said["Project-URL"] = "Source, https://github.com/equipe/cahier"
    monkeypatch.setattr("checks.installation.metadata.metadata", lambda name: said)
    assert installation.documentation() == ""
    said["Project-URL"] = f"Documentation, {SITE}"
    assert installation.documentation() == SITE
