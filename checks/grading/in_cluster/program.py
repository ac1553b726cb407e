"""What a pod of ours does around its work, whichever it is."""

from __future__ import annotations

import sys
from collections.abc import Callable

from checks.errors import CahierError
from checks.grading.in_cluster.order import OTHER_CODE, digest
from checks.redaction import described


def worked(code: str, work: Callable[[], None]) -> int:
    """Do the work of a pod; its exit code. Its last words are read by the teacher's command.
    `code`: digest of the program that asks, which has to be this one."""
    try:
        if digest() != code:
            print(
                "Cette image porte une autre version de cahier que celle de l’enseignant.",
                file=sys.stderr,
            )
            return OTHER_CODE
        work()
    except Exception as problem:
        print(
            problem.message if isinstance(problem, CahierError) else described(problem),
            file=sys.stderr,
        )
        return 1
    return 0
