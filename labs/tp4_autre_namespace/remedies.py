"""The remedies of the lab: what opens the base to the colleague, and closes it to everybody
else."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from checks.capabilities import Cluster
from checks.diagnosis.connections.services import made_anew
from checks.diagnosis.databases.catalogue import PORT
from checks.diagnosis.policies.decision import decide
from checks.diagnosis.policies.strangers import Reading
from checks.objects.parts import written

from .judged_base import Subject, peer, policies, reading

SOLUTION = "ouverture-collegue"
"""The policy of the solution."""


def repaired(cluster: Cluster, subject: Subject, wrong: Sequence[str] = ()) -> tuple[str, ...]:
    """The commands that open to the colleague; a policy found `wrong` that bears the solution's
    name goes first."""
    there, release = cluster.colleague.namespace, subject.database.release
    existing = next((one for one in policies(cluster) if one.name == SOLUTION), None)
    serves_others = existing is not None and reading(cluster).serves_others(existing)
    # the older catalogue labels its pods otherwise
    if serves_others or "cnpg.io/cluster" not in subject.pod.labels:
        return (_only(cluster, subject),)
    applied = (
        f"cahier solution tp4 --namespace {cluster.namespace} --collegue {there} --base {release} "
        "--appliquer"
    )
    return (*(deleted(cluster, name) for name in wrong if name == SOLUTION), applied)


def closed(cluster: Cluster, subject: Subject) -> str:
    """The command that puts back the policy of the catalogue: one's own namespace, and nobody
    else."""
    return f"cahier catalogue fermer {subject.database.release} --namespace {cluster.namespace}"


def closed_to_others(
    cluster: Cluster, subject: Subject, read: Reading, by: Sequence[str]
) -> tuple[str, ...]:
    """The commands that close all that these policies open, and leave in place what else they
    serve."""
    at_fault = [policy for policy in policies(cluster) if policy.name in by]
    if any(read.serves_others(policy) for policy in at_fault):
        return (_only(cluster, subject),)
    left = [policy for policy in policies(cluster) if policy.name not in by]
    own = subject.database.release
    commands = [deleted(cluster, policy.name) for policy in at_fault if policy.name != own]
    # nothing else admits one's pods
    if own in by or not decide(left, subject.pod, peer(cluster.namespace), PORT).by:
        commands.append(closed(cluster, subject))
    return (*commands, *repaired(cluster, subject))


def kept(read: Reading, by: Sequence[str]) -> tuple[str, ...]:
    """What ouverture.yaml may keep, where it is that file's policy which opens, and serves others
    too."""
    policy = next((one for one in read.policies if one.name == SOLUTION), None)
    if SOLUTION not in by or policy is None or not read.serves_others(policy):
        return ()
    rules = [written(rule) for rule in read.kept(policy)]
    text = yaml.safe_dump({"spec": {"ingress": rules}}, sort_keys=False, allow_unicode=True)
    return (f"# ouverture.yaml, NetworkPolicy {SOLUTION} :", *text.splitlines())


def one_server_only(cluster: Cluster, subject: Subject) -> tuple[str, ...]:
    """The commands that make the Service anew, in front of the base's pod alone."""
    return made_anew(cluster, subject.address.service, subject.pod)


def deleted(cluster: Cluster, name: str) -> str:
    """The command that deletes a policy."""
    return f"kubectl delete networkpolicy {name} -n {cluster.namespace} --ignore-not-found"


def _only(cluster: Cluster, subject: Subject) -> str:
    """The command that leaves the base open to the colleague and to one's own pods, whatever the
    policies say; what serves an operator, or another port, stays."""
    there, place = cluster.colleague.namespace, f"--namespace {cluster.namespace}"
    return f"cahier catalogue fermer {subject.database.release} --seulement {there} {place}"
