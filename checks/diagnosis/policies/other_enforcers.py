"""What else may decide of a connection: other kinds of network policy than NetworkPolicy, which
others enforce."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.errors import Unverifiable
from checks.facts import PolicyKind


def _weighing(cluster: Cluster) -> PolicyKind | None:
    """The first kind whose objects may decide; the others are not asked about."""
    return next((one for one in cluster.other_policies() if one.names is None or one.names), None)


def require_only_network_policies(cluster: Cluster, meaning: str) -> None:
    """Raises Unverifiable where something else than NetworkPolicies may decide: `meaning`, a French
    clause that tells what they mean by themselves, is then no proof. Asked only where no connection
    was tried."""
    found = cluster.once(_weighing)
    if found is None:
        return
    which = (
        f"ici {', '.join(f'« {name} »' for name in found.names)}"
        if found.names
        else "que vos droits ne permettent pas de lire"
    )
    raise Unverifiable(
        f"Vos NetworkPolicies, à elles seules, {meaning}. Mais ce cluster applique aussi des "
        f"{found.kind} ({which}), qui s’y ajoutent ou l’emportent sur elles : seule une connexion "
        "le prouverait, et aucune ne peut être tentée d’ici.",
        "Faites essayer une connexion par une personne de chaque namespace : c’est l’étape 6 de "
        "l’énoncé du TP 4.",
    )


def require_decided(cluster: Cluster, namespace: str, *, admitted: bool) -> None:
    """The same, where NetworkPolicies by themselves admit a namespace, or do not."""
    meaning = "admettent" if admitted else "n’admettent pas"
    require_only_network_policies(cluster, f"{meaning} le namespace {namespace}")
