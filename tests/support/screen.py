"""Shows, in the terminal that it is run in, what the corpus has to print;
`python -m tests.support.screen LAB…`.

The lessons are those that are kept (`constat.md`): no cluster is needed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from rich.console import Console

from checks.lab import Lab, all_labs, find_lab
from checks.render.terminal import show
from checks.verdict import CheckResult, Diagnostic, Status, Verdict, overall

_LESSON = re.compile(
    r"\*\*Constat\.\*\* (?P<finding>.*?)\n\n\*\*Pourquoi\.\*\* (?P<cause>.*?)\n\n\*\*Remède\.\*\* "
    r"(?P<fix>.*?)\n"
    r"(?:\n```yaml\n(?P<lines>.*?)\n```\n)?"
    r"(?:\n```console\n(?P<commands>.*?)\n```)?",
    re.DOTALL,
)


def lessons(lab: Lab) -> Iterator[tuple[str, Diagnostic]]:
    """Of each mistake of the corpus, the check that it fails and the lesson that it gets."""
    for name, case in lab.cases("erreurs").items():
        found = _LESSON.search(
            (lab.folder / "erreurs" / name / "constat.md").read_text(encoding="utf-8")
        )
        assert found is not None, name
        commands = tuple(line.removeprefix("$ ") for line in (found["commands"] or "").splitlines())
        lines = (found["lines"] or "").splitlines()
        yield (
            case.fails,
            Diagnostic(found["finding"], found["cause"], found["fix"], commands, lines=lines),
        )


def verdict(lab: Lab, failed: str, lesson: Diagnostic) -> Verdict:
    """What the learner who makes one mistake is told; what depends on the failed check is left
    out."""
    results = []
    statuses: dict[str, Status] = {}
    for check in lab.checks:
        blocked = any(statuses[before.id] is not Status.PASSED for before in check.after)
        status = (
            Status.FAILED if check.id == failed else Status.SKIPPED if blocked else Status.PASSED
        )
        statuses[check.id] = status
        lost = status is not Status.PASSED
        results.append(
            CheckResult(
                id=check.id,
                title=check.title,
                status=status,
                points=0 if lost else check.points,
                points_max=check.points,
                finding=lesson.finding if check.id == failed else "",
                cause=lesson.cause if check.id == failed else "",
                fix=lesson.fix if check.id == failed else "",
                fix_lines=tuple(lesson.lines) if check.id == failed else (),
                fix_commands=tuple(lesson.commands) if check.id == failed else (),
            )
        )
    return Verdict(
        lab=lab.name,
        namespace=lab.about.story.namespace,
        user=lab.about.story.namespace.replace("user-", "oidc-"),
        status=overall(list(statuses.values())),
        points=sum(result.points for result in results),
        points_max=sum(result.points_max for result in results),
        checks=tuple(results),
    )


def main(names: list[str]) -> None:
    console = Console(highlight=False)
    for lab in [find_lab(name) for name in names] or all_labs():
        for failed, lesson in lessons(lab):
            show(console, lab, verdict(lab, failed, lesson), {failed: lesson}, with_help=True)


if __name__ == "__main__":
    main(sys.argv[1:])
