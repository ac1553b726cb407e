"""What Kubernetes' own code decides, for the tests to compare with what the checks say.

Three Go programs, which share the compiled packages of the local cluster's:
`rbac` is the API server's RBAC authorizer and the controller that fills aggregated ClusterRoles;
`enforcer` is the compiler of NetworkPolicies of the local cluster's nodes (engine/go/network);
`kube-network-policies` is the implementation of Kubernetes' own network group, in user space.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine import build, compiler, paths

SOURCES = Path(__file__).parent / "go"
# those of the cluster's programs, or all is compiled again
_OPTIONS = (
    "-trimpath",
    "-ldflags",
    "-s -w",
)


class Silent(Exception):
    """A program that cannot be built, or does not answer: its own words."""


def made() -> Path:
    """The folder of the programs, as their sources are now; Go itself knows what is left to
    compile."""
    folder = paths.cache() / "oracles"
    folder.mkdir(parents=True, exist_ok=True)
    go = compiler.go()
    _compiled(
        [go, "build", *_OPTIONS, "-o", f"{folder}{os.sep}", "./rbac", "./kube-network-policies"],
        SOURCES,
    )
    _compiled([go, "test", "-c", *_OPTIONS, "-o", folder / "enforcer", "./network"], build.MODULE)
    return folder


def _compiled(command: list[str | Path], folder: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Silent(done.stderr)


def answers(program: Path, questions: Iterable[Any]) -> list[str]:
    """The lines that a program answers to these lines of JSON."""
    asked = "".join(f"{json.dumps(question)}\n" for question in questions)
    enforcer = program.name == "enforcer"
    done = subprocess.run(
        [program, *(["-test.run=^TestOracle$", "-test.timeout=0"] if enforcer else [])],
        input=asked,
        env={**os.environ, "CAHIER_ORACLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout.splitlines()
    if done.returncode or (enforcer and said.pop() != "PASS"):
        raise Silent(done.stderr or done.stdout)
    return said


def without(value: Any, word: str) -> Any:
    """The same JSON as read by who overlooks a field or an item of lists, to see that a comparison
    would show it."""
    if isinstance(value, Mapping):
        return {key: without(one, word) for key, one in value.items() if key != word}
    if isinstance(value, list):
        return [without(one, word) for one in value if one != word]
    return value
