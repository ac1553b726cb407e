"""The record in words: Markdown for the site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checks.french import plural
from tests.platform.versions.record import OURS, Count, Proof, read

_ENFORCERS = {OURS: "le cahier, par `nftables`"}
_SORTS = {
    "départs": "départ",
    "solutions": "solution",
    "variantes": "autre bonne réponse",
    "erreurs": "erreur typique",
}


def table(proofs: Sequence[Proof] | None = None) -> str:
    """What was played where, when, and what came out otherwise."""
    return "\n".join(_lines(read() if proofs is None else proofs))


def _lines(proofs: Sequence[Proof]) -> Iterator[str]:
    yield "| Kubernetes | kubectl | NetworkPolicies appliquées par | joué | différences | le |"
    yield "|---|---|---|---|---|---|"
    for proof in proofs:
        played = ", ".join(_count(sort, count) for sort, count in proof.counts.items())
        different = str(len(proof.differences)) if proof.differences else "aucune"
        enforcer = _ENFORCERS.get(proof.enforcer, proof.enforcer)
        yield (
            f"| {proof.kubernetes} | {proof.kubectl} | {enforcer} | {played} | {different} "
            f"| {proof.date:%d/%m/%Y} |"
        )
    for proof in proofs:
        for one in proof.differences:
            yield from ("", f"- Avec {_where(proof)}, `{one.case}` :", "")
            yield from (
                "    ```text",
                *(f"    {line}" for line in one.said.splitlines()),
                "    ```",
            )


def _where(proof: Proof) -> str:
    ours = proof.enforcer == OURS
    return proof.kubernetes if ours else f"{proof.kubernetes} et {proof.enforcer}"


def _count(sort: str, count: Count) -> str:
    told = plural(count.played, _SORTS[sort])
    return told if count.played == count.of else f"{told} sur {count.of}"
