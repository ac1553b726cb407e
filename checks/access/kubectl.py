"""kubectl itself, where what must be shown is what a person's own command does."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from checks.facts import ForwardRefused

_PATIENCE = 20.0  # seconds for kubectl to open its port


@contextlib.contextmanager
def forwarding(program: Path, kubeconfig: str | None, namespace: str, pod: str, port: int) -> Iterator[int]:
    """The local port of a `kubectl port-forward` to `port` of a pod, ended with the context.

    `kubeconfig` None: kubectl is the ServiceAccount of the pod that it runs in.

    Raises ForwardRefused with what kubectl said when it ends instead.
    """
    identity = ["--kubeconfig", kubeconfig] if kubeconfig else []
    with tempfile.TemporaryDirectory(prefix="cahier-") as folder:
        log = Path(folder) / "kubectl.log"
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                [str(program), *identity, "port-forward", f"pod/{pod}", f":{port}", "-n", namespace],
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
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [program, "--context", context, "get", "--raw", "/version"],
            env={**os.environ, "KUBECONFIG": configuration},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )


def _local_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        said = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", said)
        if found:
            return int(found[1])
        if process.poll() is not None:
            raise ForwardRefused(said.strip().removeprefix("error: ") or "kubectl s’est arrêté sans rien dire")
        time.sleep(0.05)
    raise ForwardRefused("kubectl n’a pas ouvert le tunnel dans le délai")
