"""What the command line of a `kubectl port-forward`, and the sockets of its process, tell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from checks.facts import ForwardCommand
from checks.sources.machine import LocalMachine, parse_forward

LISTENS = """
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range({count})]
print(*(one.getsockname()[1] for one in held), flush=True)
sys.stdin.read()
"""


@contextmanager
def forwarding(folder: Path, *words: str, count: int = 1) -> Iterator[list[int]]:
    """While a program called kubectl listens on ports that the kernel gave it."""
    program = folder / "kubectl"
    program.write_text(LISTENS.format(count=count), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(program), "port-forward", "pod/moi", *words, "-n", "user-moi"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        yield [int(word) for word in running.stdout.readline().split()]
        running.stdin.close()


def mine() -> ForwardCommand:
    return next(one for one in LocalMachine().forwards() if one.namespace == "user-moi")


def test_the_local_port_that_kubectl_drew_is_read_in_its_sockets(tmp_path: Path) -> None:
    with forwarding(tmp_path, ":8080") as ports:
        assert mine().ports == {ports[0]: 8080}


def test_which_of_two_it_drew_for_what_is_not_known(tmp_path: Path) -> None:
    with forwarding(tmp_path, ":8080", ":9090", count=2):
        assert (mine().ports, mine().drawn) == ({}, [8080, 9090])


@pytest.mark.parametrize(
    ("words", "ports", "drawn", "named"),
    [
        ("8000", {8000: 8000}, [], {}),
        ("8000:80 9000:90", {8000: 80, 9000: 90}, [], {}),
        ("8000:80 :90", {8000: 80}, [90], {}),
        (":http", {}, [], {}),
        ("8000:http 9000:90", {9000: 90}, [], {8000: "http"}),
    ],
)
def test_a_command_line_tells_its_ports(
    words: str, ports: dict[int, int], drawn: list[int], named: dict[int, str]
) -> None:
    found = parse_forward(["kubectl", "port-forward", "pod/x", *words.split()], None)
    assert found is not None
    assert (found.ports, found.drawn, found.named) == (ports, drawn, named)
