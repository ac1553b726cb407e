"""Who decides of NetworkPolicies on a cluster: our pod network, or another project in its place."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from checks.access.kubernetes_api import Api
from checks.local_sspcloud.progress import TerminalProgress
from checks.sources.probes import enforces_policies
from engine import enforcer_image, private_engine
from tests.platform.versions import record

_TRIED_IN = "default"
_READY = "--timeout=180s"


def _ours(kubeconfig: Path, kubectl: Path) -> str:
    return record.OURS


def _kube_router(kubeconfig: Path, kubectl: Path) -> str:
    manifest = private_engine.supply_enforcer(TerminalProgress())

    where: list[str | Path] = ["--kubeconfig", kubeconfig, "--namespace", "kube-system"]

    def run(*words: str, given: str | None = None) -> None:
        subprocess.run([kubectl, *where, *words], input=given, text=True, check=True)

    api = Api(str(kubeconfig))
    run("set", "env", "daemonset/kindnet", "ENFORCE_NETWORK_POLICY=false")
    run("rollout", "status", "daemonset/kindnet", _READY)
    if enforces_policies(api, _TRIED_IN):
        raise SystemExit("our pod network still enforces NetworkPolicies: nothing would be proven")
    run("apply", "--server-side", "--filename", "-", given=manifest)
    run("rollout", "status", "daemonset/kube-router", _READY)
    if not enforces_policies(api, _TRIED_IN):
        raise SystemExit("kube-router runs, and enforces no NetworkPolicy")
    return enforcer_image.program()


KNOWN: Mapping[str, Callable[[Path, Path], str]] = {"": _ours, "kube-router": _kube_router}
"""By the name that CAHIER_ENFORCER has: makes it decide on a cluster, given the kubeconfig of its
administrator and a kubectl; what the record calls it."""
