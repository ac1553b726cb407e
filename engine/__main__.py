"""python -m engine COMMAND: for people who work on it."""

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator

from engine import carried, isolation, packages, paths, private_engine

_LINE_SECONDS = 2.0


@contextlib.contextmanager
def _timed(step: str, estimate_seconds: float, /) -> Iterator[private_engine.Tell]:
    print(f"{step}… (environ {estimate_seconds:.0f} s)", file=sys.stderr, flush=True)
    begun = time.monotonic()
    next_line = begun + _LINE_SECONDS

    def tell(said: str) -> None:
        nonlocal next_line
        if time.monotonic() > next_line:
            next_line = time.monotonic() + _LINE_SECONDS
            print(f"  {said}", file=sys.stderr, flush=True)

    yield tell
    print(f"  {time.monotonic() - begun:.1f} s", file=sys.stderr, flush=True)


def _describe(engine: private_engine.Engine) -> None:
    """As shell lines: eval "$(python -m engine up)" gives kind, docker and kubectl."""
    for name in ("PATH", "DOCKER_HOST", "DOCKER_CONFIG"):
        print(f"export {name}={shlex.quote(engine.environment[name])}")
    for name, value in engine.networking.items():
        print(f"# {name}: {value}")
    print(f"# image: {engine.node_image}")


def _up() -> int:
    _describe(private_engine.start(_timed))
    return 0


def _down() -> int:
    private_engine.stop()
    return 0


def _status() -> int:
    reason = private_engine.unsupported()
    if reason is not None:
        print(f"Moteur privé impossible ici : {reason}.")
        return 1
    engine = private_engine.running()
    if engine is None:
        print(f"Moteur privé arrêté (état : {paths.state()}).")
        return 1
    _describe(engine)
    return 0


def _install() -> int:
    """The Debian packages that the private engine is made with, where it can be made."""
    lacking = packages.missing() if private_engine.unsupported() is None else []
    if not lacking:
        return 0
    print(
        f"→ installation des paquets Debian qui manquent : {' '.join(lacking)}",
        file=sys.stderr,
        flush=True,
    )
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *lacking]):
        done = subprocess.run(
            ["apt-get", "--quiet", "--quiet", *words],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise private_engine.EngineProblem(
                "apt-get n’a pas pu installer ces paquets.",
                f"Lancez-le vous-même : apt-get update && apt-get install -y {' '.join(lacking)}",
            )
    return 0


def _cache() -> int:
    """Where another machine of the same kind finds it: in the folder dist of its checkout."""
    archive = private_engine.carry(paths.SOURCES.parent / "dist", _timed)
    print(f"{archive} ({archive.stat().st_size / 1e6:.0f} Mo)")
    return 0


def _key() -> int:
    """For what keeps an archive from one run to the next."""
    print(carried.key())
    return 0


def _fingerprint() -> int:
    for name, value in isolation.host_fingerprint().items():
        print(f"{name}: {value}")
    return 0


def main() -> int:
    """Runs one of the commands; problems are sentences, never tracebacks."""
    commands = {
        "up": _up,
        "down": _down,
        "status": _status,
        "install": _install,
        "cache": _cache,
        "key": _key,
        "fingerprint": _fingerprint,
    }
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    parser.add_argument("command", choices=commands)
    chosen = parser.parse_args().command
    try:
        return commands[chosen]()
    except private_engine.EngineProblem as problem:
        print(f"{problem.message}\n{problem.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrompu ; `python -m engine down` efface ce qui reste.", file=sys.stderr)
        return 130


sys.exit(main())
