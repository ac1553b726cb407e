"""Talking to the private engine: with its own `docker`, or straight to its socket."""

import http.client
import os
from collections.abc import Mapping
from pathlib import Path

from engine import cache, linux, packages, paths, processes


def socket_path() -> Path:
    """Where the engine listens."""
    return paths.state() / "docker.sock"


def answers() -> bool:
    """Whether the engine is there: some five milliseconds."""
    connection = http.client.HTTPConnection("engine", timeout=5)
    try:
        connection.sock = linux.unix_socket()
        connection.sock.settimeout(5)
        connection.sock.connect(str(socket_path()))
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def environment(programs: Path, engine: Path) -> Mapping[str, str]:
    """For kind, docker and kubectl: this engine, and nothing of another one."""
    inherited = {
        name: value
        for name, value in processes.without_proxies(os.environ).items()
        if not name.startswith(("DOCKER_", "KIND_EXPERIMENTAL_", "CONTAINER_HOST"))
    }
    first = [str(programs / "bin"), str(engine / "usr/bin")]
    # a kubectl for machines without one, after the machine's own
    rest = [inherited.get("PATH", os.defpath), "/usr/sbin:/sbin", str(programs / "spare")]
    return {
        **inherited,
        "PATH": os.pathsep.join(first + rest),
        "DOCKER_HOST": f"unix://{socket_path()}",
        "DOCKER_CONFIG": str(paths.state() / "client"),
    }


def _program() -> Path:
    """Where it is if it is there: stopping must not begin by fetching it."""
    return cache.place("engine-programs", packages.engine_programs_key()) / "usr/bin/docker"


def ask(*arguments: str | Path, timeout: float = 30) -> str | None:
    """What `docker …` prints, or None."""
    found = processes.output([_program(), *arguments], environment=_own(), timeout=timeout)
    return None if found is None else found.strip()


def do(*arguments: str | Path, purpose: str, packed: Path | None = None) -> None:
    """`docker …`, whose failure is a problem. `packed` is unpacked into its input."""
    command: list[str | Path] = [_program(), *arguments]
    if packed is not None:
        command = ["bash", "-o", "pipefail", "-c", 'zstd -dqc "$0" | "$@"', packed, *command]
    processes.run(command, log="docker", purpose=purpose, environment=_own())


def _own() -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "DOCKER_HOST": f"unix://{socket_path()}",
        "DOCKER_CONFIG": str(paths.state() / "client"),
    }


def image_key(image: str) -> str | None:
    """What the loaded image was made from, as labelled when it was imported."""
    return ask("image", "inspect", "--format", '{{index .Config.Labels "cahier.key"}}', image)
