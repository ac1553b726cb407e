"""The way through the relay, made by real exchanges: who it serves, and whose server it reaches."""

from __future__ import annotations

from functools import partial

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import server_in
from checks.diagnosis.databases.relay_failures import (
    Unanswered,
    misdirected,
    too_few_clients,
    unanswered,
)
from checks.diagnosis.databases.relays import Stranger, served, stranger
from checks.diagnosis.policies.decision import Peer, decide
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres
from checks.facts import ForwardRefused, Pod
from checks.lesson import Wrong

from . import lessons
from .relay import PROXY, address, listened, relay, serving, serving_port
from .remedies import again, service_again


def leads_elsewhere(cluster: Cluster, pod: Pod) -> lessons.LeadsElsewhere | None:
    """None when the manifest of the pod tells nothing against it, or the pod leads to the
    colleague's after all."""
    why = misdirected(cluster, pod, partial(_stranger_behind, cluster, pod))
    return lessons.LeadsElsewhere(why=why, commands=again(cluster)) if why else None


def _stranger_behind(cluster: Cluster, pod: Pod) -> Stranger | None:
    """Whose server that is, None for the colleague's. Raises NotPostgres or ForwardRefused, and
    Unverifiable."""
    port = serving(cluster).get(pod.name) or listened(cluster, pod)
    return stranger(cluster, pod, port, server_in(cluster, pod, port))


def another_server(cluster: Cluster, pod: Pod) -> lessons.ServerOfNobodyKnown | None:
    """None when the pod leads to the colleague's server. Raises Unverifiable."""
    try:
        found = _stranger_behind(cluster, pod)
    except (NotPostgres, ForwardRefused) as silence:
        raise Unverifiable(
            f"Un serveur a cessé de répondre pendant la vérification ({silence}).", "Relancez."
        ) from None
    if found is None:
        return None
    if found.namespace:
        return lessons.ServerOfAnotherNamespace(
            pod=pod.name, place=found.namespace, commands=again(cluster)
        )
    return lessons.ServerOfNobodyKnown(pod=pod.name, commands=again(cluster))


def clients_not_served(cluster: Cluster) -> Wrong | None:
    """None when several clients, held together by a pod of ours, are served through the Service,
    and then another."""
    target = address(cluster)
    with cluster.probe([target]) as probe:
        try:
            met = served(lambda: probe.connect(target))
        except (NotPostgres, ForwardRefused) as silence:
            said = probe.said(target)
            return _blocked(cluster, said) if said else _unanswered(cluster, str(silence))
    look = (f"kubectl get pods -n {cluster.namespace}",)
    return too_few_clients(met, PROXY, lessons.SERVE_ALL, again(cluster), look)


def _blocked(cluster: Cluster, said: str) -> lessons.NoWayIn | lessons.ClosedByPolicies:
    """A client of the namespace does not even get to the relay's pods; `said`: what socat said of
    its attempt."""
    policies, port = cluster.network_policies(), serving_port(cluster)
    closing = [decide(policies, pod, Peer(cluster.namespace), port) for pod in relay(cluster).pods]
    names = sorted({name for one in closing if one.allowed is False for name in one.selecting})
    reason = said.strip().splitlines()[-1].rpartition(" E ")[2]  # without socat's date and process
    if not names:
        return lessons.NoWayIn(reason=reason, commands=service_again(cluster), transient=True)
    opened = f"kubectl delete networkpolicy {' '.join(names)} -n {cluster.namespace}"
    return lessons.ClosedByPolicies(
        reason=reason, names=", ".join(names), port=port, commands=(opened,)
    )


def _unanswered(cluster: Cluster, silence: str) -> Wrong:
    """The relay takes a client, and what is behind does not answer."""
    look = (f"kubectl logs deployment/{PROXY} -n {cluster.namespace}",)
    lab = Unanswered(lessons.UNRESOLVED, lessons.UNANSWERED, again(cluster), look, settling=True)
    return unanswered(cluster, relay(cluster).pods, silence, lab)
