"""A quantity is the number that the Kubernetes client library reads in it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from checks.doctor.quantities import amount

_NUMBERS = st.one_of(
    st.integers(-(10**6), 10**12).map(str),
    st.decimals(-1000, 10**6, places=3).map(str),
    st.sampled_from(["", ".5", "5.", "1e3", "2E-3", "x", "1e", "0", "+3"]),
)
_SUFFIXES = st.sampled_from(
    [
        *[
            "",
            "n",
            "u",
            "m",
            "k",
            "K",
            "M",
            "G",
            "T",
            "P",
            "E",
            "Ki",
            "Mi",
            "Gi",
            "Ti",
            "Pi",
            "Ei",
            "ki",
            "mi",
            "ni",
            "i",
            "Xi",
            "B",
            "MB",
            "e",
        ],
        " ",
    ]
)


def _read(quantity: str) -> Decimal | None:
    try:
        return Decimal(parse_quantity(quantity))  # type: ignore[no-untyped-call]  # the stubs leave its types out
    except ValueError:
        return None


@given(_NUMBERS, _SUFFIXES)
def test_a_quantity_is_what_the_client_library_reads(number: str, suffix: str) -> None:
    expected = _read(number + suffix)
    if expected is None:
        with pytest.raises(ValueError, match="not a quantity"):
            amount(number + suffix)
    else:
        assert amount(number + suffix) == expected
