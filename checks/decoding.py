"""What is decoded: types that several threads decode, and what a null means."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


def prepared(*kinds: type) -> None:
    """Have msgspec learn these types, and those of their fields, as their module is imported.

    It learns a type the first time that it decodes one, and two threads that have it do so
    together end the interpreter (msgspec 0.22: a segmentation fault in two runs of five).
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)


def without_nulls(value: object) -> object:
    """A document without what is null: for Kubernetes, that is as good as absent."""
    if isinstance(value, Mapping):
        return {str(key): without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value
