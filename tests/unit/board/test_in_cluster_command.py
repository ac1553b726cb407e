"""`cahier classe suivre --dans-le-cluster`: what stays in the cluster, and what goes, whatever
happens to the command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks.board.in_cluster import manifests
from checks.board.in_cluster.launch import Sight
from checks.board.in_cluster.order import Order
from checks.cli import board_in_cluster
from checks.cli.board_in_cluster import BoardInCluster
from checks.errors import AccessError, CahierError, UsageError
from checks.grading.history import Change, Found, History
from checks.grading.in_cluster.launch import Owner
from checks.objects.workloads import Workload
from checks.verdict import Status
from tests.support.watched_class import LABS, learners

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
RIGHT = Found(status=Status.PASSED, decided=True, points="1", points_max="1")


class Board:
    """A board that is there or not, and whose pod does as it is told."""

    name, token = "cahier-suivre-2b", "le-mot"
    owner = Owner("Deployment", name, "user-prof")

    def __init__(self, *, there: bool = False) -> None:
        self.there, self.image = there, "image:d-avant"
        self.stopped = False
        self.looks: list[Sight | BaseException] = [Sight(True, ())]
        self.changes: Sequence[Change] = [
            Change("ana", "tp2", NOON, NOON, "suivi", None, {"a": RIGHT})
        ]

    def found(self) -> Workload | None:
        item = manifests.deployment(self.name, "2b.suivi", self.image, "", 1)
        return msgspec.convert(item, Workload) if self.there else None

    def start(self, _order: Order, image: str) -> bool:
        new, self.there, self.image = not self.there, True, image
        return new

    def look(self) -> Sight:
        seen = self.looks.pop(0)
        if isinstance(seen, BaseException):
            raise seen
        return seen

    def stop(self) -> None:
        self.stopped = True

    @property
    def has_ended(self) -> bool:
        return self.stopped

    def kept(self) -> Sequence[Change]:
        return self.changes

    def remove(self) -> None:
        self.there = False


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    board = Board()
    credentials = type("_", (), {"namespace": "user-prof"})
    api = type("_", (), {"credentials": credentials})
    monkeypatch.setattr(board_in_cluster, "Api", lambda _kubeconfig: api)
    monkeypatch.setattr(board_in_cluster, "ClusterBoard", lambda *_words: board)
    monkeypatch.setattr(board_in_cluster, "_LOOKS_EVERY", 0.0)
    return board


def command(tmp_path: Path, **given: Any) -> BoardInCluster:
    what = {"kubeconfig": None, "namespace": None, "history": None, **given}
    return BoardInCluster(tmp_path / "2B.csv", **what)


def run(tmp_path: Path, image: str | None = None, port: int | None = None, **given: Any) -> None:
    command(tmp_path, **given).run(learners(("ana", "bob")), LABS, image, port)


def test_it_says_how_to_go_there(
    board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, port=4000, kubeconfig="mon fichier", namespace="user-prof")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert (
        "kubectl port-forward deployment/cahier-suivre-2b 4000:8765 -n user-prof --kubeconfig "
        "'mon fichier'" in lines
    )
    assert "http://127.0.0.1:4000/le-mot/" in lines
    assert (
        f"cahier classe suivre {tmp_path / '2B.csv'} --dans-le-cluster --retirer --namespace "
        "user-prof --kubeconfig 'mon fichier'" in lines
    )


def test_what_delays_it_is_told_once(
    board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board.looks = [Sight(False, ["ErrImagePull"]), Sight(False, ["ErrImagePull"]), Sight(True, ())]
    run(tmp_path)
    assert capsys.readouterr().err.count("ErrImagePull") == 1


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("stop", [KeyboardInterrupt(), AccessError("Plus de réseau.")])
def test_who_leaves_leaves_it_there(
    board: Board,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    stop: BaseException,
    there: bool,
) -> None:
    board.there, board.looks = there, [stop]
    with pytest.raises(type(stop)):
        run(tmp_path)
    assert board.there
    assert "Le tableau reste dans le cluster" in capsys.readouterr().err


@pytest.mark.parametrize("there", [False, True])
def test_what_cannot_start_goes_unless_it_has_a_history(
    board: Board, tmp_path: Path, there: bool
) -> None:
    board.there, board.looks = there, [CahierError("Pas d’image.")]
    with pytest.raises(CahierError, match="Pas d’image"):
        run(tmp_path)
    assert board.there is there


def test_its_image_stays_unless_another_is_given(board: Board, tmp_path: Path) -> None:
    board.there, board.looks = True, [Sight(True, ())] * 2
    run(tmp_path)
    assert board.image == "image:d-avant"
    run(tmp_path, image="image:2")
    assert board.image == "image:2"


def test_its_history_comes_before_it_goes(
    board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board.there = True
    command(tmp_path).fetch()
    assert (board.stopped, board.there) == (False, True)
    assert "1 ligne nouvelle." in capsys.readouterr().out
    command(tmp_path).withdraw()
    assert (board.stopped, board.there) == (True, False)
    assert "0 ligne nouvelle." in capsys.readouterr().out
    with History(tmp_path / "historique-2B.sqlite") as history:
        assert [one.person for one in history.changes("ana", "tp2")] == ["ana"]


def test_it_stays_where_its_history_cannot_be_kept(
    board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board.there = True
    taken = tmp_path / "un dossier"
    taken.mkdir()
    with pytest.raises(CahierError):
        command(tmp_path, history=taken).withdraw()
    assert board.there
    said = capsys.readouterr().err
    assert "reste dans le cluster (configmap cahier-suivre-2b)" in said
    assert "kubectl delete deployment cahier-suivre-2b -n user-prof" in said


def test_none_is_none(board: Board, tmp_path: Path) -> None:
    for ask in (command(tmp_path).fetch, command(tmp_path).withdraw):
        with pytest.raises(UsageError, match="Aucun tableau de cette classe"):
            ask()
    assert not [*tmp_path.iterdir()]
