"""The connections that a pod itself sees, read in its own /proc/net/tcp."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.errors import Unverifiable
from checks.facts import Pod
from checks.interruption import pause
from checks.waiting import Deadline

_ENTERS = 2.0  # seconds for a tunnel of ours to show in the pod
_PAUSE = 0.1
_ESTABLISHED = "01"  # states of include/net/tcp_states.h
_SYN_SENT = "02"
_LISTEN = "0A"
_END = "(?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}"
_ROW = re.compile(rf"\s*\d+: (?P<local>{_END}) (?P<remote>{_END}) (?P<state>[0-9A-F]{{2}}) ")
READ = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; true"
"""The command by which a pod shows its connections."""


@dataclass(frozen=True)
class Connection:
    """An established TCP connection, addresses as the pod sees them."""

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int

    @property
    def from_loopback(self) -> bool:
        """Whether the peer is the pod's own loopback: so enters every `kubectl port-forward`."""
        return ipaddress.ip_address(self.remote_address).is_loopback


@dataclass(frozen=True)
class Listener:
    """A TCP port on which something listens in the pod, and the address that it is bound to."""

    address: str
    port: int

    @property
    def on_loopback(self) -> bool:
        """Whether it can be reached from inside the pod only."""
        return ipaddress.ip_address(self.address).is_loopback

    def takes(self, address: str) -> bool | None:
        """Whether who comes to this address of the pod is a client of its own. None where it is
        the program's choice: what listens on `::` takes IPv4 too, but where it has asked not to
        (IPV6_V6ONLY), which nothing shows."""
        own, other = ipaddress.ip_address(self.address), ipaddress.ip_address(address)
        if not own.is_unspecified:
            return own == other
        return True if own.version == other.version else None if own.version == 6 else False


@dataclass(frozen=True)
class Seen:
    """What a pod shows at one moment; of `established`, `outgoing` are those that it has itself
    opened to elsewhere. `opening`: it has called, and nobody has answered yet."""

    established: frozenset[Connection]
    outgoing: frozenset[Connection]
    opening: frozenset[Connection]


class Window:
    """What a pod shows of its connections, looked at as often as one likes: each time anew. Looking
    raises Unverifiable where the image has no `cat`, or no shell."""

    def __init__(self, look: Callable[[], str]) -> None:
        """`look`: gives the table as it is."""
        self._look = look

    def established(self) -> frozenset[Connection]:
        """Established connections."""
        return frozenset(_parse(self._look(), _ESTABLISHED))

    def met(self) -> frozenset[Connection]:
        """Connections, also those that are over: the end that closed one first remembers it for a
        minute (TIME_WAIT)."""
        return frozenset(
            Connection(*_address(row["local"]), *_address(row["remote"]))
            for row in map(_ROW.match, self._look().splitlines())
            if row and row["state"] != _LISTEN
        )

    def seen(self) -> Seen:
        """All that it shows."""
        table = self._look()
        made = frozenset(_parse(table, _ESTABLISHED))
        return Seen(made, _elsewhere(table, made), frozenset(_parse(table, _SYN_SENT)))

    def listeners(self) -> frozenset[Listener]:
        """What listens."""
        return frozenset(
            Listener(item.local_address, item.local_port) for item in _parse(self._look(), _LISTEN)
        )


@contextlib.contextmanager
def window(cluster: Cluster, pod: str) -> Iterator[Window]:
    """A window on `pod`, for several looks: the first takes most of the time, for what runs in the
    pod then stays. The table is one for all the containers of a pod, read in the first of them
    whose image can."""
    with contextlib.ExitStack() as held:
        kept: Callable[[], str] | None = None

        def look() -> str:
            nonlocal kept
            if kept is not None:
                return kept()
            trouble: Unverifiable | None = None
            for container in _containers(cluster, pod):
                asked = held.enter_context(cluster.repeated(pod, READ, container))
                try:
                    table = asked()
                except Unverifiable as refusal:
                    trouble = trouble or refusal
                    continue
                kept = asked
                return table
            raise trouble or Unverifiable(f"Le pod {pod} ne montre pas ses connexions.")

        yield Window(look)


def _containers(cluster: Cluster, pod: str) -> Sequence[str]:
    """The one that kubectl chooses, then the others that run."""
    found = cluster.pod(pod)
    others = [box.name for box in found.containers if box.running] if found is not None else []
    return ["", *others[1:]]


def established(cluster: Cluster, pod: str) -> frozenset[Connection]:
    """Established connections of `pod`. Raises Unverifiable as a window does."""
    with window(cluster, pod) as through:
        return through.established()


def outgoing(cluster: Cluster, pod: str) -> frozenset[Connection]:
    """Established connections that `pod` has itself opened to elsewhere. Raises as
    `established`."""
    with window(cluster, pod) as through:
        return through.seen().outgoing


def _elsewhere(table: str, made: frozenset[Connection]) -> frozenset[Connection]:
    served = {item.local_port for item in _parse(table, _LISTEN)}
    return frozenset(
        item for item in made if item.local_port not in served and not item.from_loopback
    )


def listeners(cluster: Cluster, pod: str) -> frozenset[Listener]:
    """What listens in `pod`. Raises Unverifiable as `established`."""
    with window(cluster, pod) as through:
        return through.listeners()


def listening(cluster: Cluster, pod: str) -> frozenset[int]:
    """Ports on which something listens in `pod`. Raises Unverifiable as `listeners`."""
    return frozenset(item.port for item in listeners(cluster, pod))


def takes_ipv4(cluster: Cluster, pod: str, port: int) -> bool | None:
    """Whether what listens on `::` takes IPv4: a node tries 127.0.0.1 before ::1, for a tunnel.
    None where the pod does not show by which of them ours enters. Raises as `established` and
    `Cluster.forward` do."""
    with window(cluster, pod) as through:
        before, deadline = through.established(), Deadline(_ENTERS)
        with cluster.forward(pod, port):
            while not deadline.passed:
                for one in through.established() - before:
                    if one.local_port == port and one.from_loopback:
                        return ipaddress.ip_address(one.remote_address).version == 4
                pause(_PAUSE)
    return None


def holder(cluster: Cluster, pod: Pod, port: int) -> str:
    """The container whose program listens on a port that all of them share; "" where it is the only
    one, or none shows it."""
    running = [box.name for box in pod.containers if box.running]
    for container in running if len(running) > 1 else ():
        with contextlib.suppress(Unverifiable):
            told = cluster.execute(
                pod.name,
                ["sh", "-c", f"{READ}; ls -l /proc/[0-9]*/fd 2>/dev/null; true"],
                container,
            )
            rows = [line.split() for line in told.splitlines()]
            held = [
                row
                for row in rows
                if len(row) > 9 and row[3] == _LISTEN and re.fullmatch(_END, row[1])
            ]
            inodes = [row[9] for row in held if _address(row[1])[1] == port]
            if any(f"socket:[{inode}]" in told for inode in inodes):
                return container
    return ""


def _parse(table: str, state: str) -> Iterator[Connection]:
    """The rows that are some: a program of the pod may answer anything."""
    for line in table.splitlines():
        if (row := _ROW.match(line)) and row["state"] == state:
            yield Connection(*_address(row["local"]), *_address(row["remote"]))


def _address(field: str) -> tuple[str, int]:
    digits, _, port = field.partition(":")
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)
