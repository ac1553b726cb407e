"""What Onyxia's web client (5.5) makes of a launch link, by its rules: each pair is split on its
only `=`, a value is `true`, `false`, `null`, `-`, a number, or a text between guillemets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

Value = bool | float | str | None
_PATH = re.compile(r"(?:\\.|[^.\\])+")


@dataclass(frozen=True)
class Form:
    """The form that a link opens: its service, the platform's own settings, the chart's values by
    their path."""

    instance: str
    chart: str
    settings: Mapping[str, str]
    values: Mapping[tuple[str, ...], Value]


def opened(link: str) -> Form:
    """The form of a link. Raises AssertionError where the page would not open."""
    address, question, query = link.partition("?")
    instance, launcher, chart = address.partition("/launcher/")
    assert question, link
    assert launcher, link
    assert len(chart.split("/")) == 2, link
    settings: dict[str, str] = {}
    values: dict[tuple[str, ...], Value] = {}
    for pair in query.split("&"):
        assert pair.count("=") == 1, pair
        key, value = pair.split("=")
        path = tuple(part.replace("\\.", ".") for part in _PATH.findall(unquote(key)))
        if len(path) == 1:
            assert key in ("name", "version", "s3", "shared", "autoLaunch"), key
            settings[key] = unquote(value)
        else:
            values[path] = _value(unquote(value))
    return Form(instance, chart, settings, values)


def _value(text: str) -> Value:
    plain: Mapping[str, Value] = {"true": True, "false": False, "null": None, "-": None}
    if text in plain:
        return plain[text]
    if text.startswith("«"):
        assert text.endswith("»"), text
        assert "»" not in text[1:-1], text
        return text[1:-1]
    assert not text[:1].isdigit() or text.replace(".", "", 1).isdigit(), text
    return float(text) if text[:1].isdigit() else text
