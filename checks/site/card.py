"""What other sites show of a page that is shared there: a lab's first verdict in its terminal,
as a picture.

`python -m checks.site.card LAB FILE` writes it; the same recording gives the same bytes. Its font
is the one that matplotlib carries.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from rich.text import Text

from checks.demo.recording import read
from checks.lab import Lab, find_lab
from checks.site.cast import verdict_lines
from checks.site.colours import runs

SIZE = (1200, 630)
_COLUMNS, _LINES = 80, 18
_MARGIN, _TITLE, _LETTERS, _LINE = 44, 36, 22, 26
_BACKGROUND = "#15181e"
_COLOURS = {
    "dim": "#9aa0aa",
    "red": "#ff7b72",
    "green": "#56d364",
    "cyan": "#56d4dd",
    "yellow": "#e3b341",
    "magenta": "#d2a8ff",
}
_TEXT = "#d7dae0"
_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_FILES = ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")


def picture(lab: Lab) -> Image.Image:
    """The first verdict of the lab's recording: where the path stops, and why."""
    plain, bold = (ImageFont.truetype(_FONTS / name, _LETTERS) for name in _FILES)
    image = Image.new("RGB", SIZE, _BACKGROUND)
    draw = ImageDraw.Draw(image)
    title = ImageFont.truetype(_FONTS / _FILES[1], _TITLE)
    draw.text((_MARGIN, _MARGIN), "Cahier Kubernetes", font=title, fill="white")
    sent = "\n".join(verdict_lines(lab, read(lab).parts[0], _COLUMNS)).strip()
    shown = Text.from_ansi(sent).plain.splitlines()
    for number, line in enumerate(runs(shown[:_LINES])):
        x, y = float(_MARGIN), _MARGIN + 2 * _TITLE + number * _LINE
        for style, words in line:
            names = style.split()
            font = bold if "bold" in names else plain
            colour = next((_COLOURS[name] for name in names if name in _COLOURS), _TEXT)
            draw.text((x, y), words, font=font, fill=colour)
            x += font.getlength(words)
    return image


if __name__ == "__main__":
    picture(find_lab(sys.argv[1])).save(sys.argv[2], optimize=True)
