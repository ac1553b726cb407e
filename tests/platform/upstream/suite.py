"""Plays an area of Kubernetes' end-to-end tests on a cluster, and reads what came out."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.platform.upstream.record import Failure, Outcome
from tests.support.throwaway import Throwaway

AREAS: Mapping[str, str] = {
    "networkpolicy": r"\[sig-network\] Netpol",
    "port-forward": r"\[sig-cli\] Kubectl Port forwarding",
    "auth": r"\[sig-auth\]",
    "dns": r"\[sig-network\] DNS",
    "services": r"\[sig-network\] Services",
}
"""What begins the names of their tests, as Ginkgo is to look for them."""

_HERE = ("NetworkPolicy", "NodeAuthorizer")
"""What not every cluster does, and ours does."""
_SPECIAL = ("Serial", "Slow", "Disruptive", "Flaky", "Alpha", "BetaOffByDefault")
"""Labels of tests that want something special of a cluster, or all of it for themselves."""
_FILTER = " && ".join(
    [*(f"!{label}" for label in _SPECIAL), f"Feature: isSubsetOf {{{', '.join(_HERE)}}}"]
)
_AT_ONCE = int(os.environ.get("CAHIER_ENSEMBLE", "4"))
_SAID = 600  # characters of a failure that are kept
_REASON = 100  # and of a reason


class _Said(msgspec.Struct, rename="pascal"):
    message: str = ""


class _Spec(msgspec.Struct, rename="pascal"):
    """A test in Ginkgo's report: https://pkg.go.dev/github.com/onsi/ginkgo/v2/types#SpecReport"""

    state: str
    container_hierarchy_texts: list[str] | None = None
    container_hierarchy_labels: list[list[str] | None] | None = None
    leaf_node_type: str = ""
    leaf_node_text: str = ""
    leaf_node_labels: list[str] | None = None
    failure: _Said = msgspec.field(default_factory=_Said)

    @property
    def name(self) -> str:
        return " ".join([*(self.container_hierarchy_texts or ()), self.leaf_node_text])

    @property
    def special(self) -> Sequence[str]:
        """Its labels that put it aside, each once."""
        above = [
            label for labels in self.container_hierarchy_labels or () for label in labels or ()
        ]
        every = dict.fromkeys([*above, *(self.leaf_node_labels or ())])
        return [label for label in every if _is_special(label)]


def _is_special(label: str) -> bool:
    kind, _, feature = label.partition(":")
    return label in _SPECIAL or (kind == "Feature" and feature not in _HERE)


class _Suite(msgspec.Struct, rename="pascal"):
    spec_reports: list[_Spec]


def play(area: str, made: Path, cluster: Throwaway, nodes: int, folder: Path) -> Outcome:
    """One area, several tests at once, on a cluster of so many nodes."""
    done = subprocess.run(
        [
            *(made / "ginkgo", "run", f"--procs={_AT_ONCE}", "--no-color", "--silence-skips"),
            *(f"--focus={AREAS[area]}", f"--label-filter={_FILTER}"),
            *("--timeout=3h", "--json-report=report.json", f"--output-dir={folder}"),
            *(made / "e2e.test", "--"),
            *(f"--kubeconfig={cluster.kubeconfig}", f"--kubectl-path={cluster.kubectl}"),
            *("--provider=local", f"--num-nodes={nodes}"),
            *("--dump-logs-on-failure=false", f"--e2e-output-dir={folder}"),
        ],
        check=False,  # a test that fails is in the report
    )
    found = outcome(area, (folder / "report.json").read_bytes())
    if done.returncode and not found.failed:
        raise SystemExit(f"{area}: its tests were not played, nothing is proven")
    return found


def outcome(area: str, report: bytes) -> Outcome:
    """Of Ginkgo's report, what the tests of an area came to."""
    specs = [spec for spec in _specs(report) if re.search(AREAS[area], spec.name)]
    ran = [spec for spec in specs if spec.state not in ("skipped", "pending")]
    return Outcome(
        passed=sum(spec.state == "passed" for spec in ran),
        failed=tuple(
            Failure(spec.name, spec.failure.message[:_SAID])
            for spec in ran
            if spec.state != "passed"
        ),
        skipped=dict(sorted(Counter(_reason(spec) for spec in specs if spec not in ran).items())),
    )


def _specs(report: bytes) -> Iterator[_Spec]:
    for suite in msgspec.json.decode(report, type=list[_Suite]):
        yield from (spec for spec in suite.spec_reports if spec.leaf_node_type == "It")


def _reason(spec: _Spec) -> str:
    """Why a test was not played: the beginning of what it says itself, or the labels that put it
    aside."""
    said = textwrap.shorten(spec.failure.message, _REASON, placeholder=" …")
    return said or ", ".join(spec.special) or spec.state
