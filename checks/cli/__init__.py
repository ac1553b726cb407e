"""The `cahier` command: one module per family of commands."""

from __future__ import annotations

import atexit
import gc
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from checks.errors import EXIT_USAGE, CahierError, Forbidden, UsageError
from checks.unforeseen import INTERRUPTED, guarded, nowhere

if TYPE_CHECKING:
    import typer


_BEFORE_GARBAGE = 50_000  # objects made before garbage is looked for: modules make as many


def main() -> None:
    """Entry point."""
    # A command ends before garbage matters: looking for it, at Python's own pace and once more at
    # the end, takes an eighth of a verification.
    gc.set_threshold(_BEFORE_GARBAGE, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
    guarded(_run)


def _run() -> int:
    """Run the command; its exit code. Raises CahierError, to be shown as a message and its
    remedy."""
    import typer

    from checks.cli import application

    # a shell that completes a command line gives its words otherwise
    completing = any(name.endswith("_COMPLETE") for name in os.environ)
    app = application.app if completing else application.named_by(sys.argv[1:])
    try:
        code = app(standalone_mode=False)  # errors are ours to say: Typer's own are in English
    except Forbidden as refusal:
        raise _explained(refusal) from refusal
    except typer.TyperException as error:
        # `cahier cluster` alone: its help is the answer
        if type(error).__name__ == "NoArgsIsHelpError":
            return EXIT_USAGE
        raise _usage(error) from error
    except typer.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        nowhere(1)  # the reader has left (cahier lister | head): nothing more to say
        return 0
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # Typer and Rich make it an exit
            nowhere(1)
            return 0
        if end.code is not None and not isinstance(end.code, int):
            raise
        return end.code or 0
    return code if isinstance(code, int) else 0


def _explained(refusal: Forbidden) -> CahierError:
    """A refusal with what our identity may and may not do: whatever the command, it is told the
    same way."""
    from checks.diagnosis.rights.role import explained
    from checks.sources.live_cluster import LiveCluster
    from checks.sources.machine import LocalMachine

    where = refusal.refusal.namespace or None
    try:
        return explained(
            refusal,
            LiveCluster(LocalMachine(), kubeconfig_path=refusal.kubeconfig, namespace=where),
        )
    except Exception:  # the cluster has nothing more to say: the refusal is what matters
        return refusal


def _usage(error: typer.TyperException) -> UsageError:
    """A wrong command line, in French."""
    context = getattr(error, "ctx", None)
    remedy = f"Voir : {context.command_path if context else 'cahier'} --help"
    said = getattr(error, "message", "") or str(error)
    option = getattr(error, "option_name", "")
    name = _name_of(getattr(error, "param", None))
    match type(error).__name__:
        case "MissingParameter":
            return UsageError(f"Il manque {name}.", remedy)
        case "NoSuchOption":
            close = ", ".join(getattr(error, "possibilities", None) or ())
            return UsageError(
                f"L’option {option} n’existe pas.",
                f"Peut-être : {close}. {remedy}" if close else remedy,
            )
        case "BadOptionUsage":
            return UsageError(
                f"L’option {option} est mal employée : il lui faut une valeur, ou aucune.", remedy
            )
        case "BadParameter":
            expected = _expected(said)
            return UsageError(
                f"La valeur donnée à {name or 'une option'} ne convient pas{expected}.", remedy
            )
    found = re.search(r"No such command '([^']*)'", said)
    if found:
        close = ", ".join(re.findall(r"'([^']+)'", said)[1:])
        return UsageError(
            f"La commande « {found[1]} » n’existe pas.",
            f"Peut-être : {close}. {remedy}" if close else remedy,
        )
    found = re.search(r"unexpected extra argument\S* \((.*)\)", said)
    if found:
        return UsageError(f"« {found[1]} » est de trop.", remedy)
    return UsageError(f"La commande est mal écrite : {said}", remedy)


def _name_of(parameter: Any) -> str:
    """An option as it is typed, an argument as the help calls it; "" for none."""
    if parameter is None:
        return ""
    first = str(parameter.opts[0])
    return first if first.startswith("-") else str(parameter.metavar or parameter.name)


def _expected(said: str) -> str:
    """What Typer expected of a value, as the end of a sentence."""
    if re.search(r"not a valid int", said):
        return " : il faut un nombre entier"
    found = re.match(r"(-?\d+) is not in the range (.*)", said)
    if found is None:
        return ""
    least, most = re.search(r"(-?\d+)<=x|x>=(-?\d+)", found[2]), re.search(r"x<=(-?\d+)", found[2])
    if least is not None and int(found[1]) < int(least[1] or least[2]):
        return f" : il faut au moins {least[1] or least[2]}"
    return f" : il faut au plus {most[1]}" if most is not None else ""
