"""Kubernetes quantities: `500m`, `2Gi`, `1e3`.

Their grammar is that of
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/; the tests compare
this to the Kubernetes client library, which weighs fifteen packages.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_DECIMAL = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "K": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_SUFFIX = re.compile(r"(?P<number>.*?)(?P<suffix>[KMGTPE]i|[numkKMGTPE]?)", re.DOTALL)


def amount(quantity: str) -> Decimal:
    """The number that a quantity stands for. Raises ValueError."""
    found = _SUFFIX.fullmatch(quantity)
    assert found is not None
    try:
        number = Decimal(found["number"])
    except InvalidOperation as error:
        raise ValueError(f"not a quantity: {quantity}") from error
    suffix = found["suffix"]
    if suffix in _BINARY:
        return number * Decimal(1024) ** _BINARY[suffix]
    return number * Decimal(10) ** _DECIMAL[suffix]
