"""What a program's log says of a name or an address that it did not reach, in the words of common
tools."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_QUOTED = 200  # characters of a message at most


class Trouble(Enum):
    """Why a program does not reach what it asks for."""

    UNKNOWN_PORT = "unknown port"
    UNKNOWN_HOST = "unknown host"
    REFUSED = "refused"
    SILENT = "silent"


# glibc's and musl's own words, which socat, nginx, PgBouncer and most tools repeat; then HAProxy's,
# nginx's, libpq's, Go's (gost, Traefik) and Python's or Node's names of the same errors. The port
# comes first: it is a name as well.
_TOLD = {
    Trouble.UNKNOWN_PORT: r"Servname not supported|Unrecognized service|unknown service|unknown "
    r"port",
    Trouble.UNKNOWN_HOST: r"Name or service not known|Name does not resolve|No address associated|"
    r"Name has no usable|"
    r"Temporary failure in name resolution|could not resolve|host not found|could not translate "
    r"host name|"
    r"no such host|NXDOMAIN|ENOTFOUND|EAI_AGAIN|getaddrinfo|DNS lookup failed",
    Trouble.REFUSED: r"(?i:connection refused)|ECONNREFUSED",
    Trouble.SILENT: r"(?i:timed out)|ETIMEDOUT|i/o timeout|(?i:no route to "
    r"host)|EHOSTUNREACH|network is unreachable",
}
_NAME = re.compile(
    r"getaddrinfo\(?\"(?P<socat>[^\"]+)\", \"(?P<port>[^\"]*)\"|"
    r"(?:could not resolve address|host not found in upstream|could not translate host name)"
    r" [\"'](?P<told>[^\"':]+)|"
    r"\blookup (?:failed: )?(?P<go>[\w.-]+)"
)
_DATED = re.compile(r"^(?:\W*(?:\d{4}[/-]\d\d[/-]\d\d[T ])?\d\d:\d\d:\d\d[\d.,Z]*\W*)+")
_PROCESS = re.compile(r"^\s*socat\[\d+\] \w ")


@dataclass(frozen=True)
class Told:
    """A line of a log that tells a trouble: the whole `message`, and its own `words` for it.

    `host` and `port`: those that it names, "" for none.
    """

    trouble: Trouble
    message: str
    words: str
    host: str = ""
    port: str = ""


def told(log: str) -> Told | None:
    """The last trouble of a log that is known; None where no line tells one."""
    for line in reversed(log.splitlines()):
        for trouble, words in _TOLD.items():
            if found := re.search(words, line):
                named = _NAME.search(line)
                given = named.groupdict() if named else {}
                host = given.get("socat") or given.get("told") or given.get("go") or ""
                return Told(trouble, cleaned(line), found[0], host, given.get("port") or "")
    return None


def last_words(log: str) -> str:
    """The last line of a log, fit for a sentence; "" where there is none."""
    lines = [cleaned(line) for line in log.splitlines()]
    return next((line for line in reversed(lines) if line), "")


def cleaned(line: str) -> str:
    """A line without its date, control characters and excess."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    plain = "".join(letter if letter.isprintable() else " " for letter in plain)
    plain = _PROCESS.sub("", _DATED.sub("", plain)).strip()
    return plain if len(plain) <= _QUOTED else f"{plain[:_QUOTED].rstrip()}…"
