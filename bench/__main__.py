"""`python -m bench`: measure, show the ratios, write the results and their picture."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from bench import figure, results
from bench.classroom import clear
from bench.report import table
from bench.session import Session, Steps
from checks.access.kubernetes_api import Api
from checks.errors import CahierError
from checks.local_sspcloud import kind
from checks.local_sspcloud.progress import TerminalProgress
from checks.render.problem import show


def main() -> int:
    """The exit code."""
    options = _options()
    os.environ["PATH"] = (
        # this cahier, this kubectl
        f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    # as Ctrl-C does: what was made is removed
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    try:
        admin = kind.create(TerminalProgress())
        console = Console(stderr=True, highlight=False)
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            steps = _steps(progress)
            with steps("Ce qu’une mesure interrompue a laissé", 0) as step:
                clear(Api(str(admin)), step)
            sample = options.personnes if options.complet else min(options.personnes, 10)
            found = Session(admin, steps, options.personnes, sample, options.grandes).measure()
    except CahierError as error:
        show(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nInterrompu.", file=sys.stderr)
        return 130
    results.write(found, options.sortie)
    kept = results.read(options.sortie)  # rounded: the picture and the page tell the same figures
    figure.draw(kept, options.images)
    Console(highlight=False).print(table(kept))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--personnes",
        type=int,
        default=30,
        metavar="N",
        help="learners of the class whose pods run",
    )
    parser.add_argument(
        "--complet",
        action="store_true",
        help="run every script of the class, not ten learners' only",
    )
    parser.add_argument(
        "--grandes", type=_sizes, default=(300, 1000), metavar="N,N", help="namespaces without pods"
    )
    parser.add_argument(
        "--sortie", type=Path, default=results.FILE, metavar="FILE", help="where the figures go"
    )
    parser.add_argument(
        "--images",
        type=Path,
        default=figure.FOLDER,
        metavar="FOLDER",
        help="where the picture goes",
    )
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(word) for word in text.split(",")))


def _steps(progress: Progress) -> Steps:
    @contextmanager
    def steps(words: str, total: int) -> Iterator[Callable[[int], None]]:
        if not progress.console.is_terminal:
            progress.console.print(f"{words}…")
        task = progress.add_task(words, total=total or None)
        yield lambda done: progress.update(task, completed=done)
        progress.update(task, total=total or 1, completed=total or 1)

    return steps


if __name__ == "__main__":
    sys.exit(main())
