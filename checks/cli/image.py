"""`make image`: the workbook's own image, loaded in the local cluster where there is one; its name
is printed."""

from __future__ import annotations

from checks.local_sspcloud import image
from checks.local_sspcloud.progress import TerminalProgress
from checks.unforeseen import guarded


def main() -> int:
    """Make the image and load it; the exit code. Raises CahierError."""
    print(image.ensure(TerminalProgress()))
    return 0


if __name__ == "__main__":
    guarded(main)
