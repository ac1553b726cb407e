"""The kind cluster named `cahier`: made, repaired, described, removed. No other kind cluster is ever touched."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from checks.errors import AccessError, CahierError, UsageError
from checks.local_cluster import engine as engines
from checks.local_cluster import issuer, messages
from checks.local_cluster.engine import Engine
from checks.local_cluster.messages import Trouble
from checks.local_cluster.places import (
    CLUSTER_NAME,
    admin_kubeconfig,
    folder,
    lock,
    private_folder,
    write_private,
)
from checks.local_cluster.progress import Progress, waiting
from checks.lock import in_turn

if TYPE_CHECKING:
    from types import FrameType

    from checks.access.kubernetes_api import Api

IMAGE_VARIABLE = "CAHIER_IMAGE_NOEUD"
MAX_PODS = 250  # a whole class on one node; the node's range of 254 addresses allows no more
_READY_SECONDS = 120.0
_REVIVE_SECONDS = 90.0
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
_KUBELET_SAYS = ("journalctl", "--unit", "kubelet", "--lines", "100", "--no-pager", "--output", "cat")
_AGAIN = "Recommencez : cahier cluster creer"


class Record(msgspec.Struct):
    """What is written down about the cluster. `complete` false: its making was cut short."""

    engine: str
    nodes: int
    image: str = ""
    complete: bool = False
    created: str = ""
    recipe: str = ""
    image_key: str = ""
    """What its configuration and its image were made from; "" when unknown, or not ours."""


class State(msgspec.Struct):
    """The running cluster. `created` is the moment it was made, `image` the node's, "" when unknown."""

    engine: str
    image: str
    version: str
    nodes: dict[str, bool]
    """Name of each node, and whether it is ready."""
    created: datetime


class ImageNotPulled(CahierError):
    """The node image cannot be had from here."""


def create(progress: Progress, image: str | None = None, nodes: int | None = None) -> Path:
    """Make the cluster, or repair it, or find it in order; the administrator's kubeconfig.

    `image` and `nodes` None: as it is, or as is usual. Raises CahierError.
    """
    private_folder(folder())
    with _ended_by_signals(), in_turn(lock(), waiting(progress)):
        record = _load()
        if record and record.complete and _in_order(record.nodes):
            _require_same(record, image, nodes)
            return admin_kubeconfig()
        engine = engines.choose(progress, record.engine if record else "")
        if not _repaired(engine, record, progress, image, nodes):
            _make_somewhere(engine, progress, image, nodes or 1)
    return admin_kubeconfig()


def _log() -> Path:
    return folder() / "kind.log"


def _require_same(record: Record, image: str | None, nodes: int | None) -> None:
    remedy = "Supprimez-le d’abord (tout son contenu est perdu) : cahier cluster supprimer"
    if nodes is not None and nodes != record.nodes:
        raise UsageError(f"Le cluster local existe déjà, avec {record.nodes} nœud(s) et non {nodes}.", remedy)
    if image is not None and record.image and image != record.image:
        raise UsageError(f"Le cluster local existe déjà, avec l’image {record.image}.", remedy)


# -- what exists already ------------------------------------------------------------------------------------------


def _repaired(engine: Engine, record: Record | None, progress: Progress, image: str | None, nodes: int | None) -> bool:
    """Whether a cluster that exists could be used; what cannot be is removed."""
    containers = engine.nodes()
    if not containers:
        return False
    if record is None or record.complete:
        found = record or Record(engine.name, len(containers))
        _require_same(found, image, nodes)
        stopped = [node.name for node in containers if not node.running]
        # Several nodes come back with each other's addresses: kind does not support it.
        if not stopped or len(containers) == 1:
            with progress("Remise en route du cluster", 20):
                if _revived(engine, stopped, len(containers)):
                    found.complete = True
                    found.engine = engine.name
                    _save(found)
                    return True
    with progress("Le cluster est inachevé ou abîmé : il est refait", 5):
        _remove(engine)
    return False


def _revived(engine: Engine, stopped: list[str], count: int) -> bool:
    try:
        for name in stopped:
            engine.run("start", name)
        write_private(admin_kubeconfig(), _kubeconfig_of(engine))
    except CahierError:
        return False
    return _wait_in_order(count, _REVIVE_SECONDS)


def _kubeconfig_of(engine: Engine) -> str:
    done = subprocess.run(
        [str(engine.kind()), "get", "kubeconfig", "--name", CLUSTER_NAME],
        env=dict(engine.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CahierError(f"kind ne retrouve pas le cluster : {done.stderr.strip()[-300:]}", _AGAIN)
    return done.stdout


def _wait_in_order(count: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not _in_order(count):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _in_order(count: int) -> bool:
    """Whether the cluster of the administrator's kubeconfig answers and has `count` ready nodes."""
    try:
        ready = _nodes_of(admin_api())
    except AccessError:
        return False
    return len(ready) == count and all(ready.values())


def admin_api() -> Api:
    """The API with the administrator's identity. Raises AccessError where there is no cluster."""
    from checks.access.kubernetes_api import Api

    if not admin_kubeconfig().is_file():
        raise messages.none_here()
    return Api(str(admin_kubeconfig()))


def _nodes_of(api: Api) -> dict[str, bool]:
    items = api.request("GET", "/api/v1/nodes").get("items") or []
    return {node["metadata"]["name"]: _is_ready(node) for node in items}


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


# -- making it ----------------------------------------------------------------------------------------------------


def configuration(engine: Engine, nodes: int) -> str:
    """kind's configuration file."""
    kubelet = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "maxPods": MAX_PODS,
        "failCgroupV1": False,  # kind still takes machines with cgroup v1, the kubelet no longer does unless told
    }
    # Without version, so that kind adapts it to each Kubernetes' own.
    control_plane = {"kind": "ClusterConfiguration", "apiServer": {"extraArgs": dict(issuer.api_server_options())}}
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
    """Whether the cluster that runs was made otherwise than this version would make it, or nobody knows how."""
    record = _load()
    if record is None:
        return False
    image = engines.node_image_key(record.engine, record.image)
    return record.recipe != _recipe(record.nodes) or (image != "" and record.image_key != image)


def _recipe(nodes: int) -> str:
    """kind's configuration in a few letters, wherever the engine is."""
    return hashlib.sha256(configuration(Engine("", "", {}), nodes).encode()).hexdigest()[:16]


def _make_somewhere(engine: Engine, progress: Progress, image: str | None, nodes: int) -> None:
    chosen = image or os.environ.get(IMAGE_VARIABLE) or engine.node_image
    try:
        _make(engine, progress, chosen, nodes)
    except ImageNotPulled:
        if chosen or engines.private_unsupported() is not None:
            raise
        private = engines.start_private(progress)
        _make(private, progress, private.node_image, nodes)


def _make(engine: Engine, progress: Progress, image: str | None, nodes: int) -> None:
    kind = engine.kind()
    record = Record(engine.name, nodes, image or "")
    _save(record)
    try:
        used = _run_kind(engine, kind, progress, image, nodes)
        with progress("Dernières vérifications", 2):
            ready = _wait_in_order(nodes, _READY_SECONDS)
        if not ready:
            raise _never_ready(engine)
    except BaseException:
        with contextlib.suppress(CahierError):  # the reason of the failure matters more; `supprimer` can still do it
            _remove(engine)
        raise
    record.image = image or used
    record.complete = True
    record.created = datetime.now(UTC).isoformat()
    record.recipe = _recipe(nodes)
    record.image_key = engines.node_image_key(engine.name, record.image)
    _save(record)


def _run_kind(engine: Engine, kind: Path, progress: Progress, image: str | None, nodes: int) -> str:
    """Run `kind create cluster`, showing its steps; the node image it says it uses."""
    admin_kubeconfig().unlink(missing_ok=True)
    _log().unlink(missing_ok=True)
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
    write_private(_log(), f"{text}\n{_JOURNALS}\n{journals}")
    trouble = messages.failed_creation(engine.name, engine.program, text, journals)
    kind_of_error = ImageNotPulled if trouble.image else CahierError
    return kind_of_error(
        trouble.message, f"{trouble.remedy.removesuffix('.')}. Tout ce qu’a dit kind est dans {_log()}."
    )


def _never_ready(engine: Engine) -> CahierError:
    """A cluster that was made and does not become ready: what its nodes and its own pods say of it."""
    journals = _journals(engine)
    write_private(_log(), f"{messages.UNREADY.sign}\n{_JOURNALS}\n{journals}")
    trouble = messages.failed_creation(engine.name, engine.program, messages.UNREADY.sign, journals)
    return CahierError(f"{trouble.message}{_unready_pods()}", trouble.remedy)


def _unready_pods() -> str:
    """The cluster's own pods that do not run, in a sentence; "" where they cannot be asked for."""
    try:
        pods = admin_api().request("GET", "/api/v1/namespaces/kube-system/pods").get("items") or []
    except CahierError:
        return ""
    unready = [pod["metadata"]["name"] for pod in pods if not _is_ready(pod)]
    return f" Ne tournent pas : {', '.join(unready)}." if unready else ""


def _journals(engine: Engine) -> str:
    """What the nodes that were begun said of themselves: their start, and their kubelet."""
    said = []
    with contextlib.suppress(CahierError):
        for node in engine.nodes():
            for asked in (("logs", "--tail", "200", node.name), ("exec", node.name, *_KUBELET_SAYS)):
                with contextlib.suppress(CahierError):
                    said.append(engine.run(*asked))
    return "\n".join(said)


def last_failure(engine: Engine) -> Trouble | None:
    """Why the last `create` failed; None when it did not."""
    try:
        text, _, journals = _log().read_text(encoding="utf-8").partition(f"\n{_JOURNALS}\n")
    except OSError:
        return None
    return messages.failed_creation(engine.name, engine.program, text, journals)


# -- removing it --------------------------------------------------------------------------------------------------


def delete(progress: Progress) -> bool:
    """Remove the cluster, its kubeconfigs and the private engine; whether there was anything. Raises CahierError."""
    private_folder(folder())
    with in_turn(lock(), waiting(progress)):
        record = _load()
        found = record is not None or admin_kubeconfig().exists()
        answering = engines.answering()
        for engine in answering:
            if engine.nodes():
                found = True
                with progress(f"Suppression du cluster ({engine.title})", 5):
                    _remove(engine)
        if record and record.engine != engines.PRIVATE and record.engine not in {one.name for one in answering}:
            raise CahierError(
                f"Le cluster est dans {record.engine}, qui ne répond pas : il ne peut pas être supprimé.",
                f"Démarrez {record.engine}, puis : cahier cluster supprimer",
            )
        if engines.private_running() or (record and record.engine == engines.PRIVATE):
            found = True
            with progress("Arrêt du moteur privé", 3):
                engines.stop_private()
        elif engines.private_unsupported() is None:
            engines.stop_private()  # what a killed start may have left
        _forget()
        _log().unlink(missing_ok=True)
    return found


def _remove(engine: Engine) -> None:
    """Remove the cluster's containers, whatever their state."""
    with contextlib.suppress(CahierError, OSError, subprocess.SubprocessError):
        subprocess.run(
            [str(engine.kind()), "delete", "cluster", "--name", CLUSTER_NAME, "--kubeconfig", str(admin_kubeconfig())],
            env=dict(engine.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
    left = [node.name for node in engine.nodes()]
    if left:
        engine.run("rm", "--force", "--volumes", *left)
    _forget()


def _forget() -> None:
    """Remove every file of the cluster but the lock."""
    for path in folder().iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path not in (lock(), _log()):
            with contextlib.suppress(OSError):
                path.unlink()


# -- describing it ------------------------------------------------------------------------------------------------


def state() -> State:
    """The running cluster. Raises AccessError where there is none, or where it does not answer."""
    api = admin_api()
    try:
        nodes = _nodes_of(api)
    except AccessError as silence:
        raise AccessError(
            "Le cluster local existe mais ne répond pas : il est arrêté ou abîmé.", "Réparez-le : cahier cluster creer"
        ) from silence
    record = _load()
    system = api.request("GET", "/api/v1/namespaces/kube-system")
    return State(
        engine=record.engine if record else "",
        image=record.image if record else "",
        version=str(api.request("GET", "/version").get("gitVersion", "")),
        nodes=nodes,
        created=datetime.fromisoformat(system["metadata"]["creationTimestamp"]),
    )


def _record_file() -> Path:
    return folder() / "cluster.json"


def _load() -> Record | None:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(_record_file().read_bytes(), type=Record)
    return None


def _save(record: Record) -> None:
    write_private(_record_file(), msgspec.json.encode(record).decode())


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Being told to end counts as Ctrl-C, so that what is half-made is removed."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
