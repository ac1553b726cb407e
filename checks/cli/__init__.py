"""The `cahier` command: one module per family of commands."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

from checks.errors import EXIT_USAGE, CahierError, Forbidden
from checks.render.problem import show

if TYPE_CHECKING:
    import typer


def main() -> None:
    """Entry point: runs the command, shows any CahierError as a message and its remedy."""
    import typer

    from checks.cli.application import app

    if hasattr(sys.stdout, "reconfigure"):  # a Windows console may start in another encoding
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(encoding="utf-8", errors="replace")
    code: object = 0
    signal.signal(signal.SIGTERM, _interrupt)  # as Ctrl-C does: what was begun is taken away
    try:
        code = app(standalone_mode=False)  # errors are ours to say: Typer's own are in English
    except CahierError as error:
        show(_explained(error) if isinstance(error, Forbidden) else error)
        raise SystemExit(error.exit_code) from None
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # `cahier cluster` alone: its help is the answer
            raise SystemExit(EXIT_USAGE) from None
        show(_usage(error))
        raise SystemExit(EXIT_USAGE) from None
    except typer.Abort:
        code = 130
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        _reader_left()
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # Typer and Rich make it an exit
            raise
        _reader_left()
    if code == 130:
        print("\nInterrompu.", file=sys.stderr)
    raise SystemExit(code if isinstance(code, int) else 0)


def _explained(refusal: Forbidden) -> CahierError:
    """A refusal with what our identity may and may not do: whatever the command, it is told the same way."""
    from checks.diagnosis.role import explained
    from checks.sources.live_cluster import LiveCluster
    from checks.sources.machine import LocalMachine

    where = refusal.refusal.namespace or None
    try:
        return explained(refusal, LiveCluster(LocalMachine(), kubeconfig_path=refusal.kubeconfig, namespace=where))
    except CahierError:  # the cluster has nothing more to say
        return refusal


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _reader_left() -> None:
    """The reader has left (cahier lister | head): nothing more to say, and no complaint at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)


def _usage(error: typer.TyperException) -> CahierError:
    """A wrong command line, in French."""
    context = getattr(error, "ctx", None)
    remedy = f"Voir : {context.command_path if context else 'cahier'} --help"
    said = getattr(error, "message", "") or str(error)
    option = getattr(error, "option_name", "")
    parameter = getattr(error, "param", None)
    name = ""
    if parameter is not None:
        name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar or parameter.name
    match type(error).__name__:
        case "MissingParameter":
            return CahierError(f"Il manque {name}.", remedy)
        case "NoSuchOption":
            close = ", ".join(getattr(error, "possibilities", None) or ())
            return CahierError(
                f"L’option {option} n’existe pas.", f"Peut-être : {close}. {remedy}" if close else remedy
            )
        case "BadOptionUsage":
            return CahierError(f"L’option {option} est mal employée : il lui faut une valeur, ou aucune.", remedy)
        case "BadParameter":
            expected = _expected(said)
            return CahierError(f"La valeur donnée à {name or 'une option'} ne convient pas{expected}.", remedy)
    found = re.search(r"No such command '([^']*)'", said)
    if found:
        close = ", ".join(re.findall(r"'([^']+)'", said)[1:])
        return CahierError(
            f"La commande « {found[1]} » n’existe pas.", f"Peut-être : {close}. {remedy}" if close else remedy
        )
    found = re.search(r"unexpected extra argument\S* \((.*)\)", said)
    if found:
        return CahierError(f"« {found[1]} » est de trop.", remedy)
    return CahierError(f"La commande est mal écrite : {said}", remedy)


def _expected(said: str) -> str:
    """What Typer expected of a value, as the end of a sentence."""
    for pattern, words in (
        (r"greater than or equal to (\S+)", " : il faut au moins {}"),
        (r"less than or equal to (\S+)", " : il faut au plus {}"),
        (r"valid (integer)", " : il faut un nombre entier"),
    ):
        found = re.search(pattern, said)
        if found:
            return words.format(found[1])
    return ""
