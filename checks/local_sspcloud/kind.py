"""The kind cluster named `cahier`: made, repaired, described, removed. No other kind cluster is
ever touched."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from checks import installation, interruption
from checks.errors import AccessError, CahierError, UsageError
from checks.local_sspcloud import creation, records, running
from checks.local_sspcloud import engine as engines
from checks.local_sspcloud.engine import Engine
from checks.local_sspcloud.progress import Progress, waiting
from checks.local_sspcloud.records import Record
from checks.local_sspcloud.services.postgresql import operated, operator
from checks.lock import in_turn
from checks.places import admin_kubeconfig, failure_log, folder, lock, private_folder, write_private

_REVIVE_SECONDS = 90.0


class State(msgspec.Struct):
    """The running cluster. `created` is the moment it was made, `image` the node's, "" when
    unknown."""

    engine: str
    image: str
    version: str
    nodes: dict[str, bool]
    """Name of each node, and whether it is ready."""
    created: datetime
    operator: bool
    """Whether the platform's operator makes the databases."""


def create(progress: Progress, image: str | None = None, nodes: int | None = None) -> Path:
    """Make the cluster, or repair it, or find it in order; the administrator's kubeconfig.

    `image` and `nodes` None: as it is, or as is usual. Raises CahierError.
    """
    private_folder(folder())
    with interruption.heard(), in_turn(lock(), waiting(progress)):
        record = records.load()
        if record and record.complete and running.in_order(record.nodes):
            _require_same(record, image, nodes)
            return admin_kubeconfig()
        engine = engines.choose(progress, record.engine if record else "")
        installation.need("local")  # before the minutes that a cluster takes
        if not _repaired(engine, record, progress, image, nodes):
            creation.make(engine, progress, image, nodes or 1)
    return admin_kubeconfig()


def give_operator(progress: Progress) -> None:
    """Put the database operator of the platform on the cluster; twice is harmless. Raises
    CahierError."""
    with interruption.heard(), in_turn(lock(), waiting(progress)):
        record = records.load()
        engine = engines.choose(progress, record.engine if record else "")
        operator.ensure(engine, progress)


def _require_same(record: Record, image: str | None, nodes: int | None) -> None:
    remedy = "Supprimez-le d’abord (tout son contenu est perdu) : cahier cluster supprimer"
    if nodes is not None and nodes != record.nodes:
        raise UsageError(
            f"Le cluster local existe déjà, avec {record.nodes} nœud(s) et non {nodes}.", remedy
        )
    if image is not None and record.image and image != record.image:
        raise UsageError(f"Le cluster local existe déjà, avec l’image {record.image}.", remedy)


# -- what exists already ---------------------------------------------------------------------------


def _repaired(
    engine: Engine, record: Record | None, progress: Progress, image: str | None, nodes: int | None
) -> bool:
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
                    records.save(found)
                    return True
    with progress("Le cluster est inachevé ou abîmé : il est refait", 5):
        running.remove(engine)
    return False


def _revived(engine: Engine, stopped: list[str], count: int) -> bool:
    try:
        for name in stopped:
            engine.run("start", name)
        write_private(admin_kubeconfig(), running.kubeconfig(engine))
    except CahierError:
        return False
    return running.wait_in_order(count, _REVIVE_SECONDS)


# -- removing it -----------------------------------------------------------------------------------


def delete(progress: Progress) -> bool:
    """Remove the cluster, its kubeconfigs and the private engine; whether there was anything.
    Raises CahierError."""
    private_folder(folder())
    with in_turn(lock(), waiting(progress)):
        record = records.load()
        found = record is not None or admin_kubeconfig().exists()
        answering = engines.answering()
        for engine in answering:
            if engine.nodes():
                found = True
                with progress(f"Suppression du cluster ({engine.title})", 5):
                    running.remove(engine)
        if (
            record
            and record.engine != engines.PRIVATE
            and record.engine not in {one.name for one in answering}
        ):
            raise CahierError(
                f"Le cluster est dans {record.engine}, qui ne répond pas : il ne peut pas être "
                "supprimé.",
                f"Démarrez {record.engine}, puis : cahier cluster supprimer",
            )
        if engines.private_running() or (record and record.engine == engines.PRIVATE):
            found = True
            with progress("Arrêt du moteur privé", 3):
                engines.stop_private()
        elif engines.private_unsupported() is None:
            engines.stop_private()  # what a killed start may have left
        running.forget()
        failure_log().unlink(missing_ok=True)
    return found


# -- describing it ---------------------------------------------------------------------------------


def state() -> State:
    """The running cluster. Raises AccessError where there is none, or where it does not answer."""
    api = running.admin_api()
    try:
        nodes = running.readiness(api)
    except AccessError as silence:
        raise AccessError(
            "Le cluster local existe mais ne répond pas : il est arrêté ou abîmé.",
            "Réparez-le : cahier cluster creer",
        ) from silence
    record = records.load()
    system = api.request("GET", "/api/v1/namespaces/kube-system")
    return State(
        engine=record.engine if record else "",
        image=record.image if record else "",
        version=str(api.request("GET", "/version").get("gitVersion", "")),
        nodes=nodes,
        created=datetime.fromisoformat(system["metadata"]["creationTimestamp"]),
        operator=operated.is_there(api),
    )
