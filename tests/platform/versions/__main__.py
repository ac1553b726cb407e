"""Plays a part of the corpus on throwaway clusters of several versions of Kubernetes, and writes
down what came out the same.

python -m tests.platform.versions [VERSION …]: those that the engine can make, all by default.
CAHIER_GRAINE draws other cases; CAHIER_ENFORCER=kube-router has it decide of NetworkPolicies in the
place of our pod network.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from engine import build
from tests.platform.versions import enforcers, record, sample
from tests.platform.versions.record import Difference, Proof
from tests.support import throwaway
from tests.support.throwaway import Throwaway

_CHECKOUT = Path(__file__).parents[3]
_SAID = 600  # characters of a failed test that are kept


def main(words: Sequence[str] | None = None) -> int:
    """Each version in its turn; 1 where something came out otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.platform.versions", description=__doc__)
    parser.add_argument("version", nargs="*", type=_known, default=build.versions())
    parser.add_argument("--sortie", type=Path, default=record.FILE, help="where it is written down")
    asked = parser.parse_args(words)
    throwaway.require(parser)
    enforcer = os.environ.get("CAHIER_ENFORCER", "")
    if enforcer not in enforcers.KNOWN:
        known = ", ".join(filter(None, enforcers.KNOWN))
        parser.error(f"CAHIER_ENFORCER={enforcer}: none, or one of {known}")
    proofs = []
    for version in asked.version:
        with throwaway.cluster("cahier-vers", "198.18.120", version) as made:
            decides = enforcers.KNOWN[enforcer](made.kubeconfig, made.kubectl)
            proofs.append(_proof(made, decides))
        record.keep(proofs[-1], asked.sortie)
    return int(any(proof.differences for proof in proofs))


def _known(version: str) -> str:
    if version not in build.versions():
        raise argparse.ArgumentTypeError(f"{version}: not one of {', '.join(build.versions())}")
    return version


def _proof(made: Throwaway, enforcer: str) -> Proof:
    seed = os.environ.get("CAHIER_GRAINE", "")
    cases = sample.drawn(seed)
    server, client = throwaway.versions(made)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        _play(sample.tests(cases), made, report)
        found = differences(cases, report.read_text(encoding="utf-8"))
    return Proof(
        kubernetes=server,
        kubectl=client,
        enforcer=enforcer,
        date=datetime.now(UTC).date(),
        seed=seed,
        counts=sample.counts(cases),
        differences=tuple(found),
    )


def _play(tests: Sequence[str], made: Throwaway, report: Path) -> None:
    """As `make test` does: on one small machine, a test that fails is played again."""
    options = ["-n", "4", "--dist", "worksteal", "--reruns", "2", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *tests],
        cwd=_CHECKOUT,
        env={
            **os.environ,
            "CAHIER_TEST_KUBECONFIG": str(made.kubeconfig),
            "CAHIER_TEST_KUBECTL": str(made.programs),
        },
        check=False,
    )
    if done.returncode not in (0, 1):  # it did not get as far as playing them
        raise SystemExit(done.returncode)


def differences(cases: Mapping[str, Sequence[str]], report: str) -> Iterator[Difference]:
    """Of a report of pytest (JUnit's XML), every case that did not pass; one that is not in it, or
    was skipped, has shown nothing either."""
    played = [*ElementTree.fromstring(report).iter("testcase")]  # one for each time it was
    names = {test.get("name") for test in played}
    said = {test.get("name"): test[0].get("message") or "" for test in played if len(test)}
    for sort, those in cases.items():
        for case in those:
            name = sample.name(sort, case)
            if name not in names or name in said:
                yield Difference(f"{sort} {case}", said.get(name, "not played")[:_SAID])


if __name__ == "__main__":
    sys.exit(main())
