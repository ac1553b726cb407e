"""Runs a lab's checks in order, asks again what may settle by itself, and makes the verdict."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from checks.capabilities import Cluster
from checks.errors import AccessError, ClusterLost, Forbidden, Unverifiable, UsageError
from checks.lab import Lab
from checks.lesson import told
from checks.redaction import described
from checks.verdict import CheckResult, Diagnostic, Status, Verdict, overall
from checks.verification import Check, Follows
from checks.waiting import Deadline

_PAUSE = 0.4  # seconds between two looks at a state that may settle
_log = logging.getLogger(__name__)

OnProgress = Callable[[Check], None]
Findings = Mapping[str, Diagnostic]
OnWait = Callable[[Diagnostic], None]
Settle = Callable[[CheckResult], CheckResult]
"""A second look at a check that could not be verified here. May raise ClusterLost."""


def run(
    lab: Lab,
    cluster: Cluster,
    *,
    refresh: Callable[[], None],
    seconds: float,
    on_check: OnProgress = lambda check: None,
    on_wait: OnWait = lambda diagnostic: None,
    settle: Settle = lambda result: result,
) -> tuple[Verdict, Findings]:
    """Verdict of `lab`, and the full diagnostic of each check that failed, by its id.

    A failure whose diagnostic is transient is asked again, on facts made fresh by `refresh`, until
    `seconds` have passed; all are asked again with it: what passed a moment ago may no longer hold.
    """
    deadline = Deadline(seconds)
    # asked first: the verdict names the learner even if the cluster falls silent half-way
    user = _user(cluster)
    while True:
        results, findings = _round(lab, cluster, on_check, settle)
        waiting = next(
            (diagnostic for diagnostic in findings.values() if diagnostic.transient), None
        )
        if waiting is None or deadline.left <= _PAUSE:
            return _verdict(lab, cluster, user, results), findings
        on_wait(waiting)
        time.sleep(_PAUSE)
        refresh()


def _round(
    lab: Lab, cluster: Cluster, on_check: OnProgress, settle: Settle
) -> tuple[list[CheckResult], dict[str, Diagnostic]]:
    told = list(looks(lab, cluster, on_check=on_check, settle=settle))
    findings = {result.id: found for result, found in told if found is not None}
    return [result for result, _found in told], findings


def looks(
    lab: Lab,
    cluster: Cluster,
    *,
    on_check: OnProgress = lambda check: None,
    settle: Settle = lambda result: result,
) -> Iterator[tuple[CheckResult, Diagnostic | None]]:
    """Each check in order, looked at once, as it is asked for. Raises UsageError."""
    results: dict[str, CheckResult] = {}
    lost = ""
    for check in lab.checks:
        found: Diagnostic | None = None
        blocking = [
            before for before in check.after if results[before.id].status is not Status.PASSED
        ]
        if blocking:
            results[check.id] = _waiting(check, blocking[0])
        elif lost:  # each question would wait for the same silence
            results[check.id] = _result(
                check, Status.SKIPPED, finding=lost, cause="Le cluster n’est plus interrogé."
            )
        else:
            on_check(check)
            try:
                results[check.id], found = _ask(check, cluster, settle, lab)
            except ClusterLost as trouble:
                results[check.id] = _trouble(check, trouble)
                lost = trouble.message
        yield results[check.id], found


def _ask(
    check: Check, cluster: Cluster, settle: Settle, lab: Lab
) -> tuple[CheckResult, Diagnostic | None]:
    began = time.monotonic()

    def spent() -> int:
        return round((time.monotonic() - began) * 1000)

    try:
        diagnostic = _with_given(told(check.function(cluster), cluster), lab)
    except (UsageError, ClusterLost):
        raise
    except Follows as first:
        return _waiting(check, first.other, spent()), None
    except (Unverifiable, Forbidden) as reason:
        unverified = _result(
            check, Status.UNVERIFIED, finding=reason.message, fix=reason.remedy, duration_ms=spent()
        )
        return settle(unverified), None
    except AccessError as trouble:
        return _trouble(check, trouble, spent()), None
    except Exception as error:
        _log.exception("check %s", check.id)
        return _result(
            check,
            Status.ERROR,
            finding=f"Le vérificateur a un problème : {described(error)}",
            cause="Ce n’est pas une erreur de votre part.",
            fix="Relancez la commande ; si cela persiste, signalez-le avec `--debug`.",
            duration_ms=spent(),
        ), None
    if diagnostic is None:
        return _result(check, Status.PASSED, duration_ms=spent()), None
    return _failed(check, diagnostic, spent()), diagnostic


def _failed(check: Check, diagnostic: Diagnostic, duration_ms: int) -> CheckResult:
    return _result(
        check,
        Status.FAILED,
        finding=diagnostic.finding,
        cause=diagnostic.cause,
        fix=diagnostic.fix,
        fix_lines=tuple(diagnostic.lines),
        fix_commands=tuple(diagnostic.commands),
        duration_ms=duration_ms,
    )


def _waiting(check: Check, other: Check, duration_ms: int = 0) -> CheckResult:
    finding = f"Dépend de : « {other.title} »"
    return _result(
        check,
        Status.SKIPPED,
        finding=finding,
        cause="Réglez d’abord ce point.",
        duration_ms=duration_ms,
    )


def _with_given(diagnostic: Diagnostic | None, lab: Lab) -> Diagnostic | None:
    """What a check found, with a word on what the starter files leave to be written."""
    given = lab.left_as_given(diagnostic.finding) if diagnostic is not None else ""
    return (
        replace(diagnostic, finding=f"{diagnostic.finding} {given}")
        if diagnostic and given
        else diagnostic
    )


def _trouble(check: Check, trouble: AccessError, duration_ms: int = 0) -> CheckResult:
    return _result(
        check,
        Status.ERROR,
        finding=trouble.message,
        cause="Ce n’est pas une erreur de votre part.",
        fix=trouble.remedy,
        duration_ms=duration_ms,
    )


def _result(
    check: Check,
    status: Status,
    *,
    finding: str = "",
    cause: str = "",
    fix: str = "",
    fix_lines: tuple[str, ...] = (),
    fix_commands: tuple[str, ...] = (),
    duration_ms: int = 0,
) -> CheckResult:
    return CheckResult(
        id=check.id,
        title=check.title,
        status=status,
        points=check.points if status is Status.PASSED else 0,
        points_max=check.points,
        finding=finding,
        cause=cause,
        fix=fix,
        fix_lines=fix_lines,
        fix_commands=fix_commands,
        duration_ms=duration_ms,
    )


def _user(cluster: Cluster) -> str:
    """Who we are, "" where the cluster does not say: the checks told why."""
    try:
        return cluster.user
    except (AccessError, Unverifiable):
        return ""


def _verdict(lab: Lab, cluster: Cluster, user: str, results: Sequence[CheckResult]) -> Verdict:
    port = cluster.local_port(lab.about.port) if lab.about.port else 0
    if port not in (0, lab.about.port):
        results = [
            msgspec.structs.replace(one, title=lab.with_port(one.title, port)) for one in results
        ]
    return Verdict(
        lab=lab.name,
        namespace=cluster.namespace,
        user=user,
        status=overall([result.status for result in results]),
        points=sum(result.points for result in results),
        points_max=sum(result.points_max for result in results),
        checks=tuple(results),
    )
