"""Requests to the API server, counted by a proxy between a command and the cluster: the same
measure for all."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from checks.errors import CahierError

_STARTS_SECONDS = 10.0


@dataclass(frozen=True)
class Counter:
    """A `kubectl proxy` that logs each request that it lets through."""

    kubeconfig: Path
    """Leads to the proxy, with the proxy's own identity and the namespace of the original."""
    _log: Path

    def total(self) -> int:
        """Requests until now."""
        return self._log.read_text(encoding="utf-8", errors="replace").count("Filter accepting")


@contextlib.contextmanager
def counting(kubeconfig: Path) -> Iterator[Counter]:
    """A counter in front of the cluster, with the identity of `kubeconfig`. Raises CahierError."""
    with tempfile.TemporaryDirectory(prefix="cahier-mesure-") as folder:
        log, copy = Path(folder) / "proxy.log", Path(folder) / "kubeconfig"
        command = [
            "kubectl",
            "proxy",
            "--port=0",
            "-v=4",
            "--reject-paths=^$",
            f"--kubeconfig={kubeconfig}",
        ]
        with (
            log.open("w") as said,
            subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT) as process,
        ):
            try:
                copy.write_text(_through(kubeconfig, _address(log)), encoding="utf-8")
                copy.chmod(0o600)
                yield Counter(copy, log)
            finally:
                process.terminate()


def _address(log: Path) -> str:
    deadline = time.monotonic() + _STARTS_SECONDS
    while time.monotonic() < deadline:
        _before, found, after = log.read_text(encoding="utf-8").partition("Starting to serve on ")
        if found and "\n" in after:
            return after.splitlines()[0]
        time.sleep(0.05)
    raise CahierError(
        f"« kubectl proxy » n’a pas démarré : {log.read_text(encoding='utf-8')[-300:]}"
    )


def _through(kubeconfig: Path, address: str) -> str:
    content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    content["clusters"] = [
        {"name": one["name"], "cluster": {"server": f"http://{address}"}}
        for one in content["clusters"]
    ]
    content["users"] = [{"name": one["name"], "user": {}} for one in content["users"]]
    return yaml.safe_dump(content)
