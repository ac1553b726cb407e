"""The record in words: Markdown for the site, and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.platform.upstream.record import Proof, read

_AREAS = {
    "networkpolicy": "NetworkPolicies",
    "port-forward": "`kubectl port-forward`",
    "auth": "droits et comptes de service",
    "dns": "DNS",
    "services": "Services",
}


def table(proofs: Sequence[Proof] | None = None) -> str:
    """What was played of each area, what it came to, and when; then each failure and each reason
    why a test was not played."""
    return "\n".join(_lines(read() if proofs is None else proofs))


def _lines(proofs: Sequence[Proof]) -> Iterator[str]:
    yield "| Kubernetes | nœuds | domaine | réussis | en échec | écartés | le |"
    yield "|---|---|---|---|---|---|---|"
    for proof in proofs:
        outcome = proof.outcome
        yield (
            f"| {proof.kubernetes} | {proof.nodes} | {_AREAS[proof.area]} "
            f"| {outcome.passed} | {len(outcome.failed) or 'aucun'} "
            f"| {sum(outcome.skipped.values())} | {proof.date:%d/%m/%Y} |"
        )
    for proof in proofs:
        for one in proof.outcome.failed:
            yield from ("", f"- En échec, `{one.test}` :", "")
            yield "    ```text"
            yield from (f"    {line}" for line in one.said.splitlines())
            yield "    ```"
    for proof in proofs:
        if proof.outcome.skipped:
            yield from ("", f"- Écartés, {_AREAS[proof.area]} :")
            told = sorted(proof.outcome.skipped.items(), key=lambda one: -one[1])
            yield from ("", *(f"    - {count} : `{reason}`" for reason, count in told))
