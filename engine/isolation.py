"""A picture of what the engine must leave as it was, to compare before and after."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from engine import processes


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _forwarding() -> str:
    names = ("ipv4/ip_forward", "ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding")
    files = [Path("/proc/sys/net", name) for name in names]
    return " ".join(file.read_text().strip() for file in files if file.exists())


def _nft() -> str:
    return _digest(processes.output(["nft", "list", "ruleset"]) or "")


def _iptables() -> str:
    text = processes.output(["iptables-save"]) or ""
    return _digest("\n".join(line for line in text.splitlines() if not line.startswith("#")))


def _links() -> str:
    return " ".join(sorted(path.name for path in Path("/sys/class/net").iterdir()))


def _addresses() -> str:
    lines = (processes.output(["ip", "-oneline", "-4", "address"]) or "").splitlines()
    return " ".join(sorted(f"{line.split()[1]}={line.split()[3]}" for line in lines))


def _mounts() -> str:
    return _digest(Path("/proc/self/mounts").read_text())


def _cgroups() -> str:
    """The groups at the top: what is below them changes with every process."""
    root = Path("/sys/fs/cgroup")
    found = [path for depth in ("*", "*/*") for path in root.glob(depth) if path.is_dir()]
    return _digest("\n".join(sorted(map(str, found))))


def _listing(folder: str) -> Callable[[], str]:
    def digest() -> str:
        lines = []
        for above, folders, files in os.walk(folder):
            for name in (*folders, *files):
                with contextlib.suppress(OSError):
                    status = Path(above, name).lstat()
                    size = status.st_size if name in files else ""
                    lines.append(f"{above}/{name} {status.st_mode} {size}")
        return _digest("\n".join(sorted(lines)))

    return digest


_PARTS: dict[str, Callable[[], str]] = {
    "forwarding": _forwarding,
    "nft rules": _nft,
    "iptables rules": _iptables,
    "links": _links,
    "addresses": _addresses,
    "mounts": _mounts,
    "cgroups": _cgroups,
    "/etc": _listing("/etc"),
    "/run": _listing("/run"),
}


def host_fingerprint() -> dict[str, str]:
    """One line for each thing of the machine that is nobody's to change."""
    return {name: read() for name, read in _PARTS.items()}
