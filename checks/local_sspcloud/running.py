"""The local cluster as it runs: asked through its API, and through the engine that holds its
nodes."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING

from checks.errors import AccessError, CahierError
from checks.local_sspcloud import messages
from checks.local_sspcloud.engine import Engine
from checks.objects.pods import Observed
from checks.places import CLUSTER_NAME, admin_kubeconfig, failure_log, folder, lock
from checks.waiting import tries

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api


def admin_api() -> Api:
    """The API with the administrator's identity. Raises AccessError where there is no cluster."""
    from checks.access.kubernetes_api import Api

    if not admin_kubeconfig().is_file():
        raise messages.none_here()
    return Api(str(admin_kubeconfig()))


def is_of(api: Api) -> bool:
    """Whether this API is the local cluster's. Raises AccessError."""
    return admin_kubeconfig().is_file() and admin_api().server == api.server


def readiness(api: Api) -> dict[str, bool]:
    """Name of each node, and whether it is ready. Raises AccessError."""
    nodes = api.each(Observed, "Node", "/api/v1/nodes")
    return {one.name: one.is_ready for one in nodes}


def in_order(count: int) -> bool:
    """Whether the cluster of the administrator's kubeconfig answers and has `count` ready nodes."""
    try:
        ready = readiness(admin_api())
    except AccessError:
        return False
    return len(ready) == count and all(ready.values())


def wait_in_order(count: int, seconds: float) -> bool:
    """Whether it comes to be in order before that many seconds have passed."""
    return any(in_order(count) for _ in tries(seconds, 0.2))


def kubeconfig(engine: Engine) -> str:
    """The administrator's kubeconfig, as kind knows it. Raises CahierError."""
    done = engine.run_kind("get", "kubeconfig", "--name", CLUSTER_NAME)
    if done.returncode:
        raise CahierError(
            f"kind ne retrouve pas le cluster : {done.stderr.strip()[-300:]}", messages.AGAIN
        )
    return done.stdout


def remove(engine: Engine) -> None:
    """Remove the cluster's containers, whatever their state."""
    with contextlib.suppress(CahierError, OSError, subprocess.SubprocessError):
        what = (
            "delete",
            "cluster",
            "--name",
            CLUSTER_NAME,
            "--kubeconfig",
            str(admin_kubeconfig()),
        )
        engine.run_kind(*what, seconds=120)
    left = [node.name for node in engine.nodes()]
    if left:
        engine.run("rm", "--force", "--volumes", *left)
    forget()


def forget() -> None:
    """Remove every file of the cluster but the lock."""
    for path in folder().iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path not in (lock(), failure_log()):
            with contextlib.suppress(OSError):
                path.unlink()
