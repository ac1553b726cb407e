"""The making of the local cluster: kind is run, its steps are shown, and what goes wrong is
told."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from checks.errors import CahierError
from checks.local_sspcloud import engine as engines
from checks.local_sspcloud import issuer, messages, records, running
from checks.local_sspcloud.engine import Engine
from checks.local_sspcloud.messages import Trouble
from checks.local_sspcloud.progress import Progress
from checks.local_sspcloud.records import Record
from checks.objects.pods import Observed
from checks.places import CLUSTER_NAME, admin_kubeconfig, failure_log, folder, write_private

IMAGE_VARIABLE = "CAHIER_IMAGE_NOEUD"
MAX_PODS = 250  # a whole class on one node; the node's range of 254 addresses allows no more
_READY_SECONDS = 120.0
_STEPS = (  # what kind says, what is shown, about how many seconds
    ("Ensuring node image", "Image du nœud (à télécharger la première fois)", 60),
    ("Preparing nodes", "Préparation du nœud", 5),
    ("Writing configuration", "Configuration de Kubernetes", 1),
    ("Starting control-plane", "Démarrage de Kubernetes", 20),
    ("Installing CNI", "Réseau des pods", 2),
    ("Installing StorageClass", "Stockage", 1),
    ("Joining worker nodes", "Ajout des autres nœuds", 20),
    ("Waiting", "Attente du nœud", 20),
)
_JOURNALS = "--- journals of the nodes ---"
_KUBELET_SAYS = (
    "journalctl",
    "--unit",
    "kubelet",
    "--lines",
    "100",
    "--no-pager",
    "--output",
    "cat",
)


class ImageNotPulled(CahierError):
    """The node image cannot be had from here."""


def configuration(engine: Engine, nodes: int) -> str:
    """kind's configuration file."""
    kubelet = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "maxPods": MAX_PODS,
        # kind still takes machines with cgroup v1, the kubelet no longer does unless told
        "failCgroupV1": False,
    }
    # Without version, so that kind adapts it to each Kubernetes' own.
    control_plane: dict[str, Any] = {
        "kind": "ClusterConfiguration",
        "apiServer": {"extraArgs": dict(issuer.api_server_options())},
    }
    if engine.name == engines.PRIVATE:
        # nothing of it is to outlive the machine: what is written need not be on the disk
        control_plane["etcd"] = {"local": {"extraArgs": {"unsafe-no-fsync": "true"}}}
    roles = ["control-plane"] + ["worker"] * (nodes - 1)
    content: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": CLUSTER_NAME,
        "nodes": [{"role": role} for role in roles],
        "kubeadmConfigPatches": [yaml.safe_dump(kubelet), yaml.safe_dump(control_plane)],
    }
    if engine.networking:
        content["networking"] = dict(engine.networking)
    return yaml.safe_dump(content, sort_keys=False)


def is_outdated() -> bool:
    """Whether the cluster that runs was made otherwise than this version would make it, or nobody
    knows how."""
    record = records.load()
    if record is None:
        return False
    image = engines.node_image_key(record.engine, record.image)
    return record.recipe != _recipe(record.nodes) or (image != "" and record.image_key != image)


def _recipe(nodes: int) -> str:
    """kind's configuration in a few letters, wherever the engine is."""
    return hashlib.sha256(configuration(Engine("", "", {}), nodes).encode()).hexdigest()[:16]


def make(engine: Engine, progress: Progress, image: str | None, nodes: int) -> None:
    """Make the cluster; in the private engine where this one cannot have the node image. Raises
    CahierError.

    `image` None: the one of `CAHIER_IMAGE_NOEUD`, else the engine’s own, else kind’s.
    """
    chosen = image or os.environ.get(IMAGE_VARIABLE) or engine.node_image
    try:
        _make_in(engine, progress, chosen, nodes)
    except ImageNotPulled:
        if chosen or engines.private_unsupported() is not None:
            raise
        private = engines.start_private(progress)
        _make_in(private, progress, private.node_image, nodes)


def _make_in(engine: Engine, progress: Progress, image: str | None, nodes: int) -> None:
    kind = engine.kind()
    record = Record(engine.name, nodes, image or "")
    records.save(record)
    try:
        used = _run_kind(engine, kind, progress, image, nodes)
        with progress("Dernières vérifications", 2):
            ready = running.wait_in_order(nodes, _READY_SECONDS)
        if not ready:
            raise _never_ready(engine)
    except BaseException:
        # the reason of the failure matters more; `supprimer` can still do it
        with contextlib.suppress(CahierError):
            running.remove(engine)
        raise
    record.image = image or used
    record.complete = True
    record.created = datetime.now(UTC).isoformat()
    record.recipe = _recipe(nodes)
    record.image_key = engines.node_image_key(engine.name, record.image)
    records.save(record)


def _run_kind(engine: Engine, kind: Path, progress: Progress, image: str | None, nodes: int) -> str:
    """Run `kind create cluster`, showing its steps; the node image it says it uses."""
    admin_kubeconfig().unlink(missing_ok=True)
    failure_log().unlink(missing_ok=True)
    file = folder() / "kind.yaml"
    write_private(file, configuration(engine, nodes))
    command = [str(kind), "create", "cluster", "--name", CLUSTER_NAME, "--config", str(file)]
    command += ["--kubeconfig", str(admin_kubeconfig()), "--wait", f"{_READY_SECONDS:.0f}s"]
    command += ["--retain"]  # a node that does not start says why, before `_make` removes it
    command += ["--image", image] if image else []
    process = subprocess.Popen(
        command,
        env=dict(engine.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    said: deque[str] = deque(maxlen=400)
    try:
        _show_steps(process, said, progress)
        code = process.wait()
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    text = "\n".join(said)
    if code:
        raise _failure(engine, text, _journals(engine))
    found = re.search(r"Ensuring node image \(([^)]+)\)", text)
    return found[1] if found else ""


def _show_steps(process: subprocess.Popen[str], said: deque[str], progress: Progress) -> None:
    with contextlib.ExitStack() as shown:
        for line in process.stdout or ():
            said.append(line.rstrip())
            for sign, title, estimate in _STEPS:
                if f"• {sign}" in line:
                    shown.close()
                    shown.enter_context(progress(title, estimate))


def _failure(engine: Engine, text: str, journals: str) -> CahierError:
    """What kind and the nodes said, as a message and a remedy; kept in `kind.log` as well."""
    write_private(failure_log(), f"{text}\n{_JOURNALS}\n{journals}")
    trouble = messages.failed_creation(engine.name, engine.program, text, journals)
    kind_of_error = ImageNotPulled if trouble.image else CahierError
    return kind_of_error(
        trouble.message,
        f"{trouble.remedy.removesuffix('.')}. Tout ce qu’a dit kind est dans {failure_log()}.",
    )


def _never_ready(engine: Engine) -> CahierError:
    """A cluster that was made and does not become ready: what its nodes and its own pods say of
    it."""
    journals = _journals(engine)
    write_private(failure_log(), f"{messages.UNREADY.sign}\n{_JOURNALS}\n{journals}")
    trouble = messages.failed_creation(engine.name, engine.program, messages.UNREADY.sign, journals)
    return CahierError(f"{trouble.message}{_unready_pods()}", trouble.remedy)


def _unready_pods() -> str:
    """The cluster's own pods that do not run, in a sentence; "" where they cannot be asked for."""
    try:
        path = "/api/v1/namespaces/kube-system/pods"
        pods = running.admin_api().each(Observed, "Pod", path)
    except CahierError:
        return ""
    unready = [pod.name for pod in pods if not pod.is_ready]
    return f" Ne tournent pas : {', '.join(unready)}." if unready else ""


def _journals(engine: Engine) -> str:
    """What the nodes that were begun said of themselves: their start, and their kubelet."""
    said = []
    with contextlib.suppress(CahierError):
        for node in engine.nodes():
            for asked in (
                ("logs", "--tail", "200", node.name),
                ("exec", node.name, *_KUBELET_SAYS),
            ):
                with contextlib.suppress(CahierError):
                    said.append(engine.run(*asked))
    return "\n".join(said)


def last_failure(engine: Engine) -> Trouble | None:
    """Why the last `create` failed; None when it did not."""
    try:
        text, _, journals = failure_log().read_text(encoding="utf-8").partition(f"\n{_JOURNALS}\n")
    except OSError:
        return None
    return messages.failed_creation(engine.name, engine.program, text, journals)
