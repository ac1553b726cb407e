"""The tunnels of a declared team in tp6: each is opened, and the one that is wrong names whose it
is. No namespace shows it: a base that is ready answers all those who have the right."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from checks.errors import Unverifiable
from checks.exchange.postgres import PostgresServer
from checks.facts import Colleague, ForwardRefused
from checks.lesson import told
from checks.render.wording import companion
from labs.tp6_role_rolebinding import their_tunnel

BOB, EMMA, FARID = (Colleague(f"user-{name}", f"oidc-{name}") for name in ("bob", "emma", "farid"))
OWN, ELSEWHERE = PostgresServer("empreinte"), PostgresServer("ailleurs")


def verdict(
    monkeypatch: pytest.MonkeyPatch,
    reached: dict[Colleague, PostgresServer | None],
    given: Sequence[Colleague] = (BOB, EMMA),
) -> str:
    """What is found when those of `reached` are invited: their tunnels lead to these servers, None
    to nothing; the access of the others is elsewhere."""

    def seen_by(_: Any, one: Colleague) -> Any:
        @contextlib.contextmanager
        def opened(pod: str, port: int) -> Iterator[PostgresServer]:
            server = reached[one]
            if server is None:
                raise ForwardRefused("refusé")
            yield server

        at_hand = reached[one] != ELSEWHERE
        return SimpleNamespace(kubectl_forward=opened) if at_hand else None

    monkeypatch.setattr(their_tunnel, "invited", lambda _: [(one, one) for one in reached])
    monkeypatch.setattr(their_tunnel, "shared_pods", lambda *_: [SimpleNamespace(name="base-1")])
    monkeypatch.setattr(their_tunnel, "as_colleague", seen_by)
    monkeypatch.setattr(their_tunnel, "identify", lambda server: server)
    monkeypatch.setattr(their_tunnel, "server_in", lambda *_: OWN)
    cluster: Any = SimpleNamespace(namespace="user-alice", colleagues=given)
    try:
        found = told(their_tunnel.tunnel_leads_elsewhere(cluster), cluster)
    except Unverifiable as reason:
        return f"unverified: {reason.message} {reason.remedy}"
    return found.finding if found else "passed"


def test_each_tunnel_is_opened_and_the_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict(monkeypatch, {BOB: OWN, EMMA: OWN}) == "passed"
    assert "de oidc-emma" in verdict(monkeypatch, {BOB: OWN, EMMA: None})
    other = PostgresServer("autre")
    assert "par oidc-emma" in verdict(monkeypatch, {BOB: OWN, EMMA: other, FARID: None})


def test_those_who_are_elsewhere_are_to_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    one = verdict(monkeypatch, {BOB: ELSEWHERE, EMMA: OWN})
    assert "que oidc-bob a ce droit" in one
    assert "sur son poste. Demandez-lui :" in one
    two = verdict(monkeypatch, {BOB: ELSEWHERE, EMMA: ELSEWHERE})
    assert "que oidc-bob et oidc-emma ont ce droit" in two
    assert "sur leurs postes. Demandez-leur :" in two
    assert "de oidc-emma" in verdict(monkeypatch, {BOB: ELSEWHERE, EMMA: None}), (
        "what is wrong comes first"
    )


def test_a_member_of_the_team_of_lab_8_is_tried_where_that_is_possible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert verdict(monkeypatch, {BOB: OWN, FARID: ELSEWHERE}, given=[BOB]) == "passed"
    assert "de oidc-farid" in verdict(monkeypatch, {BOB: OWN, FARID: None}, given=[BOB])


def test_a_verdict_is_headed_by_all_of_them() -> None:
    def headed(*those: Colleague) -> str:
        cluster: Any = SimpleNamespace(
            has_colleague=bool(those), colleague=those[0], colleagues=those
        )
        return companion(cluster)

    assert headed(BOB) == " · collègue : user-bob (oidc-bob)"
    assert headed(BOB, Colleague("user-zoe", "")) == (
        " · collègues : user-bob (oidc-bob), user-zoe"
    )
