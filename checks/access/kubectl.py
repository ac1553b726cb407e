"""kubectl itself, where what must be shown is what a person's own command does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from checks import refusals
from checks.access import bounded
from checks.access.words import cleaned
from checks.errors import Unverifiable
from checks.facts import ForwardRefused, KubectlRefused
from checks.interruption import pause, shielded
from checks.process import VARIABLE, called, has_ended, mark
from checks.waiting import tries, waiting_for

_PATIENCE = 20.0  # seconds for kubectl to open its port
_DRAINED = 1.0  # seconds for the last words of a program that has ended
_AGAIN = "Relancez la commande ; si cela dure : cahier diagnostiquer"


@contextlib.contextmanager
def forwarding(
    program: Path, kubeconfig: str | None, namespace: str, pod: str, port: int
) -> Iterator[int]:
    """The local port of a `kubectl port-forward` to `port` of a pod, ended with the context.

    `kubeconfig`: one file or several, as KUBECONFIG names them; None: kubectl is the ServiceAccount
    of the pod that it runs in.

    Raises ForwardRefused with what kubectl said when rights or the pod keep it from opening,
    Unverifiable for the rest.
    """
    identity = {"KUBECONFIG": kubeconfig} if kubeconfig else {}
    process = None
    try:
        with shielded():
            process = subprocess.Popen(
                [str(program), "port-forward", f"pod/{pod}", f":{port}", "-n", namespace],
                env={**os.environ, **identity, VARIABLE: mark()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        with waiting_for(f"le tunnel que kubectl ouvre vers le pod {pod}"):
            local = _local_port(process)
        yield local
    finally:
        if process is not None:
            process.kill()
            process.wait()


def sweep() -> None:
    """End the programs that a killed process of ours has left open: tunnels of this module, and of
    a stage."""
    for process in called("kubectl"):
        with contextlib.suppress(psutil.Error, OSError):
            if has_ended(process.environ().get(VARIABLE, "")):
                process.kill()


def renew(configuration: str, context: str) -> None:
    """Have kubectl renew the credentials of a context, where it can: it keeps the new ones in
    `configuration`."""
    program = shutil.which("kubectl")
    if program is None:
        return
    with contextlib.suppress(subprocess.TimeoutExpired, OSError):
        command = [program, "--context", context, "get", "--raw", "/version"]
        bounded.run(command, {**os.environ, "KUBECONFIG": configuration}, _PATIENCE)


def whoami(kubeconfig: str | None, secrets: Sequence[str]) -> str | None:
    """Who a `kubectl` of this terminal is for the cluster; None where there is none, or one that
    does not tell.

    Raises KubectlRefused, with what it said but for `secrets`.
    """
    program = shutil.which("kubectl")
    if program is None:
        return None
    identity = ["--kubeconfig", kubeconfig] if kubeconfig else []
    try:
        with waiting_for("la réponse que kubectl attend du cluster"):
            done = bounded.run(
                [program, *identity, "auth", "whoami", "-o", "json"], os.environ, _PATIENCE
            )
    except OSError:
        return None
    except subprocess.TimeoutExpired:
        raise KubectlRefused(f"aucune réponse en {_PATIENCE:.0f} secondes") from None
    if done.returncode and not re.search(r"unknown (command|shorthand flag|flag)", done.stderr):
        raise KubectlRefused(cleaned(done.stderr, secrets).removeprefix("error: "))
    try:
        return str(json.loads(done.stdout)["status"]["userInfo"]["username"])
    except (ValueError, LookupError, TypeError):  # an older one
        return None


def _local_port(process: subprocess.Popen[str]) -> int:
    said: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                said.append(line)

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    for _ in tries(_PATIENCE, 0.05, pause):
        ended = process.poll() is not None
        if ended:
            listening.join(_DRAINED)
        found = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", "".join(said))
        if found:
            return int(found[1])
        if ended:
            raise _ended("".join(said).strip().removeprefix("error: "))
    raise Unverifiable("kubectl n’a pas ouvert le tunnel dans le délai.", _AGAIN)


def _ended(said: str) -> ForwardRefused | Unverifiable:
    """Why kubectl opened no tunnel: the rights or the pod, as the API server tells it, or the way
    to it."""
    if refusals.read(said) is not None or re.search(r"not found|pod is not running", said):
        return ForwardRefused(said)
    return Unverifiable(
        f"kubectl n’a pas pu ouvrir de tunnel : {said or 'il s’est arrêté sans rien dire'}.", _AGAIN
    )
