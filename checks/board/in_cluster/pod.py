"""The board of a class, in a pod: `python -m checks.board.in_cluster.pod`."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from checks import interruption
from checks.access.kubernetes_api import Api
from checks.board.board import Board
from checks.board.in_cluster.order import PORT, TOKEN, Order
from checks.board.in_cluster.place import Place
from checks.board.keeping import Keeper, since
from checks.board.pace import Pace
from checks.board.pages import Pages
from checks.board.server import serving
from checks.grading.history import History
from checks.grading.in_cluster.order import FILE, FOLDER, PLACE
from checks.grading.in_cluster.program import worked
from checks.lab import find_lab
from checks.sources.cluster_time import ClusterTime
from checks.waiting import meanwhile

_PUBLISHED_EVERY = 10.0  # seconds: what a pod that is killed may forget


def serve(order: Order, token: str, api: Api, pace: Pace, place: Place, folder: Path) -> None:
    """Watch the class and show it, until it is interrupted; what was proven is then published.
    Raises CahierError."""
    labs = [find_lab(name) for name in order.labs]
    with ExitStack() as opened:
        history = opened.enter_context(History(folder / "historique.sqlite"))
        place.restore(history)
        opened.callback(place.publish, history)
        opened.enter_context(
            meanwhile(_PUBLISHED_EVERY, partial(place.publish_now_and_then, history))
        )
        clock = ClusterTime(api)
        keeper = opened.enter_context(Keeper(history, clock, _say))
        known = partial(since, history, clock.here)
        board = opened.enter_context(Board(api, pace, order.learners, labs, keeper, known))
        pages = Pages(order.title, len(order.learners), labs)
        opened.enter_context(serving(board, pages, PORT, token, forwarded=True))
        print("Le tableau est prêt.", flush=True)
        while True:
            interruption.pause(1.0)


def _say(why: str) -> None:
    print(f"L’historique ne s’écrit plus : {why}", file=sys.stderr, flush=True)


def main() -> int:
    """Serve until the pod is told to end; the exit code."""
    order = msgspec.json.decode(Path(FOLDER, FILE).read_bytes(), type=Order)

    def work() -> None:
        pace = Pace()
        api = Api(without_secrets=True, pace=pace)
        token = Path(FOLDER, TOKEN).read_text(encoding="ascii")
        with tempfile.TemporaryDirectory() as folder:
            serve(order, token, api, pace, Place(api, os.environ[PLACE]), Path(folder))

    try:
        return worked(order.code, work)
    except KeyboardInterrupt:
        print("Arrêté ; ce qui a été prouvé est gardé.", file=sys.stderr)
        return 0


if __name__ == "__main__":
    with interruption.heard():  # told to end: what was proven is published
        sys.exit(main())
