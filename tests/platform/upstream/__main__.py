"""Plays Kubernetes' own end-to-end tests on a throwaway cluster, area by area, prints what came
out, and writes it down.

python -m tests.platform.upstream [AREA …]: all by default, in the order in which they are told.
CAHIER_ENSEMBLE: how many tests are played at once, 4 by default; CAHIER_NOEUDS: how many nodes the
cluster has, 3 by default, for what one alone cannot show.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine import paths
from tests.platform.upstream import images, programs, record, report, suite
from tests.platform.upstream.record import Proof
from tests.support import throwaway
from tests.support.throwaway import Throwaway

_NODES = int(os.environ.get("CAHIER_NOEUDS", "3"))


def main(words: Sequence[str] | None = None) -> int:
    """Each area in its turn; 1 where a test failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.platform.upstream", description=__doc__)
    parser.add_argument("area", nargs="*", type=_known, default=[*suite.AREAS])
    parser.add_argument("--sortie", type=Path, default=record.FILE, help="where it is written down")
    asked = parser.parse_args(words)
    throwaway.require(parser)
    made = programs.made()
    proofs = []
    options = ("--noeuds", str(_NODES))
    with throwaway.cluster("cahier-upst", "198.18.130", paths.KUBERNETES, options) as cluster:
        images.push(made)
        for area in asked.area:
            proofs.append(_proof(area, made, cluster))
            record.keep(proofs[-1], [*suite.AREAS], asked.sortie)
    print(report.table(proofs))
    return int(any(proof.outcome.failed for proof in proofs))


def _known(area: str) -> str:
    if area not in suite.AREAS:
        raise argparse.ArgumentTypeError(f"{area}: not one of {', '.join(suite.AREAS)}")
    return area


def _proof(area: str, made: Path, cluster: Throwaway) -> Proof:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = suite.play(area, made, cluster, _NODES, Path(folder))
    minutes = round((time.monotonic() - began) / 60)
    server, _ = throwaway.versions(cluster)
    return Proof(server, _NODES, area, datetime.now(UTC).date(), minutes, outcome)


if __name__ == "__main__":
    sys.exit(main())
