"""Versions, places and addresses: everything that is chosen once.

Places and addresses are asked for at each use, so that a test can have an
engine of its own by setting variables: XDG_CACHE_HOME, XDG_STATE_HOME,
CAHIER_ENGINE_NAME, CAHIER_ENGINE_NETWORK, and CAHIER_KUBERNETES.
"""

import os
from dataclasses import dataclass
from pathlib import Path

KUBERNETES = "v1.37.2"
"""What a node is, unless told otherwise: the version that its one program is compiled with."""
KIND = "v0.33.0"
GO = "1.26.6"
"""The Go to fetch where the machine has none that is recent enough."""
DEBIAN = "bookworm"
"""The release of every tree made here, whatever the machine's own: its systemd
(252) is the last whose use of cgroup v1 is known to be good."""

API_SERVER_PORT = 6443
REGISTRY_PORT = 5000

SOURCES = Path(__file__).resolve().parent


def kubernetes() -> str:
    """The nodes' version: ours, or one of those in `engine/kubernetes`."""
    return os.environ.get("CAHIER_KUBERNETES") or KUBERNETES


def node_image() -> str:
    """The image of a node of that version."""
    return f"cahier/node:{kubernetes()}"


def _below(variable: str, default: str) -> Path:
    """A folder of the XDG convention: relative values are to be ignored."""
    value = Path(os.environ.get(variable, ""))
    base = value if value.is_absolute() else Path.home() / default
    return base / "cahier-kubernetes"


def cache() -> Path:
    """What can be made again: built programs, trees, images."""
    return _below("XDG_CACHE_HOME", ".cache")


def state() -> Path:
    """What belongs to one engine: its socket, its images, its logs."""
    return _below("XDG_STATE_HOME", ".local/state") / "engine"


def logs() -> Path:
    """What the programs run here have said."""
    return state() / "log"


@dataclass(frozen=True)
class Network:
    """Addresses of one engine, from the range kept for tests of equipment."""

    name: str
    """Name of its cgroup and of its link's ends (NAME-h here, NAME-n inside)."""
    prefix: str
    third: int

    def _address(self, offset: int, last: str) -> str:
        return f"{self.prefix}.{self.third + offset}.{last}"

    @property
    def host(self) -> str:
        """The machine's end of the link."""
        return self._address(0, "9")

    @property
    def engine(self) -> str:
        """Where the API server and published ports answer."""
        return self._address(0, "10")

    @property
    def bridge(self) -> str:
        """Docker's default network."""
        return self._address(1, "1/24")

    @property
    def kind_subnet(self) -> str:
        """Where the nodes and the registry are."""
        return self._address(2, "0/24")

    @property
    def kind_gateway(self) -> str:
        """The way out of that subnet."""
        return self._address(2, "1")

    @property
    def registry(self) -> str:
        """High in the subnet, so that nodes get the same low ones each time."""
        return self._address(2, "250")

    @property
    def others(self) -> str:
        """For networks that somebody makes by hand."""
        return self._address(3, "0/24")


def network() -> Network:
    """This engine's addresses: 198.18.77.0 and the three networks after it."""
    first = os.environ.get("CAHIER_ENGINE_NETWORK", "198.18.77")
    prefix, _, third = first.rpartition(".")
    return Network(os.environ.get("CAHIER_ENGINE_NAME", "cahier"), prefix, int(third))
