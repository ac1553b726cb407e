"""The picture of the results, once for a light page and once for a dark one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import number, ratio, seconds
from bench.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER = Path(__file__).parent.parent / "docs" / "assets"
_INK = {"clair": "#1b1f2a", "sombre": "#e6e8ef"}
_OURS = {"clair": "#3f51b5", "sombre": "#8c9eff"}
_THEIRS = {"clair": "#8a8d98", "sombre": "#9a9eab"}

_TICKS = {0.1: "0,1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min"}


def draw(results: Results, folder: Path) -> None:
    """Write `mesures-clair.svg` and `mesures-sombre.svg`: the same picture, for either page."""
    for page in _INK:
        _draw(results, folder / f"mesures-{page}.svg", page)


def _draw(results: Results, path: Path, page: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ink = _INK[page]
    with mpl.rc_context(
        {
            "svg.fonttype": "none",  # words stay words
            "svg.hashsalt": "cahier",  # the same results make the same file
            "font.family": "sans-serif",
            "font.size": 11,
            "text.color": ink,
            "axes.labelcolor": ink,
            "axes.edgecolor": ink,
            "xtick.color": ink,
            "ytick.color": ink,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    ):
        rows = 1 + sum(lab.right for lab in results.labs)
        figure = Figure(figsize=(8, 3.4 + rows), layout="constrained")
        parts = figure.subplot_mosaic(
            [["compared", "compared"], ["time", "memory"]], height_ratios=[rows, 3.4]
        )
        time, memory = parts["time"], parts["memory"]
        _bars(parts["compared"], results, page)
        sizes = [one.learners for one in results.scale]
        _line(
            time,
            "cahier noter : durée",
            sizes,
            [one.cost.wall for one in results.scale],
            seconds,
            page,
        )
        _line(
            memory,
            "cahier noter : mémoire",
            sizes,
            [one.cost.memory for one in results.scale],
            lambda value: f"{number(value)} Mio",
            page,
            limit=500,
        )
        figure.savefig(path, transparent=True, metadata={"Date": None})


def _bars(axes: Axes, results: Results, page: str) -> None:
    room = results.classroom
    pairs = [
        *(
            (f"un TP ({lab.lab})", lab.ours.wall, lab.script.wall)
            for lab in results.labs
            if lab.right
        ),
        (f"{room.learners} personnes,\n{room.labs} TP", room.ours.wall, room.script.wall),
    ]
    for place, (_, ours, theirs) in enumerate(pairs):
        for offset, value, words, color in (
            (-0.2, ours, f"cahier, {seconds(ours)} ({ratio(ours, theirs)})", _OURS[page]),
            (0.2, theirs, f"scripts kubectl, {seconds(theirs)}", _THEIRS[page]),
        ):
            axes.barh(place + offset, value, height=0.36, color=color)
            axes.annotate(
                words,
                (value, place + offset),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
            )
    axes.set_yticks(range(len(pairs)), [words for words, _, _ in pairs])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(0.1, max(theirs for _, _, theirs in pairs) * 20)
    axes.set_xticks(list(_TICKS), list(_TICKS.values()), minor=False)
    axes.set_xticks([], minor=True)
    axes.set_title("Durée, échelle logarithmique", loc="left")


def _line(
    axes: Axes,
    title: str,
    sizes: Sequence[int],
    values: Sequence[float],
    told: Callable[[float], str],
    page: str,
    limit: float = 0,
) -> None:
    axes.plot(sizes, values, marker="o", color=_OURS[page])
    for size, value in zip(sizes, values, strict=True):
        axes.annotate(
            told(value), (size, value), xytext=(0, 9), textcoords="offset points", ha="center"
        )
    if limit:
        axes.axhline(limit, color=_THEIRS[page], linestyle="--")
    axes.set_xlim(0, max(sizes) * 1.15)
    axes.set_ylim(0, max(limit, *values) * 1.25)
    axes.set_xticks(list(sizes), [number(size) for size in sizes])
    axes.yaxis.set_major_formatter(lambda value, _place: told(value))
    axes.set_xlabel("personnes")
    axes.set_title(title, loc="left")
