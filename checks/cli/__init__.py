"""The `cahier` command: one module per family of commands."""

from __future__ import annotations

import contextlib
import os
import sys

from checks.errors import CahierError


def main() -> None:
    """Entry point: runs the command, shows any CahierError as a message and its remedy."""
    from checks.cli.application import app

    if hasattr(sys.stdout, "reconfigure"):  # a Windows console may start in another encoding
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        app()
    except CahierError as error:
        show(error)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("\nInterrompu.", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader has left (cahier lister | head): nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def show(error: CahierError) -> None:
    """Print the message and the remedy on standard error."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True)
    console.print(Text.assemble(("✘ ", "bold red"), error.message))
    if error.remedy:
        console.print(Text.assemble(("→ ", "green"), error.remedy))
