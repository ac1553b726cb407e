"""The learner's own machine: who listens on a port, which port-forwards run, which kubectl is
there."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from checks.access import kubeconfig
from checks.exchange.bounded_socket import BoundedSocket
from checks.facts import ForwardCommand, KubectlVersion, Listener
from checks.objects.kinds import kind_called

_CONNECT_SECONDS = 3


class LocalMachine:
    """The machine this runs on, asked through psutil and real sockets."""

    def listeners(self, port: int) -> Sequence[Listener]:
        """Who listens on `port`, whoever owns the process."""
        listening = list(_listening(port))
        owners = {pid: _process(pid) for _address, pid in listening}
        forwards = {pid: _forward(process) for pid, process in owners.items()}
        return [
            Listener(
                address=address,
                port=port,
                pid=pid,
                process=process.name() if process else "",
                command=tuple(_command(process)),
                forward=forwards[pid],
                since=_since(process),
            )
            for address, pid in listening
            for process in (owners[pid],)
        ]

    def forwards(self) -> Sequence[ForwardCommand]:
        """Every `kubectl port-forward` of this machine that we may see."""
        found = []
        for process in psutil.process_iter():
            forward = _forward(process)
            if forward is not None and _shares_our_network(process):
                found.append(forward)
        return found

    def connect(self, port: int) -> socket.socket:
        """A connection to `port` as a client makes one: 127.0.0.1 first, then ::1. Raises
        OSError."""
        try:
            return BoundedSocket(socket.create_connection(("127.0.0.1", port), _CONNECT_SECONDS))
        except OSError as refused:
            try:
                return BoundedSocket(socket.create_connection(("::1", port), _CONNECT_SECONDS))
            except OSError:
                raise refused from None

    def localhost(self) -> Sequence[str]:
        """The addresses of « localhost », as this machine's resolver orders them."""
        try:
            found = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
        except OSError:
            return ("127.0.0.1",)
        return [str(address[0]) for *_, address in found]

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


def _listening(port: int) -> Iterator[tuple[str, int | None]]:
    """Addresses on which `port` is open, and whose process it is, None where we may not see it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            yield from _listening_on_linux(port)
            return
    try:
        connections = [
            (item.laddr, item.pid, item.status) for item in psutil.net_connections(kind="tcp")
        ]
    except psutil.AccessDenied:  # macOS lets root alone see everybody's sockets
        connections = []
        for process in psutil.process_iter():
            try:
                owned = process.net_connections(kind="tcp")
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            connections += [(item.laddr, process.pid, item.status) for item in owned]
    for address, pid, status in connections:
        if status == psutil.CONN_LISTEN and address and address.port == port:
            yield address.ip, pid


def _listening_on_linux(port: int) -> Sequence[tuple[str, int | None]]:
    """The same, without the files of each process of the machine, which psutil reads: of none where
    nothing listens, else of the newest ones until the listening one is found. Raises OSError.

    https://docs.kernel.org/networking/proc_net_tcp.html
    """
    found = []
    open_on_it = re.compile(rf"^ *\d+: ([0-9A-F]+):{port:04X} \S+ 0A (?:\S+ +){{5}}(\d+) ", re.M)
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for host, inode in open_on_it.findall(Path("/proc/net", table).read_text("ascii")):
            words = (int(host[at : at + 8], 16) for at in range(0, len(host), 8))
            address = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
            found.append((socket.inet_ntop(family, address), f"socket:[{inode}]"))
    owners = _owners({inode for _address, inode in found})
    return [(address, owners.get(inode)) for address, inode in found]


def _owners(inodes: Collection[str]) -> Mapping[str, int]:
    """Whose these sockets are, of those that we may see."""
    found: dict[str, int] = {}
    for pid in sorted(psutil.pids(), reverse=True) if inodes else ():
        if len(found) == len(inodes):
            break
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(entry.path)  # noqa: PTH115 (of thousands)
                    if target in inodes:
                        found.setdefault(target, pid)
    return found


def _process(pid: int | None) -> psutil.Process | None:
    if pid is None:
        return None
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _shares_our_network(process: psutil.Process) -> bool:
    """Whether its ports are this machine's: a container's are its own, though Linux shows its
    processes here."""
    try:
        return (
            Path(f"/proc/{process.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
        )
    except OSError:  # another system, or somebody else's process
        return True


def _command(process: psutil.Process | None) -> Sequence[str]:
    if process is None:
        return ()
    try:
        return process.cmdline()
    except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
        return ()


def _since(process: psutil.Process | None) -> datetime | None:
    if process is None:
        return None
    try:
        return datetime.fromtimestamp(process.create_time(), UTC)
    except psutil.Error:
        return None


def _forward(process: psutil.Process | None) -> ForwardCommand | None:
    command = _command(process)
    if process is None or "port-forward" not in command:
        return None
    try:
        environment: Mapping[str, str] = process.environ()
        folder = Path(process.cwd())
    except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess, OSError):
        return parse_forward(command, None)
    found = parse_forward(command, environment, folder)
    return _with_what_was_drawn(found, process) if found is not None and found.drawn else found


def _with_what_was_drawn(forward: ForwardCommand, process: psutil.Process) -> ForwardCommand:
    """With the local port that kubectl drew, where it drew one only: its own sockets tell."""
    try:
        own = process.net_connections(kind="tcp")
    except psutil.Error:
        return forward
    held = {one.laddr.port for one in own if one.status == psutil.CONN_LISTEN}
    unknown = held - forward.ports.keys()
    if len(forward.drawn) != 1 or len(unknown) != 1:
        return forward
    ports = {**forward.ports, unknown.pop(): forward.drawn[0]}
    return replace(forward, ports=ports, drawn=())


# Options of kubectl that take a value, which must not be mistaken for the target; from `kubectl
# options`.
_VALUED = (
    *("address", "as", "as-group", "as-uid", "as-user-extra", "cache-dir", "certificate-authority"),
    *(
        "client-certificate",
        "client-key",
        "cluster",
        "context",
        "kubeconfig",
        "kuberc",
        "log-flush-frequency",
    ),
    *("password", "pod-running-timeout", "profile", "profile-output", "request-timeout", "server"),
    *("tls-server-name", "token", "user", "username", "v", "vmodule"),
)


def parse_forward(
    command: Sequence[str], environment: Mapping[str, str] | None, folder: Path = Path()
) -> ForwardCommand | None:
    """What a `kubectl … port-forward …` command line forwards; None when it is not one.

    `environment` and `folder` are the process's own; None: they may not be read.
    """
    program = next((index for index, word in enumerate(command) if _is_kubectl(word)), None)
    if program is None:
        return None
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("-n", "--namespace", dest="namespace")
    for option in _VALUED:
        parser.add_argument(f"--{option}", dest=option.replace("-", "_"))
    parser.add_argument("-s", dest="server")
    parser.add_argument("-v", dest="v")
    try:
        options, words = parser.parse_known_args(list(command[program + 1 :]))
    except argparse.ArgumentError:
        return None
    words = [word for word in words if not word.startswith("-")]
    if len(words) < 3 or words[0] != "port-forward":
        return None
    kind, _, name = words[1].rpartition("/")
    namespace = options.namespace or ""
    if not namespace and (
        environment is not None or (options.kubeconfig and Path(options.kubeconfig).is_absolute())
    ):
        own = _absolute(environment or {}, folder)
        explicit = str(folder / options.kubeconfig) if options.kubeconfig else None
        namespace = kubeconfig.context_namespace(own, explicit, options.context)
    return ForwardCommand(
        kind=kind_called(kind or "pod"),
        name=name,
        namespace=namespace,
        ports=dict(_port_pairs(words[2:])),
        namespace_given=bool(options.namespace),
        drawn=[int(word[1:]) for word in words[2:] if word[0] == ":" and word[1:].isdigit()],
        named=dict(_named_ports(words[2:])),
    )


def _is_kubectl(word: str) -> bool:
    name = Path(word).name.removesuffix(".exe")
    return name == "oc" or name.startswith("kubectl")


def _absolute(environment: Mapping[str, str], folder: Path) -> Mapping[str, str]:
    """`environment` with the files of KUBECONFIG as the process in `folder` finds them."""
    files = [
        str(folder / part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part
    ]
    return {**environment, "KUBECONFIG": os.pathsep.join(files)}


def _port_pairs(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Local and remote port of `8000`, `1500:8000`; not of `:8000` (drawn at random)."""
    for word in words:
        local, _, remote = word.rpartition(":")
        if remote.isdigit() and (local.isdigit() or ":" not in word):
            yield int(local or remote), int(remote)


def _named_ports(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Local port, and the name of the remote one, of `8081:http`."""
    for word in words:
        local, _, remote = word.partition(":")
        if local.isdigit() and remote and not remote.isdigit():
            yield int(local), remote
