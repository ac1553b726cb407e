"""The drawn path agrees with the sentences: for each mistake of the corpus, and for mistakes that
meet."""

from __future__ import annotations

import random

import pytest

from checks.lab import Lab, all_labs, find_lab
from tests.support.drawn_path import FRAGILE, STOPS, TOO_OPEN, agrees, drawn, played

LABS = list(all_labs())
each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.short_name)


@each_lab
def test_each_sentence_has_its_place_on_the_path(lab: Lab) -> None:
    places = [name for hop in lab.about.path for name in hop.drawn]
    assert len(places) == len(set(places))
    assert {check.id for check in lab.checks} - set(places) <= {lab.checks[-1].id}, (
        "only the last may stand apart"
    )


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


def test_another_way_does_not_stop_with_the_first() -> None:
    lab = find_lab("tp9")
    lines = drawn(lab, played(lab, "le_tunnel_mene_a_mongodb"))
    assert [line for line in lines if "✘" in line] == [
        f"│ ✘ kubectl port-forward, sans passer par le Service   {STOPS}"
    ]
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
    lines = drawn(
        lab, played(lab, "le_proxy_vise_la_base_du_collegue", "un_tunnel_ecoute_sur_votre_poste")
    )
    assert lines[1] == "│ · kubectl port-forward"
    assert lines[3] == f"│ ✘ socat, puis le DNS du cluster   {STOPS}"
