"""NO_PROXY excludes what it excludes for the Kubernetes client library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.client.rest import should_bypass_proxies  # type: ignore[attr-defined]  # newer than the stubs

from checks.access.proxies import exclusion

_LABELS = st.sampled_from(["api", "cluster", "exemple", "fr", "Exemple", "a"])
_NAMES = st.lists(_LABELS, min_size=1, max_size=3).map(".".join)
_V4 = st.ip_addresses(v=4).map(str)
_V6 = st.ip_addresses(v=6).map(str)
_HOSTS = st.one_of(_NAMES, _V4, _V6.map(lambda one: f"[{one}]"))
_PORTS = st.sampled_from(["", ":443", ":6443"])
_SERVERS = st.builds("https://{}{}{}".format, _HOSTS, _PORTS, st.sampled_from(["", "/api"]))
_RULES = st.one_of(
    st.builds("{}{}{}".format, st.sampled_from(["", ".", "..", " "]), _NAMES, _PORTS),
    st.builds("{}{}".format, _V4, _PORTS),
    st.builds("{}/{}".format, _V4, st.integers(0, 33)),
    st.builds("{}/{}".format, _V6, st.integers(0, 129)),
    _V6,
    st.sampled_from(["*", "", " ", "*.fr", "fr", ".", "/", "127.0.0.1"]),
)


@given(_SERVERS, _RULES)
def test_a_rule_excludes_what_it_excludes_for_the_client_library(server: str, rule: str) -> None:
    assert bool(exclusion(server, rule)) == (
        bool(rule.strip()) and should_bypass_proxies(server, rule)
    )


@given(_SERVERS.flatmap(lambda server: st.tuples(st.just(server), st.lists(_RULES, max_size=4))))
def test_the_rule_that_is_told_is_the_first_that_excludes(case: tuple[str, list[str]]) -> None:
    server, rules = case
    told = exclusion(server, ",".join(rules))
    assert told == next((one.strip() for one in rules if exclusion(server, one)), "")


@pytest.mark.parametrize(
    ("server", "rules", "told"),
    [
        ("https://10.1.2.3:6443", "localhost, 10.0.0.0/8", "10.0.0.0/8"),
        ("https://api.exemple.fr", ".exemple.fr", ".exemple.fr"),
        ("https://exemple.fr", ".exemple.fr", ".exemple.fr"),
        ("https://monexemple.fr", "exemple.fr", ""),
        ("https://api.exemple.fr:6443", "api.exemple.fr:443", ""),
        ("https://api.exemple.fr:6443", "api.exemple.fr:6443", "api.exemple.fr:6443"),
        ("https://[fd00::1]:6443", "fd00::/8", "fd00::/8"),
        ("https://api.exemple.fr", "", ""),
        ("https://api.exemple.fr", "*", "*"),
    ],
)
def test_which_rule_excludes(server: str, rules: str, told: str) -> None:
    assert exclusion(server, rules) == told
