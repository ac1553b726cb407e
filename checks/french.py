"""Numbers, durations, dates and lists, as one says them in French; and the platform's own words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

SCRIPT_PAGE = "« Connexion à Kubernetes »"
"""The page of the platform that gives the script of a kubeconfig, in « Mon compte »."""


def number(value: float) -> str:
    """A number, with a decimal comma when there is one."""
    return f"{value:g}".replace(".", ",")


def plural(count: int, words: str) -> str:
    """`count` and the words, which take their s from two on; an adverb takes none."""
    several = " ".join(word if word.endswith("ment") else f"{word}s" for word in words.split())
    return f"{count} {several if count > 1 else words}"


def day(moment: float) -> str:
    """A date, from seconds since 1970."""
    return f"{datetime.fromtimestamp(moment):%d/%m/%Y}"


def moment(when: datetime) -> str:
    """A date and its hour, on this machine's clock."""
    return f"{when.astimezone():%d/%m/%Y à %H h %M}"


def duration(span: timedelta) -> str:
    """About how long, in the largest unit of which there are two."""
    seconds = span.total_seconds()
    for size, unit in ((86400, "jours"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def span(length: timedelta) -> str:
    """How long, to the minute below two days, to the hour beyond: « 2 h 10 », « 3 jours 4 h »."""
    whole = int(length.total_seconds() // 60)
    hours, rest = divmod(whole, 60)
    if hours >= 48:
        return f"{hours // 24} jours" + (f" {hours % 24} h" if hours % 24 else "")
    if hours:
        return f"{hours} h" + (f" {rest:02}" if rest else "")
    return f"{rest} min" if rest else "moins d’une minute"


def minutes(span: timedelta) -> str:
    """Whole minutes."""
    return (
        plural(count, "minute")
        if (count := int(span.total_seconds() // 60))
        else "moins d’une minute"
    )


def enumeration(words: Sequence[str]) -> str:
    """One word or more, « et » before the last one."""
    *first, last = words
    return f"{', '.join(first)} et {last}" if first else last


def quoted(names: Sequence[str]) -> str:
    """One name or more between guillemets, « et » before the last one."""
    return enumeration([f"« {name} »" for name in names])
