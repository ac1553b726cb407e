"""How the work is put right: commands, and what is to be written in proxy.yaml."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from checks.capabilities import Cluster
from checks.diagnosis.databases.colleague_base import TheirBase, launched, their_base
from checks.diagnosis.databases.relay_manifest import Target, targets
from checks.diagnosis.workloads import deployments
from checks.diagnosis.workloads.deployments import rolled_out
from checks.facts import Pod
from checks.objects.parts import named
from checks.objects.pods import ContainerSpec

from .relay import FILE, PORT, PROXY, listened, relay


def solution(cluster: Cluster) -> tuple[str, ...]:
    """The solution, applied towards the colleague's database; nothing where they have none."""
    base = _base(cluster)
    if not base.release:  # a relay towards nothing would repair nothing
        return ()
    place, there = cluster.namespace, cluster.colleague.namespace
    return (
        *launched(cluster, base),
        f"cahier solution tp7 --namespace {place} --collegue {there} --base {base.release} "
        "--appliquer",
        rolled_out(cluster, PROXY),
    )


def again(cluster: Cluster) -> tuple[str, ...]:
    """The common remedy: the solution, before which the Deployment is taken away where applying
    does not suffice."""
    made = solution(cluster)
    if not made or deployments.replaceable(cluster, PROXY, {"app": PROXY}):
        return made
    return (deployments.deleted(cluster, PROXY), *made)


def service_again(cluster: Cluster) -> tuple[str, ...]:
    """The common remedy, and the Service made anew: its address cannot be changed, and `apply`
    leaves labels that it did not write."""
    made = again(cluster)
    return (
        (f"kubectl delete service {PROXY} -n {cluster.namespace} --ignore-not-found", *made)
        if made
        else ()
    )


def probed(cluster: Cluster, pod: Pod, kind: str, box: ContainerSpec) -> tuple[str, str]:
    """A TCP probe of the port where the relay listens, to be written as the `kind` of a
    container."""
    line = f"{kind}: {{tcpSocket: {{port: {listened(cluster, pod)}}}}}"
    return deployments.to_write(FILE, box.name, line)


def exposed(cluster: Cluster, pod: Pod) -> tuple[str, ...]:
    """The Service to be written before the Deployment as it is, whatever its labels and port."""
    labels = yaml.safe_dump(
        dict(relay(cluster).labels), default_flow_style=True, width=float("inf")
    ).strip()
    return (
        f"# {FILE}, Service {PROXY} :",
        "spec:",
        f"  selector: {labels}",
        f"  ports: [{{port: {PORT}, targetPort: {listened(cluster, pod)}}}]",
    )


def _base(cluster: Cluster) -> TheirBase:
    """The colleague's database, the one at which the relay aims first of all."""
    return their_base(cluster, _targets(cluster) if named(cluster.deployments(), PROXY) else ())


def _targets(cluster: Cluster) -> Sequence[Target]:
    """Where the relay leads, as far as its manifest tells."""
    return [target for pod in relay(cluster).pods[:1] for target in targets(cluster, pod)]
