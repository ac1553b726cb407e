"""The mistakes of the labs, each with its reviewed lesson, and where the site tells of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from checks.lab import Lab
from checks.verdict import CheckResult, Status
from checks.verification import Check

PAGE = "quand-ca-ne-marche-pas/"
"""The site's page of the findings, from its root."""
_CAUSE = re.compile(r"^\*\*Pourquoi\.\*\* (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """A mistake of a lab (`erreurs/NAME`): the check that catches it, and what is then said, in
    Markdown."""

    lab: Lab
    name: str
    check: Check
    description: str
    lesson: str

    @property
    def anchor(self) -> str:
        """Its place on the page, such as `tp5-nom-court`."""
        return _anchor(self.lab, self.name)

    @property
    def cause(self) -> str:
        """Why it is wrong, in the words of the verdict."""
        found = _CAUSE.search(self.lesson)
        return found[1] if found else ""


def findings(lab: Lab) -> Sequence[Finding]:
    """Those of a lab, in the order of its checks."""
    found = []
    for check in lab.checks:
        for name, case in lab.cases("erreurs").items():
            if case.fails == check.id:
                told = (lab.folder / "erreurs" / name / "constat.md").read_text(encoding="utf-8")
                _title, _blank, lesson = told.split("\n", 2)
                found.append(Finding(lab, name, check, case.description, lesson))
    return found


def check_anchor(lab: Lab, check: Check) -> str:
    """The place of a check's sentence on the page."""
    return _anchor(lab, check.id)


def address(lab: Lab, result: CheckResult) -> str:
    """Where the site tells of what a check has found, from its root; "" where it does not."""
    return place(findings(lab), result) if result.status is Status.FAILED else ""


def place(known: Sequence[Finding], result: CheckResult) -> str:
    """The same among the known findings of a lab: the one of the same cause, or else all those of
    the sentence."""
    near = [one for one in known if one.check.id == result.id]
    same = [one.anchor for one in near if one.cause == result.cause]
    whole = [check_anchor(one.lab, one.check) for one in near]
    return next((f"{PAGE}#{one}" for one in [*same, *whole]), "")


def _anchor(lab: Lab, name: str) -> str:
    return f"{lab.short_name}-{name.replace('_', '-')}"
