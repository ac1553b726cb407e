"""The CloudNativePG operator put on the local cluster, with the storage that it needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from checks.errors import CahierError
from checks.local_sspcloud import engine as engines
from checks.local_sspcloud import messages, running
from checks.local_sspcloud.services.postgresql import operated
from checks.objects.workloads import Workload
from checks.places import admin_kubeconfig
from checks.waiting import tries

if TYPE_CHECKING:
    from checks.local_sspcloud.engine import Engine
    from checks.local_sspcloud.progress import Progress

VERSION = "1.30.0"
PUBLISHED = (
    "https://raw.githubusercontent.com/cloudnative-pg/cloudnative-pg/"
    f"release-{VERSION.rpartition('.')[0]}/releases/cnpg-{VERSION}.yaml"
)
"""As its own documentation has it installed.
https://cloudnative-pg.io/documentation/current/installation_upgrade/"""
_STORAGE_CLASS = "/apis/storage.k8s.io/v1/storageclasses/standard"
_NOTHING = "kubernetes.io/no-provisioner"
_READY_SECONDS = 180.0
_POLL_SECONDS = 0.3
_STORAGE = ("local-path-storage", "local-path-provisioner")
_OPERATOR = ("cnpg-system", "cnpg-controller-manager")


def ensure(engine: Engine, progress: Progress) -> None:
    """Put the operator there, or find it in order; twice is harmless. Raises CahierError."""
    if is_ready():
        return
    storage, operator = engines.operator_manifests(engine, progress, PUBLISHED)
    with progress("Opérateur de bases CloudNativePG", 25):
        if storage:
            _let_claims_be_filled(engine, storage)
            _wait(*_STORAGE)
        _apply(engine, operator)
        _wait(*_OPERATOR)
        _apply(engine, yaml.safe_dump(_catalogue()))


def is_ready() -> bool:
    """Whether the operator is there and works."""
    return _available(*_OPERATOR)


def _let_claims_be_filled(engine: Engine, manifest: str) -> None:
    """kind's own storage, in place of the class that provisions nothing: a class's provisioner
    cannot be changed."""
    api = running.admin_api()
    there = api.find(_STORAGE_CLASS)
    if there is not None and there.get("provisioner") == _NOTHING:
        api.remove(_STORAGE_CLASS)
    _apply(engine, manifest)


def _catalogue() -> Mapping[str, Any]:
    return {
        "apiVersion": operated.API_VERSION,
        "kind": "ClusterImageCatalog",
        "metadata": {"name": operated.CATALOGUE},
        "spec": {"images": [{"major": operated.MAJOR, "image": operated.OPERAND}]},
    }


def _apply(engine: Engine, manifest: str) -> None:
    """`kubectl apply --server-side`: the operator's kinds are too large for the other way. A
    manifest is a text, or an address. Raises CahierError."""
    given = manifest if manifest.startswith("https://") else "-"
    program = shutil.which("kubectl", path=engine.environment.get("PATH")) or "kubectl"
    command = [program, "--kubeconfig", str(admin_kubeconfig()), "apply", "--server-side"]
    command += ["--force-conflicts", "--filename", given]
    try:
        done = subprocess.run(
            command,
            env=dict(engine.environment),
            input=None if given == manifest else manifest,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise CahierError(
            f"La commande kubectl ne peut pas être exécutée ({error}).",
            "Installez kubectl, puis recommencez.",
        ) from error
    if done.returncode:
        raise CahierError(
            f"L’opérateur n’a pas pu être installé : {messages.last_line(done.stderr)}",
            "Recommencez : cahier cluster creer --operateur",
        )


def _wait(namespace: str, name: str) -> None:
    if not any(_available(namespace, name) for _ in tries(_READY_SECONDS, _POLL_SECONDS)):
        raise CahierError(
            f"Le Deployment {name} de {namespace} n’est pas prêt.",
            "Regardez-le : KUBECONFIG=$(cahier cluster kubeconfig admin) kubectl get pods -n "
            f"{namespace}",
        )


def _available(namespace: str, name: str) -> bool:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    found = running.admin_api().one(Workload, path)
    return found is not None and any(
        one.type == "Available" and one.status == "True" for one in found.status.conditions
    )
