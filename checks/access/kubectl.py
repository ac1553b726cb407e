"""kubectl itself, where what must be shown is what a person's own command does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from checks import refusals
from checks.access import bounded
from checks.access.words import cleaned
from checks.errors import Unverifiable
from checks.facts import ForwardRefused, KubectlRefused

_PATIENCE = 20.0  # seconds for kubectl to open its port
_AGAIN = "Relancez la commande ; si cela dure : cahier diagnostiquer"


@contextlib.contextmanager
def forwarding(program: Path, kubeconfig: str | None, namespace: str, pod: str, port: int) -> Iterator[int]:
    """The local port of a `kubectl port-forward` to `port` of a pod, ended with the context.

    `kubeconfig`: one file or several, as KUBECONFIG names them; None: kubectl is the ServiceAccount of the pod that it
    runs in.

    Raises ForwardRefused with what kubectl said when rights or the pod keep it from opening, Unverifiable for the rest.
    """
    identity = {"KUBECONFIG": kubeconfig} if kubeconfig else {}
    with tempfile.TemporaryDirectory(prefix="cahier-") as folder:
        log = Path(folder) / "kubectl.log"
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                [str(program), "port-forward", f"pod/{pod}", f":{port}", "-n", namespace],
                env={**os.environ, **identity},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _local_port(process, log)
        finally:
            process.kill()
            process.wait()


def renew(configuration: str, context: str) -> None:
    """Have kubectl renew the credentials of a context, where it can: it keeps the new ones in `configuration`."""
    program = shutil.which("kubectl")
    if program is None:
        return
    with contextlib.suppress(subprocess.TimeoutExpired, OSError):
        command = [program, "--context", context, "get", "--raw", "/version"]
        bounded.run(command, {**os.environ, "KUBECONFIG": configuration}, _PATIENCE)


def whoami(kubeconfig: str | None, secrets: Sequence[str]) -> str | None:
    """Who a `kubectl` of this terminal is for the cluster; None where there is none, or one that does not tell.

    Raises KubectlRefused, with what it said but for `secrets`.
    """
    program = shutil.which("kubectl")
    if program is None:
        return None
    identity = ["--kubeconfig", kubeconfig] if kubeconfig else []
    try:
        done = bounded.run([program, *identity, "auth", "whoami", "-o", "json"], os.environ, _PATIENCE)
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


def _local_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        said = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", said)
        if found:
            return int(found[1])
        if process.poll() is not None:
            raise _ended(said.strip().removeprefix("error: "))
        time.sleep(0.05)
    raise Unverifiable("kubectl n’a pas ouvert le tunnel dans le délai.", _AGAIN)


def _ended(said: str) -> ForwardRefused | Unverifiable:
    """Why kubectl opened no tunnel: the rights or the pod, as the API server tells it, or the way to it."""
    if refusals.read(said) is not None or re.search(r"not found|pod is not running", said):
        return ForwardRefused(said)
    return Unverifiable(f"kubectl n’a pas pu ouvrir de tunnel : {said or 'il s’est arrêté sans rien dire'}.", _AGAIN)
