"""The learner's own machine: who listens on a port, which port-forwards run, which kubectl is there."""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from checks import kubeconfig
from checks.facts import ForwardCommand, KubectlVersion, Listener

_CONNECT_SECONDS = 3


class LocalMachine:
    """The machine this runs on, asked through psutil and real sockets."""

    def listeners(self, port: int) -> Sequence[Listener]:
        """Who listens on `port`, whoever owns the process."""
        found = []
        for address, listening, pid in _listening():
            if listening == port:
                process = _process(pid)
                found.append(
                    Listener(
                        address=address,
                        port=port,
                        pid=pid,
                        process=process.name() if process else "",
                        command=tuple(_command(process)),
                        forward=_forward(process),
                    )
                )
        return found

    def forwards(self) -> Sequence[ForwardCommand]:
        """Every `kubectl port-forward` of this machine that we may see."""
        found = []
        for process in psutil.process_iter():
            forward = _forward(process)
            if forward is not None:
                found.append(forward)
        return found

    def connect(self, port: int) -> socket.socket:
        """A connection to `port` as a client makes one: 127.0.0.1 first, then ::1. Raises OSError."""
        try:
            return socket.create_connection(("127.0.0.1", port), _CONNECT_SECONDS)
        except OSError as refused:
            try:
                return socket.create_connection(("::1", port), _CONNECT_SECONDS)
            except OSError:
                raise refused from None

    def kubectl(self) -> KubectlVersion | None:
        """The kubectl of the PATH, None when there is none or it does not run."""
        path = shutil.which("kubectl")
        if path is None:
            return None
        try:
            answer = subprocess.run(
                [path, "version", "--client", "-o", "json"],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            version = json.loads(answer.stdout)["clientVersion"]
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError):
            return None
        return KubectlVersion(Path(path), int(version["major"]), int(version["minor"].rstrip("+")))


def _listening() -> Iterator[tuple[str, int, int | None]]:
    try:
        connections = [(item.laddr, item.pid, item.status) for item in psutil.net_connections(kind="tcp")]
    except psutil.AccessDenied:  # macOS lets root alone see everybody's sockets
        connections = []
        for process in psutil.process_iter():
            try:
                owned = process.net_connections(kind="tcp")
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            connections += [(item.laddr, process.pid, item.status) for item in owned]
    for address, pid, status in connections:
        if status == psutil.CONN_LISTEN and address:
            yield address.ip, address.port, pid


def _process(pid: int | None) -> psutil.Process | None:
    if pid is None:
        return None
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _command(process: psutil.Process | None) -> Sequence[str]:
    if process is None:
        return ()
    try:
        return process.cmdline()
    except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
        return ()


def _forward(process: psutil.Process | None) -> ForwardCommand | None:
    command = _command(process)
    if process is None or "port-forward" not in command:
        return None
    try:
        environment: Mapping[str, str] = process.environ()
    except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
        environment = {}
    return parse_forward(command, environment)


_KINDS = {"pods": "pod", "po": "pod", "services": "service", "svc": "service", "deployments": "deployment"}
_KINDS |= {"deploy": "deployment", "statefulsets": "statefulset", "sts": "statefulset"}


def parse_forward(command: Sequence[str], environment: Mapping[str, str]) -> ForwardCommand | None:
    """What a `kubectl … port-forward …` command line forwards; None when it is not one."""
    if not any(Path(word).name.removesuffix(".exe").startswith(("kubectl", "oc")) for word in command):
        return None
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    for option in ("-n", "--namespace"):
        parser.add_argument(option, dest="namespace")
    for option in (
        "kubeconfig",
        "context",
        "address",
        "cluster",
        "user",
        "token",
        "server",
        "as",
        "request-timeout",
    ):
        parser.add_argument(f"--{option}", dest=option.replace("-", "_"))
    for option in ("pod-running-timeout", "as-group", "v", "certificate-authority", "tls-server-name"):
        parser.add_argument(f"--{option}", dest=option.replace("-", "_"))
    parser.add_argument("-s", dest="server")
    parser.add_argument("-v", dest="v")
    after = command[max(index for index, word in enumerate(command) if Path(word).name.startswith(("kubectl", "oc"))) :]
    try:
        options, words = parser.parse_known_args(list(after[1:]))
    except argparse.ArgumentError:
        return None
    words = [word for word in words if not word.startswith("-")]
    if len(words) < 3 or words[0] != "port-forward":
        return None
    kind, _, name = words[1].rpartition("/")
    kind = kind.partition(".")[0].lower() or "pod"
    namespace = options.namespace or kubeconfig.context_namespace(environment, options.kubeconfig, options.context)
    return ForwardCommand(
        kind=_KINDS.get(kind, kind), name=name, namespace=namespace, ports=dict(_port_pairs(words[2:]))
    )


def _port_pairs(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    for word in words:
        local, _, remote = word.rpartition(":")
        if remote.isdigit() and (not local or local.isdigit()):
            yield int(local or remote), int(remote)
