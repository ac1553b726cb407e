"""`cahier` that waits for a silence as ever, only less long: `python -m tests.support.impatient
verifier tp2 --suivre`."""

from __future__ import annotations

from checks.access import answers, kubectl, kubernetes_api, streams
from checks.cli import main

WAIT = 1.5
"""Seconds, where twenty are usual."""

SHORTER = (
    (kubernetes_api, "_TIMEOUT", (WAIT, WAIT)),
    (kubernetes_api, "_WATCH", 15),
    (kubernetes_api, "_LATE", WAIT),
    (kubectl, "_PATIENCE", 2 * WAIT),
    (streams, "WAIT", WAIT),
    (answers, "_LONGEST", 2 * WAIT),
)

if __name__ == "__main__":
    for module, name, value in SHORTER:
        setattr(module, name, value)
    main()
