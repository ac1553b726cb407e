"""The validators in `scripts/`: one kubectl process for each question, as our peers write theirs.

With a local port, a validator looks at the learner's own machine too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.measure import Run, run
from checks.errors import CahierError
from checks.lab import Lab, all_labs

FOLDER = Path(__file__).parent / "scripts"


def labs() -> Sequence[Lab]:
    """Those that have a script to be compared with."""
    return [lab for lab in all_labs() if (FOLDER / f"{lab.short_name}.sh").is_file()]


def judge(
    lab: str,
    namespace: str,
    colleague: str,
    kubeconfig: Path,
    *port: int,
    pause: float | None = None,
) -> Run:
    """Run a lab's validator with an administrator's access. Raises CahierError when it is no
    verdict.

    `pause`: how long it sleeps for a port-forward to open, in seconds; None: what it says itself.
    """
    environment = {"KUBECONFIG": str(kubeconfig)} | ({} if pause is None else {"PAUSE": str(pause)})
    done = run(
        ["bash", str(FOLDER / f"{lab}.sh"), namespace, colleague, *map(str, port)], environment
    )
    if done.code not in (0, 1):
        raise CahierError(f"Le script de {lab} a échoué : {done.output[-500:]}")
    return done
