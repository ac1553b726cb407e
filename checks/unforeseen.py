"""What nobody foresaw: one sentence, a file to send for help, exit code 3; never a traceback, never
a secret.

Standard library only, and late imports: it must still work where an import has failed.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import shlex
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from checks import __version__
from checks.errors import EXIT_FAILED, EXIT_UNVERIFIED, CahierError
from checks.interruption import heard
from checks.redaction import Stream, described, redact, remember_tree

INTERRUPTED = 130
_KEPT = 10  # help files
_LONGEST = 200_000  # characters of a traceback
_LIBRARIES = ("kubernetes", "urllib3", "typer", "rich", "msgspec", "pg8000")
_FULL = "le disque est plein", "Libérez de la place, ou écrivez ailleurs"
_ELSEWHERE = "Allez dans un dossier où vous pouvez écrire"
_CANNOT_WRITE = {  # why, and what to do
    errno.ENOSPC: _FULL,
    getattr(errno, "EDQUOT", errno.ENOSPC): ("votre quota de disque est atteint", _FULL[1]),
    errno.EROFS: ("ce dossier est en lecture seule", _ELSEWHERE),
    errno.EACCES: ("votre compte n’y a pas accès", _ELSEWHERE),
}
_log = logging.getLogger(__name__)


class Guard:
    """Stands between the command and its terminal: what is written, what breaks, what the process
    ends with."""

    def __init__(self) -> None:
        self._in_threads = 0

    def install(self) -> None:
        """Before anything else is imported: streams without secrets, threads without tracebacks."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name) or io.TextIOWrapper(
                io.FileIO(os.open(os.devnull, os.O_WRONLY), "w")
            )
            with contextlib.suppress(AttributeError, ValueError, OSError):
                # a Windows console may start in another one
                stream.reconfigure(encoding="utf-8", errors="replace")
            setattr(sys, name, Stream(stream))
        remember_tree(dict(os.environ))
        threading.excepthook = self._broken_thread
        sys.unraisablehook = _unraisable
        logging.raiseExceptions = False  # a log that cannot be written is no reason for a traceback

    def _broken_thread(self, problem: threading.ExceptHookArgs) -> None:
        if problem.exc_value is None or isinstance(
            problem.exc_value, SystemExit | KeyboardInterrupt
        ):
            return
        self._in_threads += 1
        if self._in_threads == 1:  # one sentence; the others are likely to have the same cause
            tell(problem.exc_value)

    def end(self, code: int) -> int:
        """The exit code, once everything is written: nothing is vouched for that a broken thread
        had a part in."""
        if self._in_threads and code in (0, EXIT_FAILED):
            code = EXIT_UNVERIFIED
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            nowhere(1)
        except (OSError, ValueError) as error:
            nowhere(1)
            code = tell(error)
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            nowhere(2)
        return code


def guarded(command: Callable[[], int]) -> NoReturn:
    """Run a command; whatever happens, the process ends with a code of the contract and at most one
    message."""
    guard = Guard()
    guard.install()
    try:
        with heard():
            code = command()
    except CahierError as error:
        _say(error.message, error.remedy)
        code = INTERRUPTED if interrupted(error) else error.exit_code
    except BaseException as error:
        code = INTERRUPTED if interrupted(error) else tell(error)
    if code == INTERRUPTED:
        with contextlib.suppress(OSError):
            print("\nInterrompu.", file=sys.stderr)
    raise SystemExit(guard.end(code))


def nowhere(descriptor: int) -> None:
    """Have a standard stream lead nowhere: its reader has left, or its disk is full; no complaint
    at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def interrupted(error: BaseException) -> bool:
    """Whether this came of an interruption: what is taken away after Ctrl-C may fail too."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        if isinstance(one, KeyboardInterrupt):
            return True
        seen.add(id(one))
        one = one.__cause__ or one.__context__
    return False


def tell(error: BaseException) -> int:
    """Say in one sentence what nobody foresaw, keep the rest in a file; the exit code."""
    with contextlib.suppress(Exception):
        _learn()
    with contextlib.suppress(Exception):
        _log.debug("unforeseen", exc_info=error)
    if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
        why, remedy = _CANNOT_WRITE[error.errno]
        where = error.filename2 or error.filename  # of a copy, where it was to go
        _say(
            f"Il n’est pas possible de continuer{f' ({where})' if where else ''} : {why}.",
            f"{remedy}, puis relancez la commande.",
        )
    elif isinstance(error, ModuleNotFoundError) and not str(error.name).startswith(
        ("checks", "labs")
    ):
        from checks import installation

        _say(
            "Il manque à l’installation de cahier le module Python « "
            f"{str(error.name).partition('.')[0]} ».",
            installation.remedy(str(error.name).partition(".")[0]),
        )
    else:
        _say(
            f"La commande s’est arrêtée sur un problème imprévu ({described(error)}). "
            "Ce n’est pas une erreur de votre part.",
            _to_send(error),
        )
    return EXIT_UNVERIFIED


def _learn() -> None:
    """Know the secrets of the configuration, even where the command broke before it had read
    them."""
    import yaml

    from checks.access.kubeconfig import paths

    given = [
        word.partition("=")[2] or after
        for word, after in pairwise([*sys.argv, ""])
        if "--kubeconfig" in word
    ]
    for path in [*paths(), *map(Path, given)]:
        with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
            remember_tree(yaml.safe_load(path.read_bytes()))


def _to_send(error: BaseException) -> str:
    try:
        file = _write(error)
    except Exception as trouble:  # whatever keeps it from being written, the sentence is said
        why = (
            trouble.strerror
            if isinstance(trouble, OSError) and trouble.strerror
            else described(trouble)
        )
        return (
            "Relancez-la ; si cela persiste, avec --debug. Le fichier d’aide n’a pas pu être écrit "
            f": {why}."
        )
    return (
        "Relancez-la ; si cela persiste, envoyez ce fichier, qui ne contient aucun secret, à la "
        f"personne qui vous aide : {file}"
    )


def _write(error: BaseException) -> Path:
    """Write what is needed to mend the program, for its owner's eyes only; the last few files are
    kept."""
    import tempfile

    from checks.state import folder

    place = folder() / "aide"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = datetime.now().astimezone()
    # mode 0600
    descriptor, name = tempfile.mkstemp(
        prefix=f"aide-{now:%Y%m%d-%H%M%S}-", suffix=".txt", dir=place
    )
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write("\n".join(_told(error, now)))
    for old in sorted(place.glob("aide-*.txt"))[:-_KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return Path(name)


def _told(error: BaseException, now: datetime) -> Iterator[str]:
    import platform

    yield "Un problème imprévu de « cahier ». Les secrets sont masqués.\n"
    yield f"Commande : {redact(shlex.join(['cahier', *sys.argv[1:]]), technical=True)}"
    yield f"Moment   : {now.isoformat(timespec='seconds')}"
    ours, python = f"cahier {__version__}", f"Python {platform.python_version()}"
    yield f"Versions : {', '.join([ours, python, *_libraries()])}"
    yield f"Système  : {platform.platform()}\n"
    text = redact("".join(traceback.format_exception(error)), technical=True)
    yield (
        text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}\n[…]\n{text[-_LONGEST // 2 :]}"
    )


def _libraries() -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError, version

    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def _say(message: str, remedy: str) -> None:
    """On standard error, even where the library that draws the terminal is what broke."""
    try:
        from checks.render.problem import show

        show(CahierError(message, remedy))
    except Exception:
        with contextlib.suppress(Exception):
            print(f"✘ {message}\n→ {remedy}", file=sys.stderr)


def _unraisable(problem: sys.UnraisableHookArgs) -> None:
    """An object that could not be put away is of no interest to a learner."""
    with contextlib.suppress(Exception):
        _log.debug("unraisable", exc_info=problem.exc_value)
