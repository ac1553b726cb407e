"""The home page's terminal plays what was recorded, and nothing else."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from rich.text import Text

from checks.demo.recording import read
from checks.demo.replay import replayed
from checks.lab import find_lab
from checks.output import terminal
from checks.render.terminal import show
from checks.render.wording import companion
from checks.site.cast import SCREENS, cast, main, player

LAB = find_lab("tp5")


@pytest.mark.parametrize("screen", SCREENS.values(), ids=str)
def test_it_plays_the_recorded_commands_and_verdicts(screen: tuple[int, int]) -> None:
    columns, _rows = screen
    lines = [json.loads(line) for line in cast(LAB, *screen).splitlines()]
    header, moments = lines[0], lines[1:]
    assert (header["version"], header["width"], header["height"]) == (2, *screen)
    times = [moment[0] for moment in moments]
    assert times == sorted(times)
    assert 20 < times[-1] < 60
    sent = "".join(moment[2] for moment in moments).replace("\r\n", "\n")
    recording = read(LAB)
    for part in recording.parts:
        now = replayed(LAB, part)
        with io.StringIO() as shown:
            show(
                terminal(shown, columns),
                LAB,
                now.verdict,
                now.diagnostics,
                colleague=companion(now.cluster),
            )
            assert shown.getvalue().strip() in sent
    plain = Text.from_ansi(sent).plain
    for typed in (*recording.setup, *(one for part in recording.parts for one in part.commands)):
        assert f"{typed.namespace.removeprefix('user-')} $ {typed.command}\n" in plain


def test_what_stands_in_its_place_is_the_same_text() -> None:
    place = BeautifulSoup(player("tp5"), "html.parser")
    still = place.find("pre")
    assert still is not None
    text = still.get_text()
    assert "← le chemin s’arrête ici" in text
    assert "Tout est juste. " in text
    assert "\x1b" not in text
    caption = place.find("figcaption")
    assert caption is not None
    assert f"{read(LAB).parts[0].snapshot.taken:%d/%m/%Y}" in caption.get_text()


def test_a_cast_for_each_screen_is_written(tmp_path: Path) -> None:
    main("tp5", str(tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tp5-etroit.cast", "tp5.cast"]
