"""The drawn path agrees with the sentences: for each mistake of the corpus, and for mistakes that meet."""

from __future__ import annotations

import random

import msgspec
import pytest

from checks.drawing import steps
from checks.lab import Lab, all_labs, find_lab
from checks.verdict import Diagnostic, Status, Verdict, overall
from tests.screen import verdict

LABS = list(all_labs())
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)
STOPS, TOO_OPEN, FRAGILE = "← le chemin s’arrête ici", "← trop ouvert", "← ne tiendra pas"


def played(lab: Lab, *failing: str) -> Verdict:
    """The verdict where the checks of `failing` fail, those that are asked."""
    statuses: dict[str, Status] = {}
    for check in lab.checks:
        blocked = any(statuses[one.id] is not Status.PASSED for one in check.after)
        asked = Status.FAILED if check.id in failing else Status.PASSED
        statuses[check.id] = Status.SKIPPED if blocked else asked
    model = verdict(lab, "", Diagnostic("", "", ""))
    checks = tuple(msgspec.structs.replace(one, status=statuses[one.id]) for one in model.checks)
    return msgspec.structs.replace(model, checks=checks, status=overall(list(statuses.values())))


def drawn(lab: Lab, shown: Verdict) -> list[str]:
    return [
        f"{'' if step.is_station else '│ '}{step.symbol} {step.words}" + (f"   ← {step.note}" if step.note else "")
        for step in steps(lab.about.path, shown.statuses)
    ]


def agrees(lab: Lab, shown: Verdict) -> None:
    """The law: the first red of the path is where the first red sentence has its place."""
    lines = drawn(lab, shown)
    red = next((line for line in lines if "✘" in line), "")
    first = next((one.id for one in shown.checks if one.status is Status.FAILED), "")
    hop = next((hop for hop in lab.about.path if first in hop.drawn), None)
    if hop is None:
        assert red == "", lines
        return
    on_the_way = first in (*hop.checks, *hop.closed)
    assert (hop.link if on_the_way else hop.place) in red, lines
    stopping = hop.checks if on_the_way else hop.stands
    stopped = any(shown.check(name).status is Status.FAILED for name in stopping)
    assert red.endswith(STOPS) is stopped, lines


@each_lab
def test_each_sentence_has_its_place_on_the_path(lab: Lab) -> None:
    places = [name for hop in lab.about.path for name in hop.drawn]
    assert len(places) == len(set(places))
    assert {check.id for check in lab.checks} - set(places) <= {lab.checks[-1].id}, "only the last may stand apart"


@each_lab
def test_the_first_red_is_the_first_red_sentence(lab: Lab) -> None:
    names = [check.id for check in lab.checks]
    agrees(lab, played(lab))
    agrees(lab, played(lab, *lab.about.start.fails))
    for name in names:
        agrees(lab, played(lab, name))
    chance = random.Random(lab.name)
    for _ in range(200):
        agrees(lab, played(lab, *chance.sample(names, chance.randint(2, len(names)))))


@each_lab
def test_all_is_reached_where_nothing_is_wrong(lab: Lab) -> None:
    lines = drawn(lab, played(lab))
    assert not [line for line in lines if any(mark in line for mark in "✘·○")]


def test_what_is_too_open_stops_nobody() -> None:
    lab = find_lab("tp4")
    lines = drawn(lab, played(lab, "un_troisieme_namespace_est_refuse"))
    assert [line for line in lines if "✘" in line] == [f"│ ✘ vos NetworkPolicies   {TOO_OPEN}"]
    assert lines[-1].startswith("●")


def test_what_will_not_last_stops_nobody_yet() -> None:
    lab = find_lab("tp7")
    lines = drawn(lab, played(lab, "l_image_porte_une_etiquette_precise"))
    assert [line for line in lines if "✘" in line] == [f"✘ pods du Deployment pg-proxy   {FRAGILE}"]
    assert lines[-1].startswith("●")


def test_a_name_that_was_only_read_is_not_ticked() -> None:
    lab = find_lab("tp5")
    lines = drawn(lab, played(lab, "la_base_repond_a_travers_le_proxy"))
    assert "│ · socat, puis le DNS du cluster" in lines
    assert not [line for line in lines if "✔ socat" in line]


def test_what_is_met_before_the_first_red_sentence_is_left_open() -> None:
    lab = find_lab("tp5")
    lines = drawn(lab, played(lab, "le_proxy_vise_la_base_du_collegue", "un_tunnel_ecoute_sur_votre_poste"))
    assert lines[1] == "│ · kubectl port-forward"
    assert lines[3] == f"│ ✘ socat, puis le DNS du cluster   {STOPS}"
