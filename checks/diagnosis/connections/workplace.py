"""The service of the platform that we work in, where this machine is a pod: its own ports, its way
to a browser."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from checks.access import kubeconfig
from checks.capabilities import Cluster
from checks.errors import CahierError
from checks.facts import Pod

_PROXY_VARIABLE = (
    "VSCODE_PROXY_URI"  # code-server gives it to its terminals: https://…/proxy/{{port}}
)
_PROXY_PORT = "{{port}}"


def is_of_service(cluster: Cluster, port: int) -> bool:
    """Whether this local port is the one where the service that we work in serves its own page
    (8080 for VSCode)."""
    if not kubeconfig.in_pod():
        return False
    try:
        return port in _served(cluster)
    except CahierError:
        return False


def own_pod(cluster: Cluster) -> Pod | None:
    """The pod that we work in; None on a machine of one's own, or where it is of another
    namespace."""
    return cluster.pod(socket.gethostname()) if kubeconfig.in_pod() else None


def _served(cluster: Cluster) -> Iterator[int]:
    """Ports of the pod that we are in to which a Service of the namespace leads."""
    pod = own_pod(cluster)
    if pod is None:
        return
    for service in cluster.services():
        if service.selects(pod.labels):
            for entry in service.spec.ports:
                yield pod.port_named(entry.target, entry.protocol) or entry.port


def in_a_browser(port: int) -> str:
    """Where the learner's browser finds a local port: a French sentence, "" where it is plain
    localhost."""
    if not kubeconfig.in_pod():
        return ""
    template = os.environ.get(_PROXY_VARIABLE, "")
    if template.startswith("http") and _PROXY_PORT in template:
        address = template.replace(_PROXY_PORT, str(port)).rstrip("/") + "/"
        return f"Dans votre navigateur : {address}"
    return f"Dans votre navigateur : l’adresse de votre service VSCode, suivie de /proxy/{port}/"
